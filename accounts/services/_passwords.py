from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.models import User
from accounts.selectors import second_steps
from core.errors import FieldError
from core.exceptions import ValidationFailedError


def hash_new_password(password: str, *, user: User, pointer: str) -> str:
    """Return the hash of a password that is good enough for this person.

    :raises ValidationFailedError: with every reason why it isn't.
    """
    is_staff = user.is_staff or user.held_back_by is not None
    if is_staff and not user._state.adding:  # noqa: SLF001 -- Django documents it
        user.uses_mfa = bool(second_steps(user))
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise ValidationFailedError(
            errors=[
                FieldError(pointer, one.code or "invalid", " ".join(one.messages))
                for one in error.error_list
            ]
        ) from error
    return make_password(password)


def require_password(user: User, password: str, *, pointer: str) -> None:
    """Have the person say the present password; who has none has nothing to say.

    :raises ValidationFailedError: when it is another one.
    """
    if user.has_usable_password() and not user.check_password(password):
        wrong = FieldError(pointer, "wrong_password", "That isn't your password.")
        raise ValidationFailedError(errors=[wrong])
