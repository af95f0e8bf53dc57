import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest

from core.http_client import Client, NotSentError, OutcomeUnknownError
from core.request_ids import enter_request, leave_request


@contextmanager
def server(answer):
    """Run another company's server; ``answer`` writes to the handler it is given."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

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
    one = Client(url, **options)
    yield one
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
        pytest.raises(OutcomeUnknownError, match="too long"),
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
