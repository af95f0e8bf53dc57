from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.exceptions import InvalidUndoTokenError
from accounts.serializers import UndoErasureSerializer
from accounts.views._signing_in import TokenView


class UndoErasureView(TokenView):
    problems = (InvalidUndoTokenError,)

    @extend_schema(
        summary="Keep an account that was to be erased",
        description="With the token of the mail that announced it. Signing in does the same.",
        request=UndoErasureSerializer,
        responses={204: None},
    )
    def post(self, request: Request) -> Response:
        given = UndoErasureSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.undo_erasure(token=given.validated_data["token"], now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)
