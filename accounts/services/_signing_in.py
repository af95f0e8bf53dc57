from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError

from accounts.auth import TokenPair, issue_tokens, read_refresh_token
from accounts.exceptions import InvalidCredentialsError, InvalidRefreshTokenError
from accounts.models import User


@dataclass(frozen=True, slots=True)
class SignIn:
    user: User
    tokens: TokenPair


def sign_in(*, email: str, password: str, now: datetime) -> SignIn:
    """Exchange an address and a password for tokens.

    Takes as long for an unknown address as for a wrong password: Django hashes either
    way, and the account's state is looked at only after that.

    :raises InvalidCredentialsError: for any reason, without saying which.
    """
    user = authenticate(username=email, password=password)
    if not isinstance(user, User):
        raise InvalidCredentialsError
    User.objects.filter(pk=user.pk).update(last_login=now)
    return SignIn(user=user, tokens=issue_tokens(user, signed_in_at=now))


def refresh_session(*, refresh: str, now: datetime) -> TokenPair:
    """Exchange a refresh token for a new pair, as long as the account is open.

    :raises InvalidRefreshTokenError:
    """
    user_id, signed_in_at = read_refresh_token(refresh, now=now)
    try:
        user = User.objects.active().get(pk=user_id)
    except (User.DoesNotExist, ValidationError) as error:
        raise InvalidRefreshTokenError from error
    return issue_tokens(user, signed_in_at=signed_in_at)
