"""OAuth 2.0 and OpenID Connect on the wire: the code flow with PKCE, and what it proves.

Nothing here trusts an answer before it is checked, and every reason to refuse one is an
``UntrustedAnswerError``, whose text is for the log and never for the caller.
"""

import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from django.utils.crypto import salted_hmac
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from accounts.auth._providers import GITHUB, Provider
from core.http_client import Answer, Client, OutgoingCallError
from core.mailboxes import is_mailbox

# Signatures that only the issuer can make; "none" and HMAC are not among them.
_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
_OK = 200
_KEPT_SECONDS = 3600.0
# Unknown keys make us look for new ones, but no more often than this.
_LOOK_AGAIN_SECONDS = 30.0
_CLOCK_LEEWAY_SECONDS = 60
# An id token is made while its code is exchanged.
_ID_TOKEN_SECONDS = 600
_LONGEST = 255
_NAME_MAX_LENGTH = 200
T = TypeVar("T")


class UntrustedAnswerError(Exception):
    """The provider's answer, or what came in its name, breaks a rule."""


@dataclass(frozen=True, slots=True)
class Metadata:
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str = ""
    userinfo_endpoint: str = ""
    sends_issuer: bool = False
    takes_basic: bool = True


@dataclass(frozen=True, slots=True)
class Claims:
    """Who somebody is to the provider. An address that it didn't verify is left out."""

    issuer: str
    subject: str
    verified_email: str = ""
    name: str = ""


@dataclass(slots=True)
class _Kept:
    """Answers that change rarely, by address."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    found: dict[str, tuple[float, Any]] = field(default_factory=dict)

    def get(self, key: str, make: Callable[[], T], *, seconds: float) -> T:
        with self.lock:
            at, value = self.found.get(key, (float("-inf"), None))
        if value is None or time.monotonic() - at > seconds:
            value = make()
            with self.lock:
                self.found[key] = (time.monotonic(), value)
        found: T = value
        return found


_kept = _Kept()


def forget_providers() -> None:
    """Ask every provider anew; for tests, whose providers come and go."""
    _kept.found.clear()


def authorization_url(provider: Provider, *, redirect_uri: str, state: str) -> str:
    """Return where the person is sent to sign in.

    The nonce and PKCE's verifier follow from the state and our secret, so that neither
    is stored, and neither can be used with another state.
    """
    metadata = metadata_of(provider)
    more = {"scope": "read:user user:email"}
    if provider.kind != GITHUB:
        more = {"scope": "openid email profile", "nonce": _nonce(state)}
    url: str = prepare_grant_uri(
        metadata.authorization_endpoint,
        client_id=provider.client_id,
        response_type="code",
        redirect_uri=redirect_uri,
        state=state,
        code_challenge=create_s256_code_challenge(_verifier(state)),
        code_challenge_method="S256",
        **more,
    )
    return url


def claims_behind(
    provider: Provider, *, code: str, state: str, redirect_uri: str, issuer: str
) -> Claims:
    """Exchange the code, and return who the provider says has signed in.

    ``issuer`` is the ``iss`` beside the code (RFC 9207), empty if there was none.

    :raises UntrustedAnswerError:
    :raises OutgoingCallError: the provider gives no answer.
    """
    metadata = metadata_of(provider)
    if issuer != metadata.issuer and (issuer or metadata.sends_issuer):
        raise UntrustedAnswerError("The code is another issuer's.")
    tokens = _exchange(provider, metadata, code, state, redirect_uri)
    if provider.kind == GITHUB:
        return _github_claims(provider, _text(tokens, "access_token"))
    return _oidc_claims(provider, metadata, tokens, state)


def metadata_of(provider: Provider) -> Metadata:
    """Return the provider's endpoints, as it published them within the last hour."""
    if provider.kind == GITHUB:
        return Metadata(
            issuer=provider.issuer,
            authorization_endpoint=provider.authorization_endpoint,
            token_endpoint=provider.token_endpoint,
            takes_basic=False,
        )
    return _kept.get(
        f"metadata {provider.issuer}",
        lambda: _discover(provider),
        seconds=_KEPT_SECONDS,
    )


