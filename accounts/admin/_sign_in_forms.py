"""What the sign-in of the administration may be sent: each form is one proof."""

from typing import Any, ClassVar

import orjson
from django import forms
from django.utils import timezone
from unfold.widgets import BASE_INPUT_CLASSES

from accounts import services
from accounts.auth import TICKET_MAX_LENGTH, Device, user_of_ticket
from accounts.constants import EMAIL_MAX_LENGTH, PASSWORD_MAX_LENGTH
from accounts.serializers import PasskeyCredentialSerializer

CODE_MAX_LENGTH = 64
# An authenticator's answer with a certificate has a few thousand.
_CREDENTIAL_MAX_LENGTH = 65_536
# The mark tells the page's script what not to send beside a passkey.
WIDGET = {"class": " ".join(BASE_INPUT_CLASSES), "data-other-proof": True}


class CredentialField(forms.CharField):
    """A passkey's answer as JSON, as the script of the page puts it there."""

    widget = forms.HiddenInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=_CREDENTIAL_MAX_LENGTH, **kwargs)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            given = PasskeyCredentialSerializer(data=orjson.loads(text))
        except ValueError as error:
            raise forms.ValidationError("That is no passkey's answer.") from error
        if not given.is_valid():
            raise forms.ValidationError("That is no passkey's answer.")
        return given.validated_data


class ProofForm(forms.Form):
    """One step of the sign-in.

    ``route`` names the API's door to the same, whose limits hold here, and ``account``
    the account that is tried: None where nothing can be guessed.
    """

    route: ClassVar[str]
    is_second_factor: ClassVar[bool] = True

    def account(self) -> str | None:
        return None

    def send(self, device: Device) -> services.AdminSignedIn | services.MfaRequired:
        raise NotImplementedError


class PasswordForm(ProofForm):
    route = "auth-login"
    is_second_factor = False

    username = forms.CharField(
        label="Email",
        max_length=EMAIL_MAX_LENGTH,
        widget=forms.TextInput(
            {**WIDGET, "autofocus": True, "autocomplete": "username"}
        ),
    )
    password = forms.CharField(
        max_length=PASSWORD_MAX_LENGTH,
        strip=False,
        widget=forms.PasswordInput({**WIDGET, "autocomplete": "current-password"}),
    )

    def account(self) -> str | None:
        return str(self.cleaned_data["username"])

    def send(self, device: Device) -> services.AdminSignedIn | services.MfaRequired:
        return services.begin_admin_sign_in(
            email=self.cleaned_data["username"],
            password=self.cleaned_data["password"],
            device=device,
            now=timezone.now(),
        )


class CodeForm(ProofForm):
    route = "auth-mfa"

    ticket = forms.CharField(max_length=TICKET_MAX_LENGTH, widget=forms.HiddenInput)
    code = forms.CharField(
        label="Code of your app, or a recovery code",
        max_length=CODE_MAX_LENGTH,
        widget=forms.TextInput(
            {**WIDGET, "autofocus": True, "autocomplete": "one-time-code"}
        ),
    )

    def account(self) -> str | None:
        return user_of_ticket(self.cleaned_data["ticket"])

    def send(self, device: Device) -> services.AdminSignedIn | services.MfaRequired:
        return services.complete_admin_sign_in(
            ticket=self.cleaned_data["ticket"],
            code=self.cleaned_data["code"],
            device=device,
            now=timezone.now(),
        )


class PasskeyForm(ProofForm):
    """With a ticket the second proof, without one both."""

    route = "auth-passkey-login"

    ticket = forms.CharField(
        max_length=TICKET_MAX_LENGTH, required=False, widget=forms.HiddenInput
    )
    credential = CredentialField()

    def send(self, device: Device) -> services.AdminSignedIn | services.MfaRequired:
        ticket, credential = (
            self.cleaned_data["ticket"],
            self.cleaned_data["credential"],
        )
        now = timezone.now()
        if not ticket:
            return services.sign_in_to_admin_with_passkey(
                credential=credential, device=device, now=now
            )
        return services.complete_admin_sign_in_with_passkey(
            ticket=ticket, credential=credential, device=device, now=now
        )
