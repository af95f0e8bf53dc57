"""One key, one effect: repeat a request and get the first one's answer again.

A record lives in the transaction of the effect that it stands for. A *phased* handler
runs transactions of its own, so its record is claimed first, under a lease.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.template.response import SimpleTemplateResponse
from django.utils import timezone
from rest_framework.request import Request

from core.errors import DomainError, ErrorKind
from core.models import IdempotencyRecord
from core.prepared import prepared_cursor
from core.protection.deadlines import tidying_up
from core.request_ids import current_request_id
from core.rows import insert

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile

Mode = Literal["optional", "required", "ignored"]
Handler = Callable[[], HttpResponse]

HEADER = "Idempotency-Key"
# A phased request older than this has lost its process; its key may be taken up again.
LEASE = timedelta(seconds=30)
# Refusals that end the business step. The others say "not like this" or "not now":
# repeating them has no effect to double, and correcting the request must stay possible.
FINAL_REFUSALS = {
    HTTPStatus.PAYMENT_REQUIRED,
    HTTPStatus.CONFLICT,
    HTTPStatus.GONE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
# Codes under those statuses that aren't final: the payload never reached the business
# step and may be corrected, or somebody else was faster and it may be repeated.
OPEN_CODES = {"validation_error", "conflict"}
REPLAYED_HEADERS = ("Content-Type", "Location", "ETag", "Cache-Control", "Link")
# Without waiting for the disk: whatever its request commits afterwards comes after it in
# the log, so where the claim was lost with a machine, nothing of its effect was kept.
CLAIM = """
INSERT INTO core_idempotencyrecord (
    id, scope, route, key, fingerprint, about, state, request_id, headers,
    claimed_until, expires_at, created_at
)
SELECT %(id)s, %(scope)s, %(route)s, %(key)s, %(fingerprint)s, %(about)s, 'claimed',
    %(request_id)s, '{}', %(claimed_until)s, %(expires_at)s, %(created_at)s
FROM set_config('synchronous_commit', %(waiting)s, true)
ON CONFLICT (scope, route, key) DO NOTHING
"""
COMPLETE = """
UPDATE core_idempotencyrecord
SET state = 'completed', status_code = %(status_code)s, body = %(body)s,
    headers = %(headers)s::jsonb
