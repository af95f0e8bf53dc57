"""The door: who is shut out, and who has asked enough. Before any view, also cached ones.

The health probes are answered further outside and never get here.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import isinf
from typing import Any

import structlog
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from core.exceptions import (
    AddressBlockedError,
    DeadlineExceededError,
    InvalidHeaderError,
)
from core.problems import ProblemResponse
from core.protection import deadlines, shedding
from core.protection.addresses import client_of
from core.protection.counters import counters
from core.protection.keeper import keeper
from core.protection.limiter import judge
from core.protection.marks import PRIORITY
from core.protection.refusals import count_refusal
from core.protection.rules import rulebook
from core.protection.switches import mode_of
from core.response_headers import add_headers

GetResponse = Callable[[HttpRequest], HttpResponseBase]
_log = structlog.get_logger("rate_limit")
_DEADLINE = "shopwright.deadline"


class TrafficMiddleware:
    """Count every answer, also refusals, by its status and the request's priority."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Whatever else asks for switches and rules finds them kept up to date.
        keeper.wake()
        response = self.get_response(request)
        priority = request.META.get(PRIORITY, "none")
        counters.add(f"answers|{response.status_code}|{priority}")
        return response


class BlockMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        mode = mode_of("rate_limit")
        if mode == "off":
            return self.get_response(request)
        end = rulebook.current().blocks.end_for(client_of(request))
        if end is None:
            return self.get_response(request)
        counters.add(f"blocked|{str(mode == 'enforce').lower()}")
        if mode != "enforce":
            _log.info("address_block_would_refuse")
            return self.get_response(request)
        until = None if isinf(end) else datetime.fromtimestamp(end, UTC)
        return ProblemResponse(AddressBlockedError(until=until), request)


class RateLimitMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if mode_of("rate_limit") == "off":
            return self.get_response(request)
        client = client_of(request)
        verdict = judge(request, client)
        if verdict.error is None:
            response = self.get_response(request)
        else:
            response = ProblemResponse(verdict.error, request)
            count_refusal(client)
        add_headers(response, verdict.headers)
        return response


class LoadSheddingMiddleware:
    """Let in as many as the shop can work on; the others wait, or are told to come later."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        mode = mode_of("load_shedding")
        if mode == "off":
            return self.get_response(request)
        waiter = shedding.enter(
            request, only_looks=mode != "enforce", seconds=deadlines.remaining()
        )
        if not waiter.is_admitted:
            return ProblemResponse(shedding.refusal(waiter), request)
        token = shedding.inside.set(waiter)
        try:
            response = self.get_response(request)
        except BaseException:
            shedding.abandon(waiter)
            raise
        finally:
            shedding.inside.reset(token)
        shedding.leave(waiter, request, response)
        return response


class DeadlineMiddleware:
    """Bound the request in time from here on, and refuse to enter a view too late."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        mode = mode_of("deadlines")
        if mode == "off":
            return self.get_response(request)
        try:
            asked = deadlines.read_timeout(request.META.get("HTTP_REQUEST_TIMEOUT"))
        except InvalidHeaderError as error:
            return ProblemResponse(error, request)
        started = time.monotonic()
        seconds = min(asked or deadlines.REQUEST_SECONDS, deadlines.REQUEST_SECONDS)
        if mode != "enforce":
            response = self.get_response(request)
            if time.monotonic() - started > seconds:
                counters.add("late|false")
            return response
        with deadlines.Deadline(started + seconds) as own:
            request.META[_DEADLINE] = own, started, asked
            response = self.get_response(request)
            if time.monotonic() > own.at:
                counters.add("late|true")
        return response

    def process_view(
        self, request: HttpRequest, view: Any, _args: Any, _kwargs: Any
    ) -> HttpResponseBase | None:
        """Hold the request to its route's limits, now that the route is known."""
        found = request.META.get(_DEADLINE)
        if found is None:
            return None
        own, started, asked = found
        most, own.statement_seconds = deadlines.limits_of(view)
        own.at = started + min(asked or most, most)
        if own.at <= time.monotonic():
            return ProblemResponse(DeadlineExceededError(), request)
        return None


class AdmissionMiddleware:
    """The way in: a deadline, the caller's quotas, and a place among those at work.

    One layer of Django's for the three, each of which works alone too.
    """

    def __init__(self, get_response: GetResponse) -> None:
        with_place = LoadSheddingMiddleware(get_response)
        self._answer = DeadlineMiddleware(RateLimitMiddleware(with_place))
        self.process_view = self._answer.process_view

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._answer(request)
