from typing import TYPE_CHECKING

from django.utils import timezone
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from accounts import selectors
from accounts.auth import current_session_id, current_user
from accounts.exceptions import StepUpRequiredError

if TYPE_CHECKING:
    from rest_framework.views import APIView


class RecentlyProven(IsAuthenticated):
    """For sensitive calls: the person has proved who he is within ``STEP_UP_SECONDS``.

    :raises StepUpRequiredError: with the methods that the person may choose from.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not super().has_permission(request, view):
            return False
        session_id = current_session_id(request)
        if not selectors.is_recently_proven(session_id, now=timezone.now()):
            methods = selectors.step_up_methods(current_user(request))
            raise StepUpRequiredError(methods=methods)
        return True