WHERE id = %(id)s AND state = 'claimed' AND claimed_until = %(claimed_until)s
"""
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_BODY: Any = IdempotencyRecord._meta.get_field("body")  # noqa: SLF001 -- Django's public API


class IdempotencyKeyRequiredError(DomainError):
    code = "idempotency_key_required"
    kind = ErrorKind.MALFORMED
    title = "This operation needs an Idempotency-Key"
    cause = "The request moves money or stock and came without the header."
    cure = "Send a new random value, such as a UUID, and the same one when you repeat the request."


class IdempotencyKeyInvalidError(DomainError):
    code = "idempotency_key_invalid"
    kind = ErrorKind.MALFORMED
    title = "The Idempotency-Key can't be used"
    cause = "The key is empty, longer than 255 characters, or has others than visible ASCII ones."
    cure = "Send 1 to 255 visible ASCII characters, such as a UUID."


class IdempotencyKeyReusedError(DomainError):
    code = "idempotency_key_reused"
    kind = ErrorKind.INVALID
    title = "The Idempotency-Key belongs to another request"
    cause = "The key was sent before with another body, address or method on this operation."
    cure = "Use a new key for a new request; repeat a request exactly as it was."


class IdempotencyInProgressError(DomainError):
    code = "idempotency_in_progress"
    kind = ErrorKind.CONFLICT
    title = "The first request with this key is still running"
    cause = "A request with the same Idempotency-Key hasn't been answered yet."
    cure = "Repeat it after the seconds in Retry-After; you will get the first one's answer."


@dataclass(frozen=True, slots=True)
class _Identity:
    """Whose key on which route, and what was asked with it."""

    scope: str
    route: str
    key: str
    fingerprint: str
    about: str
    kept_for: timedelta

    def lock_number(self) -> int:
        joined = f"{self.scope}\x00{self.route}\x00{self.key}".encode()
        return int.from_bytes(hashlib.sha256(joined).digest()[:8], signed=True)


def run(
    request: Request,
    *,
    scope: str,
    route: str,
    mode: Mode,
    phased: bool,
    handler: Handler,
    about: str = "",
) -> HttpResponse:
    """Answer through the handler, or with what it answered to this key before.

    The handler returns a finished response, problems included. What it wrote is undone
    when it refuses (4xx) or fails. With ``phased`` it runs outside any transaction and
    must itself be idempotent, since a lost or failed (5xx) run is repeated. ``about``
    says what the answer tells of, so that it can be erased with that.

    :raises IdempotencyKeyRequiredError: mode "required" and no key.
    :raises IdempotencyKeyInvalidError: the key isn't 1 to 255 visible ASCII characters.
    :raises IdempotencyKeyReusedError: the key was used for another request.
    :raises IdempotencyInProgressError: the first request with the key still runs.
    """
    key = read_key(request)
    if key is None and mode == "required":
        raise IdempotencyKeyRequiredError
    if key is None or mode == "ignored":
        return handler()
    identity = _Identity(
        scope=scope,
        route=route,
        key=key,
        fingerprint=fingerprint(request),
        about=about,
        kept_for=settings.RETENTION["answers_to_payments" if phased else "answers"],
    )
    answer = _run_phased if phased else _run_in_transaction
    return answer(identity, handler, now=timezone.now())


def read_key(request: Request) -> str | None:
    """Return the key, quoted or bare, or None when there is no header."""
    text: str | None = request.headers.get(HEADER)
    if text is None:
        return None
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if not _KEY.fullmatch(text):
        raise IdempotencyKeyInvalidError
    return text


def fingerprint(request: Request) -> str:
    """Digest what was asked; the order of members and the form's boundary don't count."""
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    content = request.data
    if not isinstance(content, QueryDict):
        digest.update(json.dumps(content, sort_keys=True, default=str).encode())
        return digest.hexdigest()
    for name, values in sorted(content.lists()):
        for value in values:
            digest.update(f"{name}={_digest_of(value)}\n".encode())
    return digest.hexdigest()


def _digest_of(value: "str | UploadedFile[bytes]") -> str:
    digest = hashlib.sha256()
    if isinstance(value, str):
        digest.update(value.encode(errors="surrogatepass"))
        return digest.hexdigest()
    for chunk in value.chunks():
        digest.update(chunk)
    value.seek(0)
    return digest.hexdigest()


@transaction.atomic
def _run_in_transaction(
    identity: _Identity, handler: Handler, *, now: datetime
) -> HttpResponse:
    if not _try_lock(identity):
        raise IdempotencyInProgressError(retry_after=1)
    record = _records(identity).first()
    if record is not None and record.expires_at > now:
        return _replay(record, identity)
    if record is not None:
        record.delete()
    with transaction.atomic():
        response = _finished(handler())
        # A refusal leaves nothing but its own record.
        transaction.set_rollback(response.status_code >= HTTPStatus.BAD_REQUEST)
    if is_final(response):
        insert(_new_record(identity, now=now, answer=response))
    return response


def _run_phased(
    identity: _Identity, handler: Handler, *, now: datetime
) -> HttpResponse:
    claim = _new_record(identity, now=now, answer=None)
    if not _claim(claim):
        claim = _claim_again(identity, now=now)
    if claim.state == IdempotencyRecord.State.COMPLETED:
        return _replay(claim, identity)
    try:
        response = _finished(handler())
    except BaseException:
        with tidying_up():
            _still_claimed(claim).update(claimed_until=now)
        raise
    # Else whoever repeats a request that took too long would wait for the lease to end.
    with tidying_up():
        if is_final(response):
            _complete(claim, response)
        elif response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            # Part of the effect may stand: the key stays bound to this request.
            _still_claimed(claim).update(claimed_until=now)
        else:
            _still_claimed(claim).delete()
    return response


def _claim(record: IdempotencyRecord) -> bool:
    """Write down a claim to a key that is new, and say whether it was."""
    names = ("id", "scope", "route", "key", "fingerprint", "about", "request_id")
    times = ("claimed_until", "expires_at", "created_at")
    values = {name: getattr(record, name) for name in (*names, *times)}
    # A caller's transaction must stay as durable as it is.
    values["waiting"] = "on" if connection.in_atomic_block else "off"
    with prepared_cursor() as cursor:
        cursor.execute(CLAIM, values)
        return bool(cursor.rowcount)


def _still_claimed(claim: IdempotencyRecord) -> QuerySet[IdempotencyRecord]:
    """Return the claim, unless its time was over and somebody else has taken it up."""
    return IdempotencyRecord.objects.filter(
        pk=claim.pk,
        state=IdempotencyRecord.State.CLAIMED,
        claimed_until=claim.claimed_until,
    )


@transaction.atomic
def _claim_again(identity: _Identity, *, now: datetime) -> IdempotencyRecord:
    """Take a key that has been used, or return the record that holds the answer."""
    if not _try_lock(identity):
        raise IdempotencyInProgressError(retry_after=1)
    record = _records(identity).select_for_update().first()
    if record is not None and record.expires_at <= now:
        record.delete()
        record = None
    if record is None:
        record = _new_record(identity, now=now, answer=None)
        insert(record)
        return record
    _refuse_other_request(record, identity)
    if record.state == IdempotencyRecord.State.COMPLETED:
        return record
    if record.claimed_until > now:
        raise IdempotencyInProgressError(retry_after=1)
    record.claimed_until = now + LEASE
    record.request_id = current_request_id()
    record.save(update_fields=["claimed_until", "request_id"])
    return record


def _complete(claim: IdempotencyRecord, response: HttpResponse) -> None:
    """Keep the answer, unless the claim's time was over and somebody else has it."""
    stored = _stored(response)
    with prepared_cursor() as cursor:
        cursor.execute(
            COMPLETE,
            stored
            | {
                "headers": json.dumps(stored["headers"]),
                "body": _BODY.sealed_for(claim, stored["body"]),
                "id": claim.pk,
                "claimed_until": claim.claimed_until,
            },
        )


