"""Writes of every sort, for the tests of idempotency over HTTP."""

import os
import signal

from django.db import transaction
from django.urls import path
from rest_framework import serializers
from rest_framework.response import Response

from config import urls as config_urls
from core.conditional import set_etag
from core.errors import DomainError, ErrorKind
from core.models import AuditEntry
from core.permissions import Anyone
from core.serializers import StrictSerializer
from core.views import ApiView


class NoBulbError(DomainError):
    code = "no_bulb_in_tests"
    kind = ErrorKind.CONFLICT
    title = "There is no bulb"
    cause = "A test asked for a dark room."
    cure = "Ask for another one."


class LampSerializer(StrictSerializer):
    room = serializers.CharField(max_length=20)


def light(room):
    return AuditEntry.objects.create(subject_type="lamp", subject_id=room, action="lit")


class LampView(ApiView):
    permission_classes = [Anyone]

    def post(self, request):
        data = LampSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        room = data.validated_data["room"]
        entry = light(room)
        if room == "dark":
            raise NoBulbError(room=room)
        if room == "bug":
            raise RuntimeError("secret detail")
        if room == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        response = Response({"id": str(entry.pk), "room": room}, status=201)
        set_etag(response, 1)
        return response


class PaidLampView(LampView):
    idempotency = {"post": "required"}
    idempotency_phased = {"post"}

    def post(self, request):
        assert not transaction.get_connection().in_atomic_block
        return super().post(request)


class TokenView(LampView):
    idempotency = "ignored"


urlpatterns = [
    *config_urls.urlpatterns,
    path("api/v1/tests/lamps", LampView.as_view()),
    path("api/v1/tests/paid-lamps", PaidLampView.as_view()),
    path("api/v1/tests/tokens", TokenView.as_view()),
]
handler400 = config_urls.handler400
handler404 = config_urls.handler404
handler500 = config_urls.handler500
