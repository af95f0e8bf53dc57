from core.errors import DomainError, ErrorKind
from core.exceptions import NotFoundError


class InvalidCredentialsError(DomainError):
    code = "invalid_credentials"
    kind = ErrorKind.UNAUTHENTICATED
    title = "Wrong address or password"
    cause = "No active account has this address and password."
    cure = "Check both and try again, or reset the password."


class InvalidRefreshTokenError(DomainError):
    code = "invalid_refresh_token"
    kind = ErrorKind.UNAUTHENTICATED
    title = "The session has ended"
    cause = "The refresh token is unreadable, expired, or its account is closed."
    cure = "Sign in again."


class AddressNotFoundError(DomainError):
    code = "address_not_found"
    kind = ErrorKind.NOT_FOUND
    title = "There is no such address"
    cause = "None of your addresses has this id."
    cure = "List them under GET /api/v1/me/addresses."


class TooManyAddressesError(DomainError):
    code = "too_many_addresses"
    kind = ErrorKind.CONFLICT
    title = "Your address book is full"
    cause = "A person may keep fifty addresses."
    cure = "Remove one that you no longer use."


class ApiKeyNotFoundError(DomainError):
    code = "api_key_not_found"
    kind = ErrorKind.NOT_FOUND
    title = "There is no such API key"
    cause = "No key has this id."
    cure = "List the keys under GET /api/v1/api-keys."


class ApiKeyRevokedError(DomainError):
    code = "api_key_revoked"
    kind = ErrorKind.CONFLICT
    title = "The API key was revoked"
    cause = "A revoked key can't be changed, rotated or brought back."
    cure = "Make a new key."


class GrantsTooMuchError(DomainError):
    code = "grants_too_much"
    kind = ErrorKind.FORBIDDEN
    title = "You can't give away more than you have"
    cause = "A role or an API key would get permissions that you don't have yourself."
    cure = "Leave them out, or ask somebody who has them."


class UnknownPermissionError(DomainError):
    code = "unknown_permission"
    kind = ErrorKind.INVALID
    title = "No such permission"
    cause = "A permission was named that doesn't exist, or that nobody can give here."
    cure = "Name permissions such as catalog.change_product, as GET /api/v1/roles lists them."


class UserNotFoundError(DomainError):
    code = "user_not_found"
    kind = ErrorKind.NOT_FOUND
    title = "There is no such person"
    cause = "Nobody has this id."
    cure = "Search for people under GET /api/v1/users."


class OutrankedError(DomainError):
    code = "outranked"
    kind = ErrorKind.FORBIDDEN
    title = "That person may do more than you"
    cause = "Whoever lacks a permission can't act on somebody who has it."
    cure = "Ask somebody who has at least the same roles."


class AlreadyDeactivatedError(DomainError):
    code = "already_deactivated"
    kind = ErrorKind.CONFLICT
    title = "The account is closed already"
    cause = "It was deactivated before."
    cure = "Nothing is left to do."


class NotDeactivatedError(DomainError):
    code = "not_deactivated"
    kind = ErrorKind.CONFLICT
    title = "The account is open"
    cause = "Only a deactivated account can be opened again."
    cure = "Nothing is left to do."


class LastAdminError(DomainError):
    code = "last_admin"
    kind = ErrorKind.CONFLICT
    title = "Somebody must stay able to run the shop"
    cause = "It would leave nobody who may give roles: the last active admin, or the permissions that the role admin gives roles with."
    cure = "Make somebody else an admin first."


class RoleNotFoundError(DomainError):
    code = "role_not_found"
    kind = ErrorKind.NOT_FOUND
    title = "There is no such role"
    cause = "No role has this name."
    cure = "List the roles under GET /api/v1/roles."


class UnknownRoleError(DomainError):
    code = "unknown_role"
    kind = ErrorKind.INVALID
    title = "No such role"
    cause = "A role was named that doesn't exist."
    cure = "Name existing roles only."


class InvalidTokenError(DomainError):
    code = "invalid_token"
    kind = ErrorKind.MALFORMED
    title = "This link can't be used"
    cause = "The link was used already, is too old, or a newer one was sent since."
    cure = "Ask for a new one, and follow the link of the latest mail."


class InvalidTicketError(DomainError):
    code = "invalid_ticket"
    kind = ErrorKind.UNAUTHENTICATED
    title = "The sign-in has to start again"
    cause = "The ticket is unknown, older than five minutes, from another device, used already, or was tried with too many wrong codes."
    cure = "Sign in from the start and send the code with the new ticket."


class WrongCodeError(DomainError):
    code = "wrong_code"
    kind = ErrorKind.UNAUTHENTICATED
    title = "That code isn't right"
    cause = "The code is wrong, too old, or was used already."
    cure = "Wait for the app's next code, or use a recovery code; the ticket holds for a few tries."


class InvalidCodeError(DomainError):
    code = "invalid_code"
    kind = ErrorKind.INVALID
    title = "That code isn't right"
    cause = "The code isn't the one that the app shows for the seed, or the clock of the phone is wrong."
    cure = (
        "Set the phone's clock by the network and send the code that the app shows now."
    )


