"""Views that misbehave on purpose, for the tests of what every view inherits."""

import time
from typing import Any

from django.contrib.auth.models import Group
from django.core.exceptions import SuspiciousOperation
from django.db import DataError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import path
from psycopg.errors import ProgramLimitExceeded
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

from config import urls as config_urls
from core.bytes_cache import public_bytes
from core.conditional import expected_version, set_etag
from core.exceptions import ConflictError
from core.permissions import Anyone, requires
from core.serializers import (
    CountryField,
    CurrencyField,
    MoneySerializer,
    StrictSerializer,
)
from core.views import ApiView, ApiViewSet


def too_long() -> OperationalError:
    error = OperationalError("index row size 3000 exceeds btree maximum 2704")
    error.__cause__ = ProgramLimitExceeded(str(error))
    return error


FAILURES = {
    "bug": RuntimeError("secret detail"),
    "conflict": ConflictError("Somebody was faster.", available=3),
    "lock": OperationalError("canceling statement due to lock timeout"),
    "data": DataError("integer out of range"),
    "limit": too_long(),
    "suspicious": SuspiciousOperation("x"),
}


class LineSerializer(StrictSerializer):
    quantity = serializers.IntegerField(min_value=1, max_value=99)
    price = MoneySerializer(required=False)
    note = serializers.CharField(max_length=20, required=False)


class BasketSerializer(StrictSerializer):
    lines = LineSerializer(many=True)
    tags = serializers.ListField(
        child=serializers.CharField(max_length=5), required=False
    )
    country = CountryField(required=False)
    currency = CurrencyField(required=False)
    id = serializers.IntegerField(read_only=True)


class BasketView(ApiView):
    permission_classes = [Anyone]

    def post(self, request):
        data = BasketSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        return Response({"lines": len(data.validated_data["lines"])}, status=201)


class EchoView(ApiView):
    permission_classes = [Anyone]

    def post(self, request):
        return Response({"body": request.data})


class FailingView(ApiView):
    permission_classes = [Anyone]

    def get(self, request, failure):
        raise FAILURES[failure]


class GuardedView(ApiView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"id": request.user.pk})


class StaffView(GuardedView):
    permission_classes = [requires("catalog.change_product")]


class ForgottenView(ApiView):
    def get(self, request):
        return Response({})


class VersionedView(ApiView):
    query_params = ("token",)
    permission_classes = [Anyone]
    version = 7

    def get(self, request):
        response = Response({"id": 1, "title": "Mug"})
        set_etag(response, self.version)
        return response

    def patch(self, request):
        return Response({"version": expected_version(request)})


class GroupSerializer(serializers.ModelSerializer):
    class Meta:
        model = Group
        fields = ["id", "name"]


class GroupViewSet(ApiViewSet):
    permission_classes = [Anyone]
    queryset = Group.objects.all()
    serializer_class = GroupSerializer
    ordering = ("-name", "id")
    query_params = {"list": {"name"}, "retrieve": {"currency"}}

    def retrieve(self, request, pk):
        return Response({"id": pk, "name": "g"})

    def list(self, request):
        queryset = self.get_queryset()
        if name := request.GET.get("name"):
            queryset = queryset.filter(name__startswith=name)
        page = self.paginate_queryset(queryset)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


def plain_refusal(request: HttpRequest) -> HttpResponse:
    return HttpResponseNotAllowed(["PUT"])


def plain_conflict(request: HttpRequest) -> HttpResponse:
    raise ConflictError


builds: list[Any] = []


class PublicView(ApiView):
    permission_classes = [Anyone]
    query_params = {"q"}
    seconds = 0.0
    failure = None

    def get(self, request):
        builds.append(request)
        if PublicView.failure is not None:
            raise PublicView.failure
        time.sleep(PublicView.seconds)
        return Response({"names": list(Group.objects.values_list("name", flat=True))})


urlpatterns = [
    path("api/t/basket", BasketView.as_view()),
    path("api/t/echo", EchoView.as_view()),
    path("api/t/fail/<failure>", FailingView.as_view()),
    path("api/t/guarded", GuardedView.as_view()),
    path("api/t/staff", StaffView.as_view()),
    path("api/t/forgotten", ForgottenView.as_view()),
    path("api/t/versioned", VersionedView.as_view()),
    path("api/t/groups", GroupViewSet.as_view({"get": "list"})),
    path("api/t/groups/<int:pk>", GroupViewSet.as_view({"get": "retrieve"})),
    path("api/t/plain", plain_refusal),
    path("api/t/raised", plain_conflict),
    path("api/t/public", public_bytes(PublicView.as_view())),
    *config_urls.urlpatterns,
]
handler400 = config_urls.handler400
handler403 = config_urls.handler403
handler404 = config_urls.handler404
handler500 = config_urls.handler500