def _discover(provider: Provider) -> Metadata:
    base = provider.issuer.rstrip("/")
    found = _json(_get(provider, f"{base}/.well-known/openid-configuration"))
    if found.get("issuer") != provider.issuer:
        raise UntrustedAnswerError("The metadata is another issuer's.")
    challenges = found.get("code_challenge_methods_supported", ["S256"])
    if "S256" not in challenges:
        raise UntrustedAnswerError("The provider doesn't take PKCE with S256.")
    basic = "client_secret_basic"
    return Metadata(
        issuer=provider.issuer,
        authorization_endpoint=_endpoint(provider, found, "authorization_endpoint"),
        token_endpoint=_endpoint(provider, found, "token_endpoint"),
        jwks_uri=_endpoint(provider, found, "jwks_uri"),
        userinfo_endpoint=_endpoint(provider, found, "userinfo_endpoint")
        if "userinfo_endpoint" in found
        else "",
        sends_issuer=found.get("authorization_response_iss_parameter_supported")
        is True,
        takes_basic=basic
        in found.get("token_endpoint_auth_methods_supported", [basic]),
    )


def _endpoint(provider: Provider, metadata: Mapping[str, Any], name: str) -> str:
    url = _text(metadata, name)
    if urlsplit(url).scheme != "https" and not provider.internal:
        raise UntrustedAnswerError(f"{name} isn't HTTPS.")
    return url


def _exchange(
    provider: Provider, metadata: Metadata, code: str, state: str, redirect_uri: str
) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": _verifier(state),
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if metadata.takes_basic:
        pair = f"{quote(provider.client_id, '')}:{quote(provider.client_secret, '')}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    else:
        form |= {
            "client_id": provider.client_id,
            "client_secret": provider.client_secret,
        }
    tokens = _json(
        _send(provider, "POST", metadata.token_endpoint, headers, urlencode(form))
    )
    if _text(tokens, "token_type").lower() != "bearer":
        raise UntrustedAnswerError("The access token is no bearer token.")
    return tokens


def _oidc_claims(
    provider: Provider, metadata: Metadata, tokens: Mapping[str, Any], state: str
) -> Claims:
    access = _text(tokens, "access_token")
    said = _read_id_token(
        provider,
        metadata,
        _text(tokens, "id_token"),
        nonce=_nonce(state),
        access_token=access,
    )
    subject = _text(said, "sub")
    if "email" not in said and metadata.userinfo_endpoint:
        more = _json(_get(provider, metadata.userinfo_endpoint, bearer=access))
        if more.get("sub") != subject:
            raise UntrustedAnswerError("The user info is another person's.")
        said = more | said
    return _claims(metadata.issuer, subject, said)


def _read_id_token(
    provider: Provider,
    metadata: Metadata,
    token: str,
    *,
    nonce: str,
    access_token: str,
) -> dict[str, Any]:
    try:
        try:
            found = jwt.decode(token, _keys(provider, metadata), _ALGORITHMS)
        except InvalidKeyIdError:
            newer = _keys(provider, metadata, seconds=_LOOK_AGAIN_SECONDS)
            found = jwt.decode(token, newer, _ALGORITHMS)
        claims = CodeIDToken(
            found.claims,
            found.header,
            options={
                "iss": {"essential": True, "value": metadata.issuer},
                "aud": {"essential": True, "value": provider.client_id},
            },
            params={
                "nonce": nonce,
                "client_id": provider.client_id,
                "access_token": access_token,
            },
        )
        claims.validate(now=int(time.time()), leeway=_CLOCK_LEEWAY_SECONDS)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise UntrustedAnswerError(f"The id token: {error!r}") from error
    if abs(time.time() - claims["iat"]) > _ID_TOKEN_SECONDS:
        raise UntrustedAnswerError("The id token isn't new.")
    audience = claims["aud"]
    if isinstance(audience, list) and set(audience) != {provider.client_id}:
        raise UntrustedAnswerError("The id token is for others as well.")
    return dict(claims)


