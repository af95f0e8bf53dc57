import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone

from core.models import AuditEntry, IdempotencyRecord
from core.tests.processes import running

LAMPS = "/api/v1/tests/lamps"
PAID_LAMPS = "/api/v1/tests/paid-lamps"
TOKENS = "/api/v1/tests/tokens"

pytestmark = pytest.mark.urls("core.tests.lamp_urls")


@pytest.fixture
def post(api):
    def send(room="hall", *, key=None, path=LAMPS, client=api, **headers):
        if key is not None:
            headers["Idempotency-Key"] = key
        return client.post(path, {"room": room}, format="json", headers=headers)

    return send


@pytest.mark.django_db
def test_repeating_a_post_replays_status_bytes_and_headers(post):
    first = post(key="k", **{"X-Request-ID": "the-first-one"})
    again = post(key='"k"', **{"X-Request-ID": "the-second-one"})

    assert AuditEntry.objects.count() == 1
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request-Id"] == "the-first-one"
    assert again.headers["X-Request-ID"] == "the-second-one"
    assert "Idempotent-Replayed" not in first.headers


@pytest.mark.django_db
def test_a_final_refusal_replays_its_problem_document_unchanged(post):
    first = post("dark", key="k")
    again = post("dark", key="k")

    assert AuditEntry.objects.count() == 0
    assert (first.status_code, first.json()["code"]) == (409, "no_bulb_in_tests")
    assert again.content == first.content
    assert again.headers["Content-Type"] == "application/problem+json"
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "key", "status", "code"),
    [
        (PAID_LAMPS, None, 400, "idempotency_key_required"),
        (LAMPS, "a b", 400, "idempotency_key_invalid"),
        (LAMPS, "k" * 256, 400, "idempotency_key_invalid"),
        (TOKENS, "a b", 400, "idempotency_key_invalid"),
    ],
)
def test_a_missing_or_impossible_key_is_refused(post, path, key, status, code):
    response = post(path=path, key=key)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert AuditEntry.objects.count() == 0


@pytest.mark.django_db
def test_another_payload_under_the_key_is_refused(post):
    post("hall", key="k")

    response = post("attic", key="k")

    assert response.status_code == 422
    assert response.json()["code"] == "idempotency_key_reused"


@pytest.mark.django_db
def test_an_invalid_payload_may_be_corrected_under_the_key(post):
    assert post("", key="k").status_code == 422

    assert post("hall", key="k").status_code == 201


@pytest.mark.django_db
def test_users_and_guests_share_no_keys(post, api_as, customer, stranger):
    answers = [
        post(key="k"),
        post(key="k", client=api_as(customer)),
        post(key="k", client=api_as(stranger)),
    ]

    assert len({answer.content for answer in answers}) == 3


@pytest.mark.django_db
def test_a_bug_is_a_500_that_leaves_nothing_and_may_be_repeated(post, api):
    api.raise_request_exception = False

    answers = [post("bug", key="k"), post("bug", key="k")]

    assert [answer.status_code for answer in answers] == [500, 500]
    assert AuditEntry.objects.count() == IdempotencyRecord.objects.count() == 0


@pytest.mark.django_db
def test_an_answer_that_must_not_be_kept_is_not(post):
    post(path=TOKENS, key="k")

    assert IdempotencyRecord.objects.count() == 0


@pytest.mark.django_db
def test_a_key_costs_a_fixed_number_of_statements(post, django_assert_num_queries):
    # Transaction, lock, look-up, savepoint around the effect, and the record.
    with django_assert_num_queries(1):
        post()
    with django_assert_num_queries(8):
        post(key="k")
    with django_assert_num_queries(4):
        post(key="k")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", [LAMPS, PAID_LAMPS])
def test_fifty_equal_posts_at_once_make_one_resource(post, path):
    def send(_):
        try:
            return post(path=path, key="k")
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(send, range(50)))

    made = [answer for answer in answers if answer.status_code == 201]
    busy = [answer for answer in answers if answer.status_code == 409]
    assert AuditEntry.objects.count() == 1
    assert len(made) + len(busy) == 50
    assert {answer.content for answer in made} == {post(path=path, key="k").content}
    assert {answer.json()["code"] for answer in busy} <= {"idempotency_in_progress"}
    assert {answer.headers["Retry-After"] for answer in busy} <= {"1"}


def post_in_another_process(path, room, *, key):
    """Bring back how a process ended that made this one request."""
    script = (
        "import django; django.setup(); "
        "from rest_framework.test import APIClient; "
        f"r = APIClient().post({path!r}, {{'room': {room!r}}}, format='json',"
        f" headers={{'Idempotency-Key': {key!r}}}); "
        # The answer was ready, but nobody got it.
        "import os; os.kill(os.getpid(), 9)"
    )
    arguments = (
        "-c",
        "from django.conf import settings; "
        "settings.ROOT_URLCONF = 'core.tests.lamp_urls'; " + script,
    )
    with running(*arguments) as process:
        process.communicate(timeout=30)
    return process.returncode


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", [LAMPS, PAID_LAMPS])
def test_an_answer_lost_on_its_way_is_replayed(post, path):
    assert post_in_another_process(path, "hall", key="k") == -signal.SIGKILL
    lit = AuditEntry.objects.get()

    again = post("hall", key="k", path=path)

    assert again.status_code == 201
    assert again.json()["id"] == str(lit.pk)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert AuditEntry.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_process_killed_after_the_effect_leaves_neither_effect_nor_record():
    assert post_in_another_process(LAMPS, "killed", key="k") == -signal.SIGKILL

    assert AuditEntry.objects.count() == IdempotencyRecord.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_phased_process_killed_after_its_effect_is_resumed_after_the_lease(
    post, monkeypatch
):
    assert post_in_another_process(PAID_LAMPS, "killed", key="k") == -signal.SIGKILL
    busy = post("killed", key="k", path=PAID_LAMPS)
    IdempotencyRecord.objects.update(claimed_until=timezone.now())
    monkeypatch.setattr("core.tests.lamp_urls.os.kill", lambda *_: None)

    resumed = post("killed", key="k", path=PAID_LAMPS)

    assert (busy.status_code, busy.json()["code"]) == (409, "idempotency_in_progress")
    assert resumed.status_code == 201
