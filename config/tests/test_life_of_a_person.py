"""A person from the first form to the last: two web processes, real HTTP, real mail."""

import http.client
import io
import json
import re
import time
import zipfile
from datetime import timedelta
from email import message_from_bytes, policy
from urllib.parse import urlsplit

import pytest
from aiosmtpd.controller import Controller
from django.utils import timezone

from accounts.models import Session, User
from accounts.services import erase_due, run_export
from accounts.tests.authenticators import code_at
from accounts.tests.factories import seed_roles
from config.tests.test_race_over_http import _free_port, web_processes
from core.tests.delivery import deliver_all

pytestmark = pytest.mark.django_db(transaction=True)
EMAIL = "life@example.com"
FIRST, SECOND = "the first one she chose", "the second one she chose"
# What remembering_wsgi lets a process believe without asking.
REMEMBERED_SECONDS = 5
LINK = re.compile(r"/account/([a-z-]+)#token=([\w-]{43})\s")


class Mailbox:
    """What a mail server has taken for people."""

    def __init__(self):
        self.messages = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 -- aiosmtpd's name
        self.messages.append(
            message_from_bytes(envelope.content, policy=policy.default)
        )
        return "250 taken"

    def newest(self):
        """Let the workers work, and return the last mail's subject and text."""
        deliver_all()
        message = self.messages[-1]
        assert message["To"] == EMAIL
        body = message.get_body(preferencelist=("plain",)).get_content()
        return message["Subject"], body

    def link(self):
        _, body = self.newest()
        return LINK.search(body).groups()


@pytest.fixture
def mailbox(settings):
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=_free_port())
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = controller.port
    yield mailbox
    controller.stop()


@pytest.fixture
def shop(db):
    seed_roles()
    with web_processes("", "config.tests.remembering_wsgi:application") as port:
        yield Caller(port)


class Caller:
    """Somebody with a browser of his own; each request is a connection of its own."""

    def __init__(self, port, agent="Firefox/140"):
        self.port = port
        self.headers = {"User-Agent": agent, "Content-Type": "application/json"}
        self.refresh = ""

    def call(self, method, path, body=None):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        payload = None if body is None else json.dumps(body)
        client.request(method, path, payload, self.headers)
        answer = client.getresponse()
        content = answer.read()
        client.close()
        return answer.status, content

    def ask(self, method, path, body=None):
        status, content = self.call(method, f"/api/v1/{path}", body)
        return status, json.loads(content) if content else None

    def take(self, answer):
        """Keep the tokens of an answer."""
        status, body = answer
        assert status == 200, body
        self.headers["Authorization"] = f"Bearer {body['access']}"
        self.refresh = body["refresh"]
        return body

    def is_signed_in(self):
        return self.ask("GET", "auth/me")[0] == 200


def now_and_again(caller):
    """Ask often enough that both processes have remembered the caller."""
    return [caller.is_signed_in() for _ in range(12)]


def test_the_whole_life_of_a_person(shop, mailbox):
    phone = registers(shop, mailbox)
    codes = sets_up_a_second_factor(phone, mailbox)
    laptop = signs_in_on_a_laptop(phone, mailbox, codes.pop())
    is_robbed(laptop, phone, mailbox)
    resets_the_password(shop, phone, mailbox, codes.pop())
    takes_everything_along(phone)
    leaves(phone)


def registers(shop, mailbox):
    form = {"email": EMAIL, "password": FIRST, "name": "Lia", "locale": "de"}
    assert shop.ask("POST", "auth/register", form) == (202, None)
    page, secret = mailbox.link()
    phone = Caller(shop.port, "Phone/1")
    signed_in = phone.take(phone.ask("POST", f"auth/{page}", {"token": secret}))
    assert signed_in["user"]["email_verified"]
    return phone


def sets_up_a_second_factor(phone, mailbox):
    _, app = phone.ask("POST", "auth/mfa/totp", {})
    code = code_at(app["secret"], timezone.now())
    status, confirmed = phone.ask("POST", "auth/mfa/totp/confirm", {"code": code})
    assert status == 200, confirmed
    assert mailbox.newest()[0] == "Ein Weg zur Anmeldung kam hinzu"
    return confirmed["recovery_codes"]


def signs_in(caller, password, code):
    login = {"email": EMAIL, "password": password, "device_name": "Laptop"}
    status, ticket = caller.ask("POST", "auth/login", login)
    assert (status, ticket["mfa_required"]) == (200, True)
    answer = {"ticket": ticket["ticket"], "code": code}
    caller.take(caller.ask("POST", "auth/mfa", answer))


def signs_in_on_a_laptop(phone, mailbox, code):
    laptop = Caller(phone.port, "Laptop/2")
    signs_in(laptop, FIRST, code)
    deliver_all()
    told = [message["Subject"] for message in mailbox.messages]
    assert "Ein neues Gerät hat sich angemeldet" in told
    _, sessions = phone.ask("GET", "auth/sessions")
    assert {one["user_agent"] for one in sessions["results"]} == {"Phone/1", "Laptop/2"}
    return laptop


def is_robbed(laptop, phone, mailbox):
    """The thief has copied a refresh token, and is a step behind."""
    stolen = laptop.refresh
    for _ in range(2):
        laptop.take(laptop.ask("POST", "auth/refresh", {"refresh": laptop.refresh}))
    assert all(now_and_again(laptop))
    thief = Caller(laptop.port, "Thief/3")
    status, refused = thief.ask("POST", "auth/refresh", {"refresh": stolen})
    assert (status, refused["code"]) == (401, "invalid_refresh_token")
    assert mailbox.newest()[0] == "Wir haben eine Ihrer Sitzungen beendet"

    time.sleep(REMEMBERED_SECONDS)
    # No process lets the laptop's access token in any more; the phone goes on.
    assert not any(now_and_again(laptop))
    assert all(now_and_again(phone))


def resets_the_password(shop, phone, mailbox, code):
    """Every session ends, and the second factor still stands."""
    assert shop.ask("POST", "auth/forgot-password", {"email": EMAIL}) == (202, None)
    page, secret = mailbox.link()
    chosen = {"token": secret, "password": SECOND}
    assert shop.ask("POST", f"auth/{page}", chosen) == (204, None)
    assert mailbox.newest()[0] == "Ihr Passwort wurde geändert"
    assert not Session.objects.filter(ended_at=None).exists()
    signs_in(phone, SECOND, code)


def takes_everything_along(phone):
    status, export = phone.ask("POST", "me/exports", {})
    assert status == 202, export
    run_export(export_id=export["id"], shop="Shopwright", clock=timezone.now)
    _, export = phone.ask("GET", f"me/exports/{export['id']}")
    assert export["status"] == "ready"
    link = urlsplit(export["download_url"])
    status, content = phone.call("GET", f"{link.path}?{link.query}")
    assert status == 200
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
    assert EMAIL.encode() in everything
    assert b"argon2" not in everything


def leaves(phone):
    status, leaving = phone.ask("DELETE", "auth/me", {"password": SECOND})
    assert status == 202, leaving
    assert erase_due(now=timezone.now() + timedelta(days=15)) == 1
    assert not User.objects.filter(email=EMAIL).exists()
    assert not Session.objects.exists()
    login = {"email": EMAIL, "password": SECOND}
    assert phone.ask("POST", "auth/login", login)[0] == 401
