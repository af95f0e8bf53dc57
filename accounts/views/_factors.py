from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.auth import current_session_id, current_user, device_of
from accounts.exceptions import (
    InvalidCodeError,
    InvalidTicketError,
    StepUpFailedError,
    StepUpRequiredError,
    TotpInUseError,
    WrongCodeError,
)
from accounts.models import Ceremony
from accounts.permissions import RecentlyProven
from accounts.serializers import (
    CodeSerializer,
    CompleteMfaSerializer,
    PasskeyOptionsSerializer,
    RecoveryCodesSerializer,
    SignedInSerializer,
    StepUpSerializer,
    TotpOfferSerializer,
)
from accounts.views._signing_in import TokenView, signed_in_response
from core.exceptions import NotFoundError
from core.protection.limiter import give_back
from core.views import ApiView

CODES_EXAMPLE = {
    "recovery_codes": ["MFRG-GZDF-MZTW-Q2LK-NNWG-23TP", "ORSX-G5BA-OJSW-G33W-MVZH-SIDD"]
}


class CompleteMfaView(TokenView):
    problems = (InvalidTicketError, WrongCodeError)

    @extend_schema(
        operation_id="auth_mfa",
        summary="Finish a sign-in with a code",
        tags=["Accounts"],
        request=CompleteMfaSerializer,
        responses=SignedInSerializer,
    )
    def post(self, request: Request) -> Response:
        given = CompleteMfaSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        signed_in = services.complete_mfa(
            ticket=given.validated_data["ticket"],
            code=given.validated_data["code"],
            device=device_of(request, name=given.validated_data["device_name"]),
            now=timezone.now(),
        )
        return signed_in_response(request, signed_in)


class TotpView(ApiView):
    permission_classes = (RecentlyProven,)
    # The answer to POST is a secret, and is kept nowhere.
    idempotency = "ignored"
    problems = {
        "post": (StepUpRequiredError, TotpInUseError),
        "delete": (StepUpRequiredError, NotFoundError),
    }

    @extend_schema(
        operation_id="auth_mfa_totp_begin",
        summary="Offer a seed for an authenticator app",
        tags=["Accounts"],
        request=None,
        responses={status.HTTP_201_CREATED: TotpOfferSerializer},
        examples=[
            OpenApiExample(
                "A seed",
                value={
                    "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
                    "otpauth_uri": "otpauth://totp/Shopwright:anna%40example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Shopwright",
                    "qr_svg": "<svg xmlns=…",
                },
                response_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        offer = services.begin_totp(user=current_user(request), now=timezone.now())
        return Response(TotpOfferSerializer(offer).data, status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="auth_mfa_totp_remove",
        summary="Remove the authenticator app and its recovery codes",
        tags=["Accounts"],
        responses={status.HTTP_204_NO_CONTENT: None},
    )
    def delete(self, request: Request) -> Response:
        services.remove_totp(
            user=current_user(request), device=device_of(request), now=timezone.now()
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class ConfirmTotpView(ApiView):
    permission_classes = (IsAuthenticated,)
    idempotency = "ignored"
    problems = (InvalidCodeError,)

    @extend_schema(
        operation_id="auth_mfa_totp_confirm",
        summary="Turn the authenticator app on with its first code",
        tags=["Accounts"],
        request=CodeSerializer,
        responses=RecoveryCodesSerializer,
        examples=[
            OpenApiExample("A code", value={"code": "287082"}, request_only=True),
            OpenApiExample("Ten of them", value=CODES_EXAMPLE, response_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        given = CodeSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        codes = services.confirm_totp(
            user=current_user(request),
            code=given.validated_data["code"],
            device=device_of(request),
            now=timezone.now(),
        )
        return Response(RecoveryCodesSerializer({"recovery_codes": codes}).data)


class RecoveryCodesView(ApiView):
    permission_classes = (RecentlyProven,)
    idempotency = "ignored"
    problems = (StepUpRequiredError, NotFoundError)

    @extend_schema(
        operation_id="auth_mfa_recovery_codes",
        summary="Replace the recovery codes by ten new ones",
        tags=["Accounts"],
        request=None,
        responses=RecoveryCodesSerializer,
        examples=[
            OpenApiExample("Ten of them", value=CODES_EXAMPLE, response_only=True)
        ],
    )
    def post(self, request: Request) -> Response:
        codes = services.renew_recovery_codes(
            user=current_user(request), device=device_of(request), now=timezone.now()
        )
        return Response(RecoveryCodesSerializer({"recovery_codes": codes}).data)


class StepUpView(ApiView):
    permission_classes = (IsAuthenticated,)
    idempotency = "ignored"
    problems = (StepUpFailedError,)

    @extend_schema(
        operation_id="auth_step_up",
        summary="Prove again that it is you",
        tags=["Accounts"],
        request=StepUpSerializer,
        responses={status.HTTP_204_NO_CONTENT: None},
        examples=[
            OpenApiExample("By a code", value={"code": "287082"}, request_only=True)
        ],
    )
    def post(self, request: Request) -> Response:
        given = StepUpSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.prove_again(
            user=current_user(request),
            session_id=_session_of(request),
            device=device_of(request),
            now=timezone.now(),
            **given.validated_data,
        )
        give_back(request)
        return Response(status=status.HTTP_204_NO_CONTENT)


class StepUpOptionsView(ApiView):
    permission_classes = (IsAuthenticated,)
    idempotency = "ignored"

    @extend_schema(
        operation_id="auth_step_up_options",
        summary="Ask for a passkey to step up with",
        tags=["Accounts"],
        request=None,
        responses=PasskeyOptionsSerializer,
    )
    def post(self, request: Request) -> Response:
        options = services.passkey_sign_in_options(
            kind=Ceremony.Kind.STEP_UP,
            user=current_user(request),
            device=device_of(request),
            now=timezone.now(),
        )
        return Response({"public_key": options})


def _session_of(request: Request) -> UUID:
    """Return the session to step up; a machine's key has none and can't.

    :raises StepUpFailedError:
    """
    session_id = current_session_id(request)
    if session_id is None:
        raise StepUpFailedError(methods=[])
    return session_id
