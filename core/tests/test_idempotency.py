import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import orjson
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from core import idempotency
from core.idempotency import (
    IdempotencyInProgressError,
    IdempotencyKeyInvalidError,
    IdempotencyKeyRequiredError,
    IdempotencyKeyReusedError,
)
from core.models import AuditEntry, IdempotencyRecord

ROUTE = "POST /lamps"


def post(payload=None, *, key=None, path="/lamps", form="json"):
    headers = {} if key is None else {"Idempotency-Key": key}
    request = APIRequestFactory().post(
        path, payload or {"lamp": 1}, format=form, headers=headers
    )
    return Request(request, parsers=[JSONParser(), MultiPartParser()])


def ask(request, handler, *, mode="optional", phased=False, scope="user:1"):
    return idempotency.run(
        request, scope=scope, route=ROUTE, mode=mode, phased=phased, handler=handler
    )


def light(status=201, *, code="", headers=None):
    """Make a handler that leaves one row and answers with its id."""

    def answer():
        entry = AuditEntry.objects.create(
            subject_type="lamp", subject_id=str(uuid4()), action="lit"
        )
        body = {"id": str(entry.pk), "code": code}
        response = HttpResponse(
            orjson.dumps(body),
            status=status,
            content_type="application/json",
            headers=headers,
        )
        response.data = body
        return response

    return answer


class Calls:
    """A handler that gives one answer after the other."""

    def __init__(self, *handlers):
        self.waiting = list(handlers)
        self.count = 0

    def __call__(self):
        self.count += 1
        return self.waiting.pop(0)()


def broken():
    AuditEntry.objects.create(subject_type="lamp", subject_id="1", action="lit")
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("abc", "abc"),
        ('"abc"', "abc"),
        ('"', '"'),
        ('a"b', 'a"b'),
        ("k" * 255, "k" * 255),
        ("!~", "!~"),
    ],
)
def test_read_key_takes_quoted_and_bare_as_the_same(sent, expected):
    assert idempotency.read_key(post(key=sent)) == expected


@pytest.mark.parametrize("sent", ["", '""', "k" * 256, "a b", "clé", "a\tb", "a\x7f"])
def test_read_key_refuses_other_characters_and_lengths(sent):
    with pytest.raises(IdempotencyKeyInvalidError):
        idempotency.read_key(post(key=sent))


@pytest.mark.django_db
class TestModes:
    def test_required_refuses_a_request_without_key(self):
        handler = Calls(light())

        with pytest.raises(IdempotencyKeyRequiredError):
            ask(post(), handler, mode="required")

        assert handler.count == 0

    def test_optional_runs_a_request_without_key_each_time(self):
        handler = Calls(light(), light())

        ask(post(), handler)
        ask(post(), handler)

        assert (handler.count, IdempotencyRecord.objects.count()) == (2, 0)

    def test_ignored_checks_the_key_and_keeps_nothing(self):
        handler = Calls(light(), light())

        ask(post(key="a"), handler, mode="ignored")
        ask(post(key="a"), handler, mode="ignored")

        assert (handler.count, IdempotencyRecord.objects.count()) == (2, 0)
        with pytest.raises(IdempotencyKeyInvalidError):
            ask(post(key="a b"), handler, mode="ignored")


