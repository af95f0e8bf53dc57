"""How passwords are hashed, and which ones are taken."""

import re
import threading
from typing import Any

from argon2 import DEFAULT_HASH_LENGTH, low_level
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.exceptions import ValidationError

from accounts.constants import PASSWORD_MAX_LENGTH
from core.exceptions import ServiceUnavailableError

# A piece of a name that is shorter stands in too many good passwords.
_SHORTEST_PIECE = 3
# What has to be left once everything personal is taken out.
_FEWEST_OWN = 5


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id as OWASP advises for servers: 19 MiB, two passes, one lane.

    Django's own parameters take 100 MiB and eight threads for each attempt, so that a
    handful of sign-ins at once could starve a small machine. Few are hashed at a time;
    who waits too long is told to come back.
    """

    time_cost = 2
    memory_cost = 19_456
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with _bulkhead:
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _bulkhead:
            is_right = super().verify(password, encoded)
            if not is_right:
                # In the same turn: to wait for another one would tell as well.
                self._make_up_for(encoded)
        return is_right

    def _make_up_for(self, encoded: str) -> None:
        """Do the work that an older, cheaper hash has spared.

        Else a quick refusal would say that there is an account, and an old one. Passes
        times memory is what Argon2 costs. What cost more than today can't be hidden.
        """
        spent = self.decode(encoded)
        missing = (
            self.time_cost * self.memory_cost
            - spent["time_cost"] * spent["memory_cost"]
        )
        # Argon2 takes no less memory than this.
        least = 8 * self.parallelism
        if missing < least * self.time_cost:
            return
        low_level.hash_secret(
            b"nobody's password",
            b"nobody's salt",
            time_cost=self.time_cost,
            memory_cost=missing // self.time_cost,
            parallelism=self.parallelism,
            hash_len=DEFAULT_HASH_LENGTH,
            type=low_level.Type.ID,
        )


class Bulkhead:
    """Lets ``PASSWORD_HASHES_AT_ONCE`` in at a time, others after a bounded wait."""

    def __init__(self) -> None:
        self._slots = threading.BoundedSemaphore(settings.PASSWORD_HASHES_AT_ONCE)

    def __enter__(self) -> None:
        if not self._slots.acquire(timeout=settings.PASSWORD_HASH_PATIENCE_SECONDS):
            raise ServiceUnavailableError("Too many people sign in at once.")

    def __exit__(self, *_: object) -> None:
        self._slots.release()


_bulkhead = Bulkhead()


class LengthValidator:
    """Ask staff for more than customers: a second factor is not sure to be there."""

    def validate(self, password: str, user: Any = None) -> None:
        fewest = _fewest(user)
        if len(password) < fewest:
            raise ValidationError(
                f"Use at least {fewest} characters; a few words are easy to remember.",
                code="password_too_short",
            )
        if len(password) > PASSWORD_MAX_LENGTH:
            raise ValidationError(
                f"Use at most {PASSWORD_MAX_LENGTH} characters.",
                code="password_too_long",
            )

    def get_help_text(self) -> str:
        return (
            f"At least {settings.PASSWORD_MIN_LENGTH} characters, for staff "
            f"{settings.STAFF_PASSWORD_MIN_LENGTH}. Any characters will do."
        )


def is_short_for_staff(password: str) -> bool:
    return len(password) < settings.STAFF_PASSWORD_MIN_LENGTH


def _fewest(user: Any) -> int:
    # Whoever is held back is staff all the same.
    is_staff = bool(user and (user.is_staff or user.held_back_by))
    if not is_staff or user.uses_mfa:
        return settings.PASSWORD_MIN_LENGTH
    return settings.STAFF_PASSWORD_MIN_LENGTH


class NotPersonalValidator:
    """Refuse what is made of the address, the name or the shop's name."""

    def validate(self, password: str, user: Any = None) -> None:
        plain = left = _plain(password)
        for piece in sorted(_pieces(user), key=len, reverse=True):
            left = left.replace(piece, "")
        own = re.sub(r"[\d_]", "", left)
        if left != plain and len(own) < _FEWEST_OWN:
            raise ValidationError(
                "It is made of your name, your address or the shop's name.",
                code="password_too_personal",
            )

    def get_help_text(self) -> str:
        return "Not made of your name, your address or the shop's name."


def _pieces(user: Any) -> set[str]:
    texts = [settings.SHOP_NAME]
    if user is not None:
        texts += [user.email, user.name]
    words = {word for text in texts for word in re.split(r"[\W_]+", text.casefold())}
    whole = {_plain(text) for text in texts}
    return {piece for piece in words | whole if len(piece) >= _SHORTEST_PIECE}


def _plain(text: str) -> str:
    return re.sub(r"\W", "", text.casefold())
