import socket
import threading

import httpx2
import pytest

from core.money import Money
from orders.payments.provider import Charge, Outcome, OutcomeStatus
from orders.payments.simulated import SimulatedProvider
from orders.tests.simulating import run_simulator

EUR_10 = Money(1000, "EUR")


@pytest.fixture
def running(tmp_path):
    with run_simulator(tmp_path / "ledger.jsonl") as simulator:
        yield simulator


@pytest.fixture
def connect():
    made = []

    def make(url, *, auto_capture=True):
        made.append(SimulatedProvider(url, auto_capture=auto_capture))
        return made[-1]

    yield make
    for provider in made:
        provider.close()


@pytest.fixture
def provider(running, connect):
    return connect(running.url)


def charge(key="k", method="sim_ok", amount=EUR_10):
    return Charge(key=key, method=method, amount=amount)


def test_authorize_happens_once_for_a_key(provider, running):
    first = provider.authorize(charge())
    second = provider.authorize(charge())

    assert first == second
    assert first.status is OutcomeStatus.CAPTURED
    assert running.kinds_of("k") == ["captured"]


def test_authorize_without_capture(running, connect):
    provider = connect(running.url, auto_capture=False)

    assert provider.authorize(charge()).status is OutcomeStatus.AUTHORIZED


def test_authorize_refuses_another_payment_under_the_key(provider):
    provider.authorize(charge())

    outcome = provider.authorize(charge(amount=Money(1, "EUR")))

    assert outcome.failure_code == "idempotency_key_reused"


def test_declined(provider):
    outcome = provider.authorize(charge(method="sim_declined"))

    assert outcome.status is OutcomeStatus.DECLINED
    assert outcome.failure_code == "card_declined"
    assert provider.find("k") == outcome


def test_find_says_how_it_stands_or_that_it_never_came(provider):
    captured = provider.authorize(charge())

    assert provider.find("k") == captured
    assert provider.find("other") is None


def test_refund_happens_once_and_never_exceeds(provider, running):
    reference = provider.authorize(charge()).reference

    first = provider.refund(reference, amount=EUR_10, key="r")
    again = provider.refund(reference, amount=EUR_10, key="r")
    more = provider.refund(reference, amount=EUR_10, key="r2")

    assert first == again
    assert first.status is OutcomeStatus.REFUNDED
    assert more.failure_code == "not_refundable"
    assert running.kinds_of("k") == ["captured", "refunded"]


def test_void_lets_go_of_an_authorization_only(running, connect):
    authorizing = connect(running.url, auto_capture=False)
    capturing = connect(running.url)
    held = authorizing.authorize(charge("a")).reference
    taken = capturing.authorize(charge("b")).reference

    assert authorizing.void(held, key="v").status is OutcomeStatus.VOIDED
    assert capturing.void(taken, key="w").failure_code == "not_voidable"


def test_ledger_survives_a_kill_and_a_torn_line(tmp_path, connect):
    ledger = tmp_path / "ledger.jsonl"
    with run_simulator(ledger) as first:
        outcome = connect(first.url).authorize(charge())
    with ledger.open("a") as torn:
        torn.write('{"at": 1, "kind"')

    with run_simulator(ledger) as second:
        provider = connect(second.url)
        provider.authorize(charge("l"))
        assert provider.authorize(charge()) == outcome
    with run_simulator(ledger) as third:
        assert connect(third.url).captured_amounts() == {"k": EUR_10, "l": EUR_10}


def test_nothing_is_unknown_when_nothing_could_be_sent(connect):
    provider = connect("http://127.0.0.1:9")

    assert provider.authorize(charge()) == Outcome(OutcomeStatus.NOT_SENT)
    assert provider.find("k") == Outcome(OutcomeStatus.UNKNOWN)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<p>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
    ],
)
def test_an_answer_that_says_nothing_is_unknown(answer, connect, server):
    url = server(answer)

    outcome = connect(url).authorize(charge())

    assert outcome.status is OutcomeStatus.UNKNOWN


@pytest.fixture
def server():
    """Serve one answer to each connection, then close it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(answer):
        def loop():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=loop, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    listener.close()


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/payments", b"{", 400),
        ("POST", "/payments", b"[]", 400),
        ("POST", "/payments", b'{"method": "sim_ok"}', 422),
        ("POST", "/payments", b'{"method": "x", "amount": 1, "currency": "EUR"}', 422),
        ("POST", "/payments/x/void", b"{}", 404),
        ("POST", "/nowhere", b"{}", 404),
        ("GET", "/payments?key=x", b"", 404),
        ("DELETE", "/payments", b"", 405),
        ("POST", "/payments", b"x" * 70_000, 413),
        ("GET", "/health", b"", 200),
    ],
)
def test_simulator_answers_what_it_does_not_take(
    simulator_process, method, path, content, status
):
    response = httpx2.request(
        method,
        simulator_process.url + path,
        content=content,
        headers={"Idempotency-Key": "q"},
        trust_env=False,
    )

    assert response.status_code == status
