"""Which parser reads a body: the one that its Content-Type names, and no guess."""

from collections.abc import Iterable

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.request import Request


class ContentNegotiation(DefaultContentNegotiation):
    def select_parser(
        self, request: Request, parsers: Iterable[BaseParser]
    ) -> BaseParser | None:
        """Choose by the very type; None is answered by 415.

        DRF would match patterns both ways, so that ``*/*``, which names nothing, was JSON.
        """
        named = (request.content_type or "").partition(";")[0].strip(" \t").lower()
        return next((one for one in parsers if one.media_type == named), None)
