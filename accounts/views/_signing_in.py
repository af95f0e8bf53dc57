from django.utils import timezone
from drf_spectacular.utils import (
    OpenApiExample,
    PolymorphicProxySerializer,
    extend_schema,
)
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.auth import DEVICE_HEADER, device_of, proof_of_device
from accounts.exceptions import InvalidCredentialsError, InvalidRefreshTokenError
from accounts.serializers import (
    MfaRequiredSerializer,
    RefreshSerializer,
    SignedInSerializer,
    SignInSerializer,
    TokenPairSerializer,
)
from core.permissions import Anyone
from core.protection.limiter import give_back
from core.views import ApiView

USER_EXAMPLE = {
    "id": "019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a11",
    "email": "anna@example.com",
    "email_verified": True,
    "name": "Anna Smith",
    "roles": ["customer"],
    "locale": "en",
    "timezone": "Europe/London",
    "created_at": "2026-11-20T09:30:00.000000Z",
}
PAIR_EXAMPLE = {"access": "eyJhbGciOiJIUzI1NiIs…", "refresh": "eyJhbGciOiJIUzI1NiIs…"}


SIGN_IN_OUTCOME = PolymorphicProxySerializer(
    component_name="SignInOutcome",
    serializers=[SignedInSerializer, MfaRequiredSerializer],
    resource_type_field_name=None,
)


def signed_in_response(request: Request, signed_in: services.SignedIn) -> Response:
    """Answer a sign-in that went well, and let the device prove that the next time."""
    give_back(request)
    tokens = signed_in.tokens
    shown = {
        "access": tokens.access,
        "refresh": tokens.refresh,
        "user": signed_in.user,
    }
    proof = proof_of_device(request, tokens.device_id, signed_in.user)
    return Response(SignedInSerializer(shown).data, headers={DEVICE_HEADER: proof})


def sign_in_response(
    request: Request, outcome: services.SignedIn | services.MfaRequired
) -> Response:
    """Answer a first proof: with the tokens, or with the ticket to the second step."""
    if isinstance(outcome, services.SignedIn):
        return signed_in_response(request, outcome)
    return Response(MfaRequiredSerializer(outcome).data)


class TokenView(ApiView):
    """Answers secrets: to anyone, whatever stale token came along, and kept nowhere."""

    authentication_classes = ()
    permission_classes = (Anyone,)
    idempotency = "ignored"


class LoginView(TokenView):
    problems = (InvalidCredentialsError,)

    @extend_schema(
        operation_id="auth_login",
        summary="Sign in with an address and a password",
        tags=["Accounts"],
        request=SignInSerializer,
        responses=SIGN_IN_OUTCOME,
        examples=[
            OpenApiExample(
                "Anna signs in",
                value={"email": "anna@example.com", "password": "correct horse"},
                request_only=True,
            ),
            OpenApiExample(
                "Tokens and the user",
                value=PAIR_EXAMPLE | {"user": USER_EXAMPLE},
                response_only=True,
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        given = SignInSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        outcome = services.sign_in(
            email=given.validated_data["email"],
            password=given.validated_data["password"],
            device=device_of(request, name=given.validated_data["device_name"]),
            now=timezone.now(),
        )
        return sign_in_response(request, outcome)


class RefreshView(TokenView):
    problems = (InvalidRefreshTokenError,)

    @extend_schema(
        operation_id="auth_refresh",
        summary="Exchange a refresh token for a new pair",
        tags=["Accounts"],
        request=RefreshSerializer,
        responses=TokenPairSerializer,
        examples=[
            OpenApiExample(
                "The refresh token",
                value={"refresh": PAIR_EXAMPLE["refresh"]},
                request_only=True,
            ),
            OpenApiExample("A new pair", value=PAIR_EXAMPLE, response_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        given = RefreshSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        tokens = services.refresh_session(
            refresh=given.validated_data["refresh"],
            device=device_of(request),
            now=timezone.now(),
        )
        return Response(TokenPairSerializer(tokens).data)