@pytest.mark.django_db
@pytest.mark.parametrize("phased", [False, True])
class TestReplay:
    def test_same_request_gets_the_same_bytes_and_no_second_effect(self, phased):
        headers = {"Location": "/lamps/1", "ETag": '"1"', "X-Other": "no"}
        handler = Calls(light(headers=headers))
        first = ask(post(key="a"), handler, phased=phased)

        again = ask(post(key='"a"'), handler, phased=phased)

        assert AuditEntry.objects.count() == handler.count == 1
        assert (again.status_code, again.content) == (201, first.content)
        record = IdempotencyRecord.objects.get()
        assert dict(again.headers) == {
            "Content-Type": "application/json",
            "Location": "/lamps/1",
            "ETag": '"1"',
            "Idempotent-Replayed": "true",
            "Original-Request-Id": record.request_id,
        }
        assert "Idempotent-Replayed" not in first.headers

    def test_an_empty_answer_is_replayed_too(self, phased):
        handler = Calls(lambda: HttpResponse(status=204))
        ask(post(key="a"), handler, phased=phased)

        again = ask(post(key="a"), handler, phased=phased)

        assert (again.status_code, again.content) == (204, b"")

    def test_order_of_members_is_no_difference(self, phased):
        handler = Calls(light())
        ask(post({"a": 1, "b": 2}, key="a"), handler, phased=phased)

        again = ask(post({"b": 2, "a": 1}, key="a"), handler, phased=phased)

        assert again.headers["Idempotent-Replayed"] == "true"

    @pytest.mark.parametrize(
        "other", [{"payload": {"lamp": 2}}, {"path": "/lamps?x=1"}, {"path": "/b"}]
    )
    def test_another_request_under_the_key_is_refused(self, phased, other):
        handler = Calls(light())
        ask(post(key="a"), handler, phased=phased)

        with pytest.raises(IdempotencyKeyReusedError):
            ask(post(key="a", **other), handler, phased=phased)

        assert handler.count == 1

    def test_another_principal_has_keys_of_its_own(self, phased):
        handler = Calls(light(), light())
        ask(post(key="a"), handler, phased=phased)

        ask(post(key="a"), handler, phased=phased, scope="user:2")

        assert handler.count == 2

    @pytest.mark.parametrize("status", [402, 409, 410, 422])
    def test_a_final_refusal_is_replayed(self, phased, status):
        handler = Calls(light(status, code="no_bulb"))
        first = ask(post(key="a"), handler, phased=phased)

        again = ask(post(key="a"), handler, phased=phased)

        assert (again.status_code, again.content) == (status, first.content)

    @pytest.mark.parametrize(
        ("status", "code", "headers"),
        [
            *[(status, "", None) for status in (400, 401, 403, 404, 412, 415, 428)],
            (409, "busy", {"Retry-After": "1"}),
            (422, "validation_error", None),
            (409, "conflict", None),
            (429, "", {"Retry-After": "1"}),
            (500, "", None),
            (503, "", {"Retry-After": "1"}),
        ],
    )
    def test_any_other_answer_is_not_stored(self, phased, status, code, headers):
        handler = Calls(light(status, code=code, headers=headers), light())
        ask(post(key="a"), handler, phased=phased)

        again = ask(post(key="a"), handler, phased=phased)

        assert (again.status_code, handler.count) == (201, 2)

    def test_a_corrected_request_may_use_the_key_of_an_invalid_one(self, phased):
        handler = Calls(light(422, code="validation_error"), light())
        ask(post({"lamp": -1}, key="a"), handler, phased=phased)

        response = ask(post({"lamp": 1}, key="a"), handler, phased=phased)

        assert response.status_code == 201

    def test_a_streamed_answer_is_not_stored(self, phased):
        handler = Calls(lambda: StreamingHttpResponse([b"a"]), light())
        ask(post(key="a"), handler, phased=phased)

        assert ask(post(key="a"), handler, phased=phased).status_code == 201

    def test_a_record_past_its_time_is_forgotten(self, phased):
        handler = Calls(light(), light())
        ask(post(key="a"), handler, phased=phased)
        IdempotencyRecord.objects.update(expires_at=timezone.now())

        ask(post({"lamp": 2}, key="a"), handler, phased=phased)

        assert handler.count == 2
        assert IdempotencyRecord.objects.get().expires_at > timezone.now()

    def test_a_rest_framework_response_is_rendered_before_it_is_stored(self, phased):
        def answer():
            response = Response({"id": 1}, status=201)
            response.accepted_renderer = JSONRendererOfTests()
            response.accepted_media_type = "application/json"
            response.renderer_context = {}
            return response

        first = ask(post(key="a"), answer, phased=phased)
        again = ask(post(key="a"), answer, phased=phased)

        assert first.content == again.content == b'{"id":1}'


class JSONRendererOfTests:
    media_type = "application/json"
    charset = None

    def render(self, data, *_):
        return orjson.dumps(data)


@pytest.mark.django_db
class TestInTransaction:
    def test_a_refusal_leaves_nothing_of_the_effect(self):
        ask(post(key="a"), light(409))

        assert AuditEntry.objects.count() == 0
        assert IdempotencyRecord.objects.get().status_code == 409

    def test_a_failure_leaves_nothing_at_all(self):
        with pytest.raises(ZeroDivisionError):
            ask(post(key="a"), broken)

        assert AuditEntry.objects.count() == IdempotencyRecord.objects.count() == 0

    def test_what_a_refusal_wanted_to_do_on_commit_is_dropped(
        self, django_capture_on_commit_callbacks
    ):
        def answer():
            transaction.on_commit(lambda: None)
            return HttpResponse(status=409)

        with django_capture_on_commit_callbacks() as callbacks:
            ask(post(key="a"), answer)

        assert callbacks == []

    def test_a_broken_transaction_inside_is_recovered_by_the_refusal(self):
        def answer():
            try:
                connection.cursor().execute("SELECT 1/0")
            except Exception:  # noqa: BLE001 -- the view's error handler does so
                return HttpResponse(status=422)

        assert ask(post(key="a"), answer).status_code == 422
        assert IdempotencyRecord.objects.get().status_code == 422

    def test_answers_are_kept_for_a_day(self):
        ask(post(key="a"), light())

        kept = IdempotencyRecord.objects.get().expires_at - timezone.now()
        assert kept > timedelta(hours=23, minutes=59)
        assert kept <= timedelta(hours=24)

    def test_a_form_with_the_same_file_is_the_same_request(self):
        def form(content):
            file = SimpleUploadedFile("a.csv", content)
            return post({"file": file, "name": "x"}, key="a", form="multipart")

        handler = Calls(light())
        ask(form(b"1,2"), handler)

        again = ask(form(b"1,2"), handler)

        assert again.headers["Idempotent-Replayed"] == "true"
        with pytest.raises(IdempotencyKeyReusedError):
            ask(form(b"1,3"), handler)

    def test_the_handler_reads_a_file_from_its_start(self):
        def answer():
            assert request.data["file"].read() == b"1,2"
            return HttpResponse(status=201)

        request = post(
            {"file": SimpleUploadedFile("a.csv", b"1,2")}, key="a", form="multipart"
        )

        assert ask(request, answer).status_code == 201


