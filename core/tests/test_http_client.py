import socket
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest

from core import http_client
from core.http_client import Client, NotSentError, OutcomeUnknownError
from core.protection import shedding
from core.protection.admission import Admission
from core.protection.breaker import State, breakers, get_breaker
from core.protection.concurrency import FixedLimit
from core.protection.counters import counters, totals
from core.protection.deadlines import deadline
from core.protection.gate import ThreadGate
from core.protection.retries import RetryPolicy
from core.request_ids import enter_request, leave_request


@pytest.fixture(autouse=True)
def _fresh():
    breakers.clear()
    http_client.forget_budgets()


@contextmanager
def server(answer):
    """Run another company's server; ``answer`` writes to the handler it is given."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

        def do_POST(self):
            length = int(self.headers.get("Content-Length", 0))
            self.body = self.rfile.read(length)
            answer(self)

        do_GET = do_POST  # noqa: N815 -- the name that http.server looks for

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        running.block_on_close = False
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def send(handler, content, status=200, **headers):
    handler.send_response(status)
    for name, value in ({"Content-Length": str(len(content))} | headers).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


@contextmanager
def client(url, **options):
    one = Client(url, **{"name": "test", "internal": True} | options)
    try:
        yield one
    finally:
        one.close()


@contextmanager
def shop_calling(answer, **options):
    with server(answer) as url, client(url, **options) as shop:
        yield shop


def test_post_sends_json_with_request_id_and_key():
    def echo(handler):
        seen = {
            "path": handler.path,
            "body": orjson.loads(handler.body),
            "key": handler.headers["Idempotency-Key"],
            "request": handler.headers["X-Request-ID"],
            "auth": handler.headers["Authorization"],
        }
        send(handler, orjson.dumps(seen), 201)

    token = enter_request("request-1")
    with (
        server(echo) as url,
        client(url, headers={"Authorization": "Bearer k"}) as shop,
    ):
        answer = shop.post("/pay", {"amount": 1}, idempotency_key="order:1")
    leave_request(token)

    assert answer.status == 201
    assert answer.json() == {
        "path": "/pay",
        "body": {"amount": 1},
        "key": "order:1",
        "request": "request-1",
        "auth": "Bearer k",
    }


def test_get_sends_its_parameters():
    with server(lambda h: send(h, h.path.encode())) as url, client(url) as shop:
        assert shop.get("/find", params={"key": "a b"}).content == b"/find?key=a+b"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_any_status_is_an_answer(status):
    with shop_calling(lambda h: send(h, b"{}", status, Location="/x")) as shop:
        assert shop.post("/pay", {}).status == status


def test_a_refused_connection_was_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with client(f"http://127.0.0.1:{port}") as shop, pytest.raises(NotSentError):
        shop.post("/pay", {})


def test_a_late_answer_is_unknown():
    with (
        shop_calling(lambda _: time.sleep(0.5), read_seconds=0.1) as shop,
        pytest.raises(OutcomeUnknownError),
    ):
        shop.post("/pay", {})


def test_a_dripping_answer_ends_at_the_total():
    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(20):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    started = time.monotonic()
    with (
        shop_calling(drip, total_seconds=0.2) as shop,
        pytest.raises(OutcomeUnknownError),
    ):
        shop.post("/pay", {})
    assert time.monotonic() - started < 1


def test_a_huge_answer_is_cut_off():
    with (
        shop_calling(lambda h: send(h, b"x" * 5000), max_bytes=1000) as shop,
        pytest.raises(OutcomeUnknownError, match="too large"),
    ):
        shop.get("/find")


def test_a_broken_connection_is_unknown():
    def hang_up(handler):
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    with shop_calling(hang_up) as shop, pytest.raises(OutcomeUnknownError):
        shop.post("/pay", {})


def test_an_answer_that_is_not_json_is_unknown():
    with server(lambda h: send(h, b"<html>")) as url, client(url) as shop:
        answer = shop.get("/find")

    with pytest.raises(OutcomeUnknownError, match="isn't JSON"):
        answer.json()


class Failing:
    """A server that fails so many times before it answers."""

    def __init__(self, failures, **failure):
        self.failures = failures
        self.failure = {"status": 503} | failure
        self.keys = []

    def __call__(self, handler):
        self.keys.append(handler.headers["Idempotency-Key"])
        if len(self.keys) <= self.failures:
            send(handler, b"{}", **self.failure)
        else:
            send(handler, b"{}", 201)


def test_what_carries_a_key_is_repeated_under_the_same():
    failing = Failing(2)

    with shop_calling(failing) as shop:
        answer = shop.post("/pay", {}, idempotency_key="k1")

    assert (answer.status, failing.keys) == (201, ["k1", "k1", "k1"])


def test_a_question_is_repeated():
    failing = Failing(1)

    with shop_calling(failing) as shop:
        assert shop.get("/find").status == 201


def test_an_unkeyed_post_is_never_repeated():
    failing = Failing(1)

    with shop_calling(failing) as shop:
        assert shop.post("/pay", {}).status == 503

    assert len(failing.keys) == 1


def test_after_three_attempts_the_failing_answer_is_the_answer():
    failing = Failing(9, status=502)

    with shop_calling(failing) as shop:
        assert shop.get("/find").status == 502

    assert len(failing.keys) == 3


@pytest.mark.parametrize(
    ("status", "asked"),
    [(200, 1), (404, 1), (409, 1), (422, 1), (408, 2), (425, 2), (429, 2), (500, 2)],
)
def test_only_failures_of_the_other_side_are_repeated(status, asked):
    failing = Failing(1, status=status)

    with shop_calling(failing) as shop:
        shop.get("/find")

    assert len(failing.keys) == asked


def test_retry_after_is_honoured():
    failing = Failing(1, **{"Retry-After": "1"})

    with shop_calling(failing) as shop:
        started = time.monotonic()
        assert shop.get("/find").status == 201

    assert time.monotonic() - started >= 1


def test_an_unreasonable_retry_after_ends_the_attempts():
    failing = Failing(1, **{"Retry-After": "3600"})

    with shop_calling(failing) as shop:
        assert shop.get("/find").status == 503


def test_one_attempt_that_may_have_arrived_leaves_the_outcome_unknown():
    """The first is cut off after it arrived; the others find nobody there any more."""
    seen = []

    def hang_up(handler):
        seen.append(handler.command)
        handler.close_connection = True
        # Before the client can ask again.
        listener.close()
        handler.connection.shutdown(socket.SHUT_RDWR)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=answer_once, args=(listener, hang_up))
        thread.start()
        with client(url) as shop, pytest.raises(OutcomeUnknownError):
            shop.post("/pay", {}, idempotency_key="k")
        thread.join()

    assert seen == ["POST"]


def answer_once(listener, answer):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            answer(self)

    connection, address = listener.accept()
    Handler(connection, address, None)
    connection.close()


def test_a_call_ends_with_the_deadline_of_its_caller():
    with shop_calling(lambda _: time.sleep(3)) as shop:
        started = time.monotonic()
        with deadline(0.2), pytest.raises(OutcomeUnknownError):
            shop.post("/pay", {}, idempotency_key="k")

    assert time.monotonic() - started < 2


def test_past_the_deadline_nothing_is_sent():
    failing = Failing(0)

    with shop_calling(failing) as shop, deadline(0), pytest.raises(NotSentError):
        shop.get("/find")

    assert failing.keys == []


@pytest.fixture
def breaking(settings):
    settings.BREAKER_MODE = "enforce"


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def test_an_open_circuit_is_a_call_not_sent(breaking):
    failing = Failing(10**9)

    with shop_calling(failing, name="out", retries=RetryPolicy(attempts=1)) as shop:
        for _ in range(10):
            shop.get("/find", operation="find")
        with pytest.raises(NotSentError, match="circuit is open"):
            shop.get("/find", operation="find")

    assert len(failing.keys) == 10


def test_operations_break_apart(breaking):
    get_breaker("apart.find").move(State.FORCED_OPEN)

    with shop_calling(Failing(0), name="apart") as shop:
        assert shop.get("/other", operation="other").status == 201


def test_a_caller_without_time_does_not_open_the_circuit(breaking):
    with shop_calling(lambda h: time.sleep(0.3), name="innocent") as shop:
        for _ in range(12):
            with deadline(0.01), pytest.raises((OutcomeUnknownError, NotSentError)):
                shop.get("/find", operation="find")

    assert get_breaker("innocent.find").state == State.CLOSED


def test_a_call_is_one_packet_on_a_connection_that_stays():
    reads = []

    def serve(listener):
        connection, _ = listener.accept()
        with connection:
            for _ in range(3):
                reads.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        with client(url) as shop:
            for _ in range(3):
                assert shop.post("/pay", {"a": 1}).status == 200
        thread.join()

    assert [read.endswith(b'{"a":1}') for read in reads] == [True] * 3


def test_a_unix_socket_is_called_too(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        thread = threading.Thread(
            target=answer_once, args=(listener, lambda h: send(h, b"{}"))
        )
        thread.start()
        with client(f"unix://{tmp_path}/s") as shop:
            assert shop.post("/pay", {}).status == 200
        thread.join()


def test_failures_are_logged_without_secrets(caplog):
    with shop_calling(Failing(9), headers={"Authorization": "Bearer s3cret"}) as shop:
        shop.send(
            "GET", "/hooks/s3cret?token=s3cret", operation="hook", content=b"s3cret"
        )

    said = [str(record.msg) for record in caplog.records if record.name == "outgoing"]
    assert len(said) == 3
    assert all("'operation': 'hook'" in line for line in said)
    assert "s3cret" not in "".join(said)


def test_errors_name_no_path():
    url = f"http://127.0.0.1:{closed_port()}"
    with client(url) as shop, pytest.raises(NotSentError) as error:
        shop.post("/hooks/s3cret", {})

    assert "s3cret" not in str(error.value)


def test_calls_are_counted_by_dependency_and_outcome():
    counters.flush()
    before = totals()

    with shop_calling(Failing(1), name="counted") as shop:
        shop.get("/find", operation="find")

    after = totals()
    for outcome in ("5xx", "2xx"):
        name = f"outgoing|counted|find|{outcome}"
        assert after[name] - before.get(name, 0) == 1
    assert "outgoing_ms|counted" in after


@pytest.mark.parametrize("is_breaking", [False, True])
def test_a_dependency_that_is_down_is_not_hammered(settings, is_breaking):
    """What a minute at 100 calls a second would offer, a tenth of it and without pauses."""
    settings.BREAKER_MODE = "enforce" if is_breaking else "off"
    failing = Failing(10**9)
    offered = 0

    with shop_calling(
        failing, name=f"down-{is_breaking}", retries=RetryPolicy(base_seconds=0)
    ) as shop:
        for _ in range(600):
            offered += 1
            with suppress(NotSentError, OutcomeUnknownError):
                shop.get("/find", operation="find")

    assert len(failing.keys) <= 1.2 * offered
    if is_breaking:
        # While the circuit is open next to nothing gets through.
        assert len(failing.keys) < 0.1 * offered


def test_who_asks_another_gives_his_place_to_the_next(monkeypatch):
    gate = ThreadGate(Admission(FixedLimit(1)), most_aside=1)
    monkeypatch.setattr(shedding, "gate", lambda: gate)
    token = shedding.inside.set(gate.enter(priority=10, rank=10.0))
    seen = []

    def look(handler):
        seen.append((gate.admission.inflight, gate.admission.aside))
        send(handler, b"{}")

    try:
        with shop_calling(look) as shop:
            shop.get("/", operation="look")
    finally:
        shedding.inside.reset(token)

    assert seen == [(0, 1)]
    assert (gate.admission.inflight, gate.admission.aside) == (1, 0)
