"""Each fault over real sockets, TCP and unix, against a server that answers with bytes."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from core.protection.fault_proxy import FaultProxy, Faults, running_proxy


@contextmanager
def serving(answer, listener):
    """Answer every connection once it has said a line, then close it."""

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=reply, args=(connection,), daemon=True).start()

    def reply(connection):
        with connection:
            try:
                if connection.recv(100):
                    connection.sendall(answer)
            except OSError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.fixture(params=["tcp", "unix"])
def family(request):
    return request.param


@pytest.fixture
def proxied(family, tmp_path):
    """Put a proxy before a server that gives this answer."""

    @contextmanager
    def start(answer=b"hello", **options):
        if family == "tcp":
            listener = socket.create_server(("127.0.0.1", 0))
            upstream, listen = listener.getsockname(), ("127.0.0.1", 0)
        else:
            listener = socket.socket(socket.AF_UNIX)
            upstream, listen = tmp_path / "server", tmp_path / "proxy"
            listener.bind(str(upstream))
            listener.listen()
        with (
            serving(answer, listener),
            running_proxy(upstream, listen, **options) as (proxy, place),
        ):
            yield proxy, lambda: connect(place)

    return start


def connect(place):
    if isinstance(place, tuple):
        return socket.create_connection(place, timeout=20)
    own = socket.socket(socket.AF_UNIX)
    own.settimeout(20)
    own.connect(str(place))
    return own


def ask(connecting):
    """Return what came, and the seconds it took to come and to be closed."""
    with connecting() as own:
        own.sendall(b"question\n")
        started = time.monotonic()
        pieces, first = [], None
        while piece := own.recv(65_536):
            first = first or time.monotonic() - started
            pieces.append(piece)
        return b"".join(pieces), first, time.monotonic() - started


def test_without_faults_everything_passes(proxied):
    answer = bytes(range(256)) * 4000

    with proxied(answer) as (proxy, connecting):
        assert ask(connecting)[0] == answer
        assert proxy.passed_bytes == len(answer)


def test_latency_makes_answers_late(proxied):
    with proxied() as (proxy, connecting):
        proxy.faults = Faults(latency=0.3)
        said, first, _ = ask(connecting)

    assert said == b"hello"
    assert first >= 0.3


def test_jitter_follows_from_the_seed():
    def delays(seed):
        proxy = FaultProxy(("127.0.0.1", 1), seed=seed)
        proxy.faults = Faults(latency=0.5, jitter=0.2)
        return [proxy._delay_of(1) for _ in range(1000)]  # noqa: SLF001 -- else a test of seconds

    one = delays(1)

    assert delays(1) == one
    assert delays(2) != one
    assert min(one) == pytest.approx(0.3, abs=0.01)
    assert max(one) == pytest.approx(0.7, abs=0.01)


def test_bandwidth_stretches_answers(proxied):
    with proxied(b"x" * 30_000) as (proxy, connecting):
        proxy.faults = Faults(bandwidth=60_000, slices=10_000)
        said, first, whole = ask(connecting)

    assert len(said) == 30_000
    assert whole >= 0.5
    assert whole - first >= 0.3


def test_slices_cut_answers_into_pieces(proxied):
    with proxied(b"abcdefghij") as (proxy, connecting):
        proxy.faults = Faults(slices=2, latency=0.05)
        said, first, whole = ask(connecting)

    assert said == b"abcdefghij"
    # Five pieces, each with its own delay.
    assert first < whole
    assert whole >= 0.25


def test_a_limit_closes_the_connection_in_the_middle(proxied):
    with proxied(b"abcdefghij") as (proxy, connecting):
        proxy.faults = Faults(limit=4)

        assert ask(connecting)[0] == b"abcd"


def test_timeout_lets_nothing_pass_and_then_closes(proxied):
    with proxied() as (proxy, connecting):
        proxy.faults = Faults(timeout=0.3)
        said, _, whole = ask(connecting)

    assert (said, whole >= 0.3) == (b"", True)


def test_slow_close_holds_the_end_back(proxied):
    with proxied() as (proxy, connecting):
        proxy.faults = Faults(slow_close=0.4)
        said, first, whole = ask(connecting)

    assert said == b"hello"
    assert whole - first >= 0.3


def test_reset_tears_the_connection_down(proxied, family):
    with proxied() as (proxy, connecting):
        proxy.faults = Faults(reset=0.1)
        if family == "tcp":
            with pytest.raises(ConnectionResetError):
                ask(connecting)
        else:
            # A unix socket knows no RST.
            assert ask(connecting)[0] == b""


def test_down_refuses_everybody_and_cuts_off_who_is_there(proxied):
    with proxied() as (proxy, connecting):
        with connecting() as there:
            deadline = time.monotonic() + 5
            while not proxy.connections and time.monotonic() < deadline:
                time.sleep(0.01)
            proxy.faults = Faults(down=True)
            assert lost(there)
        assert is_refused(connecting)

        proxy.faults = Faults()
        assert ask(connecting)[0] == b"hello"


def is_refused(connecting):
    try:
        return lost(connecting())
    except ConnectionResetError:
        # So soon that not even connecting was over.
        return True


def lost(own):
    with own:
        try:
            return own.recv(1) == b""
        except ConnectionResetError:
            return True
