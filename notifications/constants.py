from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

_ADVICE = gettext_lazy(
    "If that was you, there is nothing to do. If it was not, sign in, end all other sessions and set a new password at once."
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What can be told. ``subject`` names the loader that knows what it is about."""

    slug: str
    category: str
    subject: str
    channels: tuple[str, ...]
    # Set where all that is to be said is a headline and a sentence or two.
    notice: "Notice | None" = None
    # It goes to the subject's address, which isn't the person's present one.
    to_subject: bool = False

    @property
    def template(self) -> str:
        return self.slug if self.notice is None else "notice"


@dataclass(frozen=True, slots=True)
class Notice:
    """``headline`` is the mail's subject too; ``advice`` is for who knows nothing of it."""

    headline: str | Promise
    text: str | Promise
    advice: str | Promise = _ADVICE
    # What the button says, where the subject has a ``url``.
    button: str | Promise = ""


ORDER_PLACED = Kind(
    slug="order_placed", category="order", subject="order", channels=("email",)
)


def _security(
    slug: str, notice: Notice, *, subject: str = "person", to_subject: bool = False
) -> Kind:
    """Make a kind that tells the owner of an account what happened to it."""
    return Kind(
        slug=slug,
        category="security",
        subject=subject,
        channels=("email",),
        notice=notice,
        to_subject=to_subject,
    )


_NO_MATTER = gettext_lazy(
    "If you did not ask for this, there is nothing to do: nothing has changed."
)
VERIFY_EMAIL = _security(
    "verify_email",
    Notice(
        headline=gettext_lazy("Confirm your address"),
        text=gettext_lazy(
            "One step is left: follow the link within 24 hours, and your account is open."
        ),
        advice=gettext_lazy(
            "If you did not register here, there is nothing to do. If you registered more than once, choose a new password afterwards."
        ),
        button=gettext_lazy("Confirm address"),
    ),
    subject="account_link",
)
RESET_PASSWORD = _security(
    "reset_password",
    Notice(
        headline=gettext_lazy("Choose a new password"),
        text=gettext_lazy(
            "Follow the link within an hour. All sessions end when the new password is set."
        ),
        advice=_NO_MATTER,
        button=gettext_lazy("Choose password"),
    ),
    subject="account_link",
)
CHANGE_EMAIL = _security(
    "change_email",
    Notice(
        headline=gettext_lazy("Confirm your new address"),
        text=gettext_lazy(
            "Follow the link within 24 hours, and your account moves to this address."
        ),
        advice=_NO_MATTER,
        button=gettext_lazy("Confirm address"),
    ),
    subject="account_link",
    to_subject=True,
)
EMAIL_CHANGED = _security(
    "email_changed",
    Notice(
        headline=gettext_lazy("Your address was changed"),
        text=gettext_lazy(
            "Your account now has another address. This is the last message to this one."
        ),
        advice=gettext_lazy(
            "If that was not you, write to us at once: somebody else has your account."
        ),
    ),
    subject="email_change",
    to_subject=True,
)
ACCOUNT_EXISTS = _security(
    "account_exists",
    Notice(
        headline=gettext_lazy("You have an account already"),
        text=gettext_lazy(
            "Somebody, perhaps you, gave this address for an account. You have one here: sign in, or choose a new password if you forgot yours."
        ),
        advice=_NO_MATTER,
    ),
)
PASSWORD_CHANGED = _security(
    "password_changed",
    Notice(
        headline=gettext_lazy("Your password was changed"),
        text=gettext_lazy(
            "Your account has a new password. All other sessions have ended."
        ),
        advice=gettext_lazy(
            "If that was not you, choose a new password at once by the link for forgotten ones."
        ),
    ),
)
NEW_DEVICE = _security(
    "new_device",
    Notice(
        headline=gettext_lazy("A new device signed in"),
        text=gettext_lazy(
            "Somebody signed in to your account from a device that we had not seen before."
        ),
    ),
    subject="session",
)
REFRESH_REUSED = _security(
    "refresh_reused",
    Notice(
        headline=gettext_lazy("We ended a session of yours"),
        text=gettext_lazy(
            "A token of this session was used twice, which happens when it was stolen. The session has ended for everybody."
        ),
        advice=gettext_lazy(
            "Sign in again, look at the list of your sessions, and set a new password if something there is not yours."
        ),
    ),
    subject="session",
)


FACTOR_ADDED = _security(
    "factor_added",
    Notice(
        headline=gettext_lazy("A way to sign in was added"),
        text=gettext_lazy(
            "An authenticator app, new recovery codes or a passkey was added to your account."
        ),
    ),
)
FACTOR_REMOVED = _security(
    "factor_removed",
    Notice(
        headline=gettext_lazy("A way to sign in was removed"),
        text=gettext_lazy(
            "An authenticator app or a passkey was removed from your account."
        ),
    ),
)
FACTORS_RESET = _security(
    "factors_reset",
    Notice(
        headline=gettext_lazy("Your second factors were removed"),
        text=gettext_lazy(
            "Our staff removed the authenticator app, the recovery codes and the passkeys of your account and ended all sessions. Your password alone signs in until you set up a new one."
        ),
        advice=gettext_lazy(
            "If you did not ask us for this, choose a new password at once by the link for forgotten ones, and write to us."
        ),
    ),
)
RECOVERY_CODE_USED = _security(
    "recovery_code_used",
    Notice(
        headline=gettext_lazy("A recovery code was used"),
        text=gettext_lazy(
            "Somebody signed in to your account with one of its recovery codes. Each works once; make new ones before they run out."
        ),
    ),
)
PASSKEY_COPIED = _security(
    "passkey_copied",
    Notice(
        headline=gettext_lazy("A passkey of yours may have been copied"),
        text=gettext_lazy(
            "One of your passkeys was used in a way that only a copy of it would be. We refused it."
        ),
        advice=gettext_lazy(
            "Remove that passkey from your account and make a new one."
        ),
    ),
)
IDENTITY_LINKED = _security(
    "identity_linked",
    Notice(
        headline=gettext_lazy("Another account can sign you in"),
        text=gettext_lazy("An account at another provider was linked to yours."),
    ),
)
IDENTITY_UNLINKED = _security(
    "identity_unlinked",
    Notice(
        headline=gettext_lazy("Another account signs you in no more"),
        text=gettext_lazy("An account at another provider was unlinked from yours."),
    ),
)
SIGN_INS_GUESSED = _security(
    "sign_ins_guessed",
    Notice(
        headline=gettext_lazy("Somebody is guessing your password"),
        text=gettext_lazy(
            "There were many wrong passwords for your account within an hour. We slow such guesses down; nobody got in by them."
        ),
        advice=gettext_lazy(
            "If you use your password elsewhere too, set a new one. A second factor or a passkey ends the guessing for good."
        ),
    ),
)
CODES_GUESSED = _security(
    "codes_guessed",
    Notice(
        headline=gettext_lazy("Somebody is guessing your codes"),
        text=gettext_lazy(
            "There were several wrong codes for your account within an hour, from somebody who is past the password or has one of your sessions. We slow such guesses down; nobody got in by them."
        ),
        advice=gettext_lazy(
            "If that was not you, set a new password at once and end all other sessions."
        ),
    ),
)
ERASURE_REQUESTED = _security(
    "erasure_requested",
    Notice(
        headline=gettext_lazy("Your account will be erased"),
        text=gettext_lazy(
            "In 14 days we erase your account and what tells of you. Sign in before, or follow the link, and it stays."
        ),
        advice=gettext_lazy(
            "If that was not you, keep the account and set a new password at once."
        ),
        button=gettext_lazy("Keep the account"),
    ),
    subject="erasure",
)
ERASURE_CANCELED = _security(
    "erasure_canceled",
    Notice(
        headline=gettext_lazy("Your account stays"),
        text=gettext_lazy("It was to be erased, and is not any more."),
    ),
)
KINDS = {
    kind.slug: kind
    for kind in (
        ORDER_PLACED,
        VERIFY_EMAIL,
        RESET_PASSWORD,
        CHANGE_EMAIL,
        EMAIL_CHANGED,
        ACCOUNT_EXISTS,
        PASSWORD_CHANGED,
        NEW_DEVICE,
        REFRESH_REUSED,
        FACTOR_ADDED,
        FACTOR_REMOVED,
        FACTORS_RESET,
        RECOVERY_CODE_USED,
        PASSKEY_COPIED,
        IDENTITY_LINKED,
        IDENTITY_UNLINKED,
        SIGN_INS_GUESSED,
        CODES_GUESSED,
        ERASURE_REQUESTED,
        ERASURE_CANCELED,
    )
}