def _keys(
    provider: Provider, metadata: Metadata, *, seconds: float = _KEPT_SECONDS
) -> KeySet:
    def ask() -> KeySet:
        found = _json(_get(provider, metadata.jwks_uri))
        try:
            return KeySet.import_key_set({"keys": found["keys"]})
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise UntrustedAnswerError(f"The keys: {error!r}") from error

    return _kept.get(f"keys {metadata.jwks_uri}", ask, seconds=seconds)


def _github_claims(provider: Provider, access: str) -> Claims:
    person = _json(_get(provider, f"{provider.api}/user", bearer=access))
    number = person.get("id")
    if not isinstance(number, int):
        raise UntrustedAnswerError("GitHub names no user.")
    answer = _get(provider, f"{provider.api}/user/emails", bearer=access)
    addresses = answer.json() if answer.status == _OK else []
    # GitHub's public address is a line of the profile; only these are verified.
    primary = next(
        (
            entry
            for entry in addresses
            if isinstance(entry, dict) and entry.get("primary") is True
        ),
        {},
    )
    said = {
        "name": person.get("name"),
        "email": primary.get("email"),
        "email_verified": primary.get("verified"),
    }
    return _claims(provider.issuer, str(number), said)


def _claims(issuer: str, subject: str, said: Mapping[str, Any]) -> Claims:
    if len(subject) > _LONGEST or not subject.isprintable():
        raise UntrustedAnswerError("The subject isn't one that we could keep.")
    email, name = said.get("email"), said.get("name")
    # The boolean and nothing like it: a text "false" would be true as well.
    is_verified = said.get("email_verified") is True
    return Claims(
        issuer=issuer,
        subject=subject,
        verified_email=email
        if is_verified and isinstance(email, str) and is_mailbox(email)
        else "",
        name=_plain_name(name) if isinstance(name, str) else "",
    )


def _plain_name(name: str) -> str:
    return "".join(filter(str.isprintable, name)).strip()[:_NAME_MAX_LENGTH]


def _get(provider: Provider, url: str, *, bearer: str = "") -> Answer:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return _send(provider, "GET", url, headers)


def _send(
    provider: Provider,
    method: str,
    url: str,
    headers: Mapping[str, str],
    form: str = "",
) -> Answer:
    parts = urlsplit(url)
    if parts.username or not parts.hostname:
        raise UntrustedAnswerError(f"An endpoint has no plain address: {url!r}")
    client = _client(
        f"{parts.scheme}://{parts.netloc}", provider.name, internal=provider.internal
    )
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return client.send(
        method, path, operation="sign_in", content=form.encode(), headers=headers
    )


@cache
def _client(origin: str, name: str, *, internal: bool) -> Client:
    return Client(origin, name=f"oauth_{name}", internal=internal)


def _json(answer: Answer) -> dict[str, Any]:
    if answer.status != _OK:
        raise UntrustedAnswerError(f"The provider answered {answer.status}.")
    try:
        found = answer.json()
    except OutgoingCallError as error:
        raise UntrustedAnswerError("The provider's answer isn't JSON.") from error
    if not isinstance(found, dict):
        raise UntrustedAnswerError("The provider's answer is no object.")
    return found


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise UntrustedAnswerError(f"The provider's answer has no {name}.")
    return value


def _nonce(state: str) -> str:
    return _derived("nonce", state)


def _verifier(state: str) -> str:
    return _derived("verifier", state)


def _derived(purpose: str, state: str) -> str:
    salt = f"accounts.oauth.{purpose}"
    raw = salted_hmac(salt, state, algorithm="sha256").digest()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
