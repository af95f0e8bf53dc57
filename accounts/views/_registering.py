"""Registration and links in mails. Nothing here tells whether an address is known."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.auth import device_of
from accounts.exceptions import InvalidTokenError
from accounts.serializers import (
    AddressOnlySerializer,
    ConfirmEmailSerializer,
    RegisterSerializer,
    ResetPasswordSerializer,
    VerifyEmailSerializer,
)
from accounts.views._signing_in import SIGN_IN_OUTCOME, TokenView, sign_in_response
from core.exceptions import ValidationFailedError

TOKEN_EXAMPLE = "pD0mG4m3Jm0yqkq0cYQm2m1Tn1Zl8mUu0c7m8mJ0q9E"  # noqa: S105 -- of nobody


class AskingView(TokenView):
    """Answer 202 and an empty body, whoever's address it is; a worker does the rest."""

    @staticmethod
    def taken() -> Response:
        return Response(status=202)


class RegisterView(AskingView):
    problems = (ValidationFailedError,)

    @extend_schema(
        operation_id="auth_register",
        summary="Register",
        tags=["Accounts"],
        request=RegisterSerializer,
        responses={202: None},
        examples=[
            OpenApiExample(
                "Anna registers",
                value={
                    "email": "anna@example.com",
                    "password": "correct horse battery",
                    "name": "Anna Smith",
                    "locale": "en",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Mail a link to the address; who has an account already is told so by mail."""
        given = RegisterSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.request_registration(**given.validated_data, now=timezone.now())
        return self.taken()


class ResendVerificationView(AskingView):
    @extend_schema(
        operation_id="auth_resend_verification",
        summary="Have the link of a registration mailed again",
        tags=["Accounts"],
        request=AddressOnlySerializer,
        responses={202: None},
    )
    def post(self, request: Request) -> Response:
        given = AddressOnlySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.request_verification(
            email=given.validated_data["email"], now=timezone.now()
        )
        return self.taken()


class ForgotPasswordView(AskingView):
    @extend_schema(
        operation_id="auth_forgot_password",
        summary="Have a link to a new password mailed",
        tags=["Accounts"],
        request=AddressOnlySerializer,
        responses={202: None},
    )
    def post(self, request: Request) -> Response:
        """Mail a link that holds for an hour."""
        given = AddressOnlySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.request_reset(email=given.validated_data["email"], now=timezone.now())
        return self.taken()


class VerifyEmailView(TokenView):
    problems = (InvalidTokenError,)

    @extend_schema(
        operation_id="auth_verify_email",
        summary="Follow the link of a registration, and sign in",
        tags=["Accounts"],
        request=VerifyEmailSerializer,
        responses=SIGN_IN_OUTCOME,
        examples=[
            OpenApiExample(
                "The secret of the link",
                value={"token": TOKEN_EXAMPLE},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        given = VerifyEmailSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        outcome = services.verify_email(
            token=given.validated_data["token"],
            device=device_of(request, name=given.validated_data["device_name"]),
            now=timezone.now(),
        )
        return sign_in_response(request, outcome)


class ResetPasswordView(TokenView):
    problems = (InvalidTokenError, ValidationFailedError)

    @extend_schema(
        operation_id="auth_reset_password",
        summary="Choose a new password by the mailed link",
        tags=["Accounts"],
        request=ResetPasswordSerializer,
        responses={204: None},
        examples=[
            OpenApiExample(
                "The secret of the link",
                value={"token": TOKEN_EXAMPLE, "password": "a new long password"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """End every session. It signs nobody in: a second factor is asked for as ever."""
        given = ResetPasswordSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.reset_password(
            **given.validated_data, device=device_of(request), now=timezone.now()
        )
        return Response(status=204)


class ConfirmEmailView(TokenView):
    problems = (InvalidTokenError,)

    @extend_schema(
        operation_id="auth_confirm_email",
        summary="Confirm a changed address by the mailed link",
        tags=["Accounts"],
        request=ConfirmEmailSerializer,
        responses={204: None},
        examples=[
            OpenApiExample(
                "The secret of the link",
                value={"token": TOKEN_EXAMPLE},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Move the account, end its other sessions, and tell the old address."""
        given = ConfirmEmailSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.confirm_email_change(
            **given.validated_data, device=device_of(request), now=timezone.now()
        )
        return Response(status=204)
