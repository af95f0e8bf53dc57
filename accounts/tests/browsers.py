"""Browsers that are signed in to the administration without going through its door."""

from typing import Any

from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from accounts.admin import note_proof, stand_for
from accounts.constants import Method
from accounts.services import start_browser_session
from accounts.tests.factories import PHONE


class UnprovenClient(Client):
    """In a session whose last proof is of no moment that it knows."""

    def force_login(self, user: Any, backend: str | None = None) -> None:
        super().force_login(user, backend)
        request = HttpRequest()
        request.session = self.session
        session = start_browser_session(
            user=user, device=PHONE, methods=[Method.PASSWORD], now=timezone.now()
        )
        stand_for(request, session)
        self.prove(request)
        request.session.save()

    def prove(self, request: HttpRequest) -> None:
        pass


class SignedInClient(UnprovenClient):
    """As the door of the administration leaves it: with a proof of this moment."""

    def prove(self, request: HttpRequest) -> None:
        note_proof(request, now=timezone.now())