@pytest.mark.django_db
class TestPhased:
    def test_answers_are_kept_for_thirty_days(self):
        ask(post(key="a"), light(), phased=True)

        kept = IdempotencyRecord.objects.get().expires_at - timezone.now()
        assert kept > timedelta(days=29, hours=23)

    def test_the_claim_is_there_while_the_handler_runs(self):
        def answer():
            with pytest.raises(IdempotencyInProgressError) as busy:
                ask(post(key="a"), light(), phased=True)
            assert busy.value.retry_after == 1
            return HttpResponse(status=201)

        assert ask(post(key="a"), answer, phased=True).status_code == 201

    def test_a_claim_whose_process_died_is_taken_up_after_the_lease(self):
        record = claim_of_a_dead_process()

        with pytest.raises(IdempotencyInProgressError):
            ask(post(key="a"), light(), phased=True)
        IdempotencyRecord.objects.update(claimed_until=timezone.now())
        response = ask(post(key="a"), light(), phased=True)

        assert response.status_code == 201
        record.refresh_from_db()
        assert record.state == "completed"

    def test_a_claim_of_another_request_is_never_taken_up(self):
        claim_of_a_dead_process()
        IdempotencyRecord.objects.update(claimed_until=timezone.now())

        with pytest.raises(IdempotencyKeyReusedError):
            ask(post({"lamp": 2}, key="a"), light(), phased=True)

    def test_a_failed_run_may_be_resumed_at_once_by_the_same_request_only(self):
        with pytest.raises(ZeroDivisionError):
            ask(post(key="a"), broken, phased=True)

        with pytest.raises(IdempotencyKeyReusedError):
            ask(post({"lamp": 2}, key="a"), light(), phased=True)
        assert ask(post(key="a"), light(), phased=True).status_code == 201

    def test_a_run_that_lost_its_lease_does_not_overwrite_the_next_ones_answer(self):
        def slow():
            IdempotencyRecord.objects.update(claimed_until=timezone.now())
            ask(post(key="a"), light(201), phased=True)
            return HttpResponse(status=202)

        ask(post(key="a"), slow, phased=True)

        assert IdempotencyRecord.objects.get().status_code == 201


def claim_of_a_dead_process():
    class PowerCutError(BaseException):
        pass

    def answer():
        nonlocal until
        until = IdempotencyRecord.objects.get().claimed_until
        raise PowerCutError

    until = None
    with pytest.raises(PowerCutError):
        ask(post(key="a"), answer, phased=True)
    # A process that is killed doesn't get to let go of its claim.
    IdempotencyRecord.objects.update(claimed_until=until)
    return IdempotencyRecord.objects.get()


@pytest.mark.django_db
def test_forget_expired_deletes_in_batches_what_is_past_its_time():
    for key in "abc":
        ask(post(key=key), light())
    now = timezone.now()
    IdempotencyRecord.objects.exclude(key="c").update(expires_at=now)

    deleted = [idempotency.forget_expired(now=now, limit=1) for _ in range(3)]

    assert deleted == [1, 1, 0]
    assert IdempotencyRecord.objects.get().key == "c"


def race(number, *, phased):
    """Send equal requests at once, each repeated while it hears "still running"."""

    def lit_slowly():
        answer = light()()
        time.sleep(0.05)
        return answer

    def send(_):
        try:
            while True:
                try:
                    return ask(post(key="race"), lit_slowly, phased=phased).content
                except IdempotencyInProgressError:
                    time.sleep(0.02)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=number) as threads:
        return list(threads.map(send, range(number)))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("phased", [False, True])
def test_fifty_equal_requests_at_once_have_one_effect_and_one_answer(phased):
    answers = race(50, phased=phased)

    assert len(set(answers)) == 1
    assert len(answers) == 50
    assert AuditEntry.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_race_shows_duplicates_when_lock_and_record_are_taken_out(monkeypatch):
    monkeypatch.setattr(idempotency, "_try_lock", lambda _: True)
    monkeypatch.setattr(idempotency, "insert", lambda *_, **__: True)

    answers = race(10, phased=False)

    assert len(set(answers)) > 1
    assert AuditEntry.objects.count() > 1


@pytest.mark.django_db(transaction=True)
def test_the_unique_constraint_alone_still_prevents_a_second_effect(monkeypatch):
    monkeypatch.setattr(idempotency, "_try_lock", lambda _: True)

    with ThreadPoolExecutor(max_workers=10) as threads:
        list(threads.map(lambda _: _outcome(), range(10)))

    assert AuditEntry.objects.count() == 1


def _outcome():
    def lit_slowly():
        answer = light()()
        time.sleep(0.1)
        return answer

    try:
        return ask(post(key="race"), lit_slowly).status_code
    except Exception as error:  # noqa: BLE001 -- the constraint's refusal is the point
        return type(error).__name__
    finally:
        connection.close()