def _try_lock(identity: _Identity) -> bool:
    """Hold the key until the transaction ends; a lost process lets go of it at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [identity.lock_number()])
        (is_locked,) = cursor.fetchone()
    return bool(is_locked)


def _records(identity: _Identity) -> QuerySet[IdempotencyRecord]:
    return IdempotencyRecord.objects.filter(
        scope=identity.scope, route=identity.route, key=identity.key
    )


def _new_record(
    identity: _Identity, *, now: datetime, answer: HttpResponse | None
) -> IdempotencyRecord:
    state = IdempotencyRecord.State
    return IdempotencyRecord(
        scope=identity.scope,
        route=identity.route,
        key=identity.key,
        fingerprint=identity.fingerprint,
        about=identity.about,
        state=state.CLAIMED if answer is None else state.COMPLETED,
        request_id=current_request_id(),
        claimed_until=now + LEASE,
        expires_at=now + identity.kept_for,
        **({} if answer is None else _stored(answer)),
    )


def _stored(response: HttpResponse) -> dict[str, Any]:
    return {
        "status_code": response.status_code,
        "body": response.content,
        "headers": {
            name: response.headers[name]
            for name in REPLAYED_HEADERS
            if name in response.headers
        },
    }


def _finished(response: HttpResponse) -> HttpResponse:
    if isinstance(response, SimpleTemplateResponse):
        response.render()
    return response


def is_final(response: HttpResponse) -> bool:
    """Say whether the same request must get this answer from now on."""
    if response.streaming:
        return False
    if HTTPStatus.OK <= response.status_code < HTTPStatus.MULTIPLE_CHOICES:
        return True
    if response.status_code not in FINAL_REFUSALS or "Retry-After" in response.headers:
        return False
    return getattr(response, "data", {}).get("code") not in OPEN_CODES


def _refuse_other_request(record: IdempotencyRecord, identity: _Identity) -> None:
    if record.fingerprint != identity.fingerprint:
        raise IdempotencyKeyReusedError


def _replay(record: IdempotencyRecord, identity: _Identity) -> HttpResponse:
    _refuse_other_request(record, identity)
    response = HttpResponse(
        record.body, status=record.status_code, headers=record.headers
    )
    response.headers["Idempotent-Replayed"] = "true"
    response.headers["Original-Request-Id"] = record.request_id
    return response


def forget_expired(*, now: datetime, limit: int = 5000) -> int:
    """Delete records past their time; returns how many."""
    expired = IdempotencyRecord.objects.filter(expires_at__lte=now)
    deleted, _ = IdempotencyRecord.objects.filter(
        pk__in=list(expired.values_list("pk", flat=True)[:limit])
    ).delete()
    return deleted