class TotpInUseError(DomainError):
    code = "totp_in_use"
    kind = ErrorKind.CONFLICT
    title = "An authenticator app is set up already"
    cause = "The account has a confirmed authenticator app; a second one would replace it unseen."
    cure = "Remove the present one with DELETE /api/v1/auth/mfa/totp first."


class NoSecondFactorError(DomainError):
    code = "no_second_factor"
    kind = ErrorKind.CONFLICT
    title = "There is no second factor to remove"
    cause = "The account has neither a confirmed authenticator app nor a passkey."
    cure = "Nothing is left to do: the password alone signs in."


class PasskeyRefusedError(DomainError):
    code = "passkey_refused"
    kind = ErrorKind.UNAUTHENTICATED
    title = "The passkey was not accepted"
    cause = "Its answer doesn't fit the question: another site, another passkey, an old or used challenge, no user verification, or a wrong signature."
    cure = "Ask for new options and let the authenticator answer those, within five minutes and from the same device."


class TooManyPasskeysError(DomainError):
    code = "too_many_passkeys"
    kind = ErrorKind.CONFLICT
    title = "The account has twenty passkeys"
    cause = "More than that are hard to keep an eye on."
    cure = "Remove one that isn't used any more."


class LastSignInMethodError(DomainError):
    code = "last_sign_in_method"
    kind = ErrorKind.CONFLICT
    title = "Nothing else would open the account"
    cause = (
        "The account has no password and no other passkey or provider to sign in with."
    )
    cure = "Set a password or add another way to sign in, then remove this one."


class StepUpRequiredError(DomainError):
    code = "step_up_required"
    kind = ErrorKind.FORBIDDEN
    title = "Prove again that it is you"
    cause = "The operation is sensitive, and the session's last proof is too old for it, or was no second factor though the account has one."
    cure = (
        "Send one of `methods` to POST /api/v1/auth/step-up, then repeat the request."
    )


class StepUpFailedError(DomainError):
    code = "step_up_failed"
    kind = ErrorKind.FORBIDDEN
    title = "That proof isn't right"
    cause = "The password, code or passkey is wrong, was used already, or isn't enough for an account with a second factor."
    cure = "Try again with one of `methods`."


class ExportNotFoundError(NotFoundError):
    code = "export_not_found"
    title = "No such export"
    cause = "There is no such export of yours, its file is not there any more, or the link to it is too old."
    cure = "Read GET /api/v1/me/exports/{id} for a new link, or ask for a new export."


class ExportDamagedError(DomainError):
    code = "export_damaged"
    kind = ErrorKind.GONE
    title = "The export's file is damaged"
    cause = "The file isn't as it was stored, so none of it was sent."
    cure = "Ask for a new export with POST /api/v1/me/exports."


class InvalidUndoTokenError(DomainError):
    code = "invalid_undo_token"
    kind = ErrorKind.MALFORMED
    title = "The link doesn't work any more"
    cause = "The token is damaged, or the erasure that it would undo was undone or carried out."
    cure = "Sign in: if that works, the account is there and stays."


class OAuthRefusedError(DomainError):
    code = "oauth_refused"
    kind = ErrorKind.UNAUTHENTICATED
    title = "The provider's sign-in was not accepted"
    cause = "The state is unknown, old, used, or was asked for elsewhere; or the provider's answer broke a rule; or the account here is closed."
    cure = "Start again with POST /api/v1/auth/oauth/{provider}/start, from the same device."


class ProviderEmailUnverifiedError(DomainError):
    code = "provider_email_unverified"
    kind = ErrorKind.FORBIDDEN
    title = "The provider has not verified your address"
    cause = "A new account needs an address, and only one that the provider says it has verified counts."
    cure = "Verify the address at the provider, or register here and link the provider afterwards."


class IdentityLinkRequiredError(DomainError):
    code = "identity_link_required"
    kind = ErrorKind.CONFLICT
    title = "There is an account with this address"
    cause = "An equal address alone links no account, or whoever has it at a provider would have the account."
    cure = "Sign in to the account as before and send `ticket` to POST /api/v1/me/identities within ten minutes, from the same device."


class IdentityInUseError(DomainError):
    code = "identity_in_use"
    kind = ErrorKind.CONFLICT
    title = "It signs in to another account"
    cause = "The provider's account is linked to an account here that isn't yours, or isn't this one."
    cure = "Sign in with the provider, unlink it there, then link it here."


class IdentityProviderUnavailableError(DomainError):
    code = "identity_provider_unavailable"
    kind = ErrorKind.UNAVAILABLE
    title = "The provider doesn't answer"
    cause = "The provider is out of reach, too slow, or says what it shouldn't."
    cure = "Try again in a moment, or sign in another way."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, retry_after=5)


class RedirectUriRefusedError(DomainError):
    code = "redirect_uri_refused"
    kind = ErrorKind.INVALID
    title = "That page may not receive sign-ins"
    cause = "The redirect URI isn't, to the letter, one of the shop's settings."
    cure = "Use a URI of OAUTH_REDIRECT_URIS, or have it added there."
