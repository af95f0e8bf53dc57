"""Providers of identities to sign in with: a real one, and one that lies when told to."""

import hashlib
import hmac
import http.client
import json
import shutil
import socket
import subprocess
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from contextlib import contextmanager
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

import pytest
from django.conf import settings
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey

HERE = Path(__file__).parent / "openid_provider"
CALLBACK = "https://shop.example/signed-in"
CLIENT_ID = "shop"
CLIENT_SECRET = "shop-secret-for-tests-only"  # noqa: S105 -- of a provider in the test
INSTALL_SECONDS = 120
START_SECONDS = 30


def described(name, issuer):
    """Return what the settings say of a provider that runs beside the test."""
    return {
        "name": name,
        "title": name.title(),
        "issuer": issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "internal": True,
    }


def github(url):
    """Return what the settings say of GitHub, were it at this address."""
    return described("github", "https://github.com") | {
        "kind": "github",
        "authorization_endpoint": f"{url}/authorize",
        "token_endpoint": f"{url}/token",
        "api": url,
    }


def client_of(headers, form):
    """Return the id and secret, in the header or in the form."""
    if "Authorization" not in headers:
        return [form["client_id"], form["client_secret"]]
    pair = b64decode(headers["Authorization"].removeprefix("Basic ")).decode()
    return [unquote(part) for part in pair.split(":")]


def half_hash(text):
    half = hashlib.sha256(text.encode()).digest()[:16]
    return urlsafe_b64encode(half).rstrip(b"=").decode()


class FakeIssuer:
    """Keeps every rule of the code flow but those that ``lies`` names."""

    def __init__(self):
        self.rotate("one")
        self.lies = {}
        self.codes = {}
        self.asked = []
        self.subject, self.email, self.email_verified = (
            "sub-1",
            "anna@example.com",
            True,
        )
        self.url = ""

    def rotate(self, kid):
        self.key = ECKey.generate_key("P-256", parameters={"kid": kid})

    def authorize(self, url, **changes):
        """Sign the person in, and return what the browser brings back."""
        query = dict(parse_qsl(urlsplit(url).query))
        code = token_urlsafe(16)
        self.codes[code] = query
        back = {"code": code, "state": query["state"], "iss": self.url} | changes
        return {name: value for name, value in back.items() if value is not None}

    def metadata(self):
        honest = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwks",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return 200, honest | self.lies.get("metadata", {})

    def jwks(self):
        honest = {"keys": [self.key.as_dict(private=False)]}
        return 200, self.lies.get("jwks", honest)

    def user(self):
        return 200, self.lies.get("user", {"id": 583231, "name": "Anna Smith"})

    def user_emails(self):
        entry = {
            "email": self.email,
            "primary": True,
            "verified": self.email_verified,
        }
        other = {"email": "other@example.com", "primary": False, "verified": True}
        return 200, self.lies.get("emails", [other, entry])

    def userinfo(self):
        return 200, {"sub": self.subject, **self.person()} | self.lies.get(
            "userinfo", {}
        )

    def person(self):
        return {"email": self.email, "email_verified": self.email_verified}

    def token(self, headers, form):
        if "token_status" in self.lies:
            return self.lies["token_status"], {"error": "server_error"}
        assert client_of(headers, form) == [CLIENT_ID, CLIENT_SECRET]
        query = self.codes.pop(form["code"], None)
        verifier = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if (
            query is None
            or query["code_challenge"] != challenge
            or query["code_challenge_method"] != "S256"
            or query["redirect_uri"] != form["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        access = "access-token"
        honest = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": 60,
            "id_token": self.id_token(query, access),
        }
        answer = honest | self.lies.get("tokens", {})
        return 200, self.lies.get(
            "token_answer", {k: v for k, v in answer.items() if v is not None}
        )

    def id_token(self, query, access):
        now = int(time.time())
        honest = {
            "iss": self.url,
            "sub": self.subject,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": query.get("nonce"),
            "at_hash": half_hash(access),
            **({} if self.lies.get("email_elsewhere") else self.person()),
        }
        claims = honest | self.lies.get("claims", {})
        claims = {name: value for name, value in claims.items() if value is not None}
        sign = self.lies.get("sign", sign_honestly)
        return sign(self, claims)


def sign_honestly(issuer, claims):
    """Whatever the claims are: as JSON may have it, half a surrogate pair included."""
    header = {"alg": "ES256", "typ": "JWT", "kid": issuer.key.kid}
    return jws.serialize_compact(header, json.dumps(claims), issuer.key)


def sign_with_nothing(issuer, claims):
    def part(value):
        raw = json.dumps(value).encode()
        return urlsafe_b64encode(raw).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part(claims)}."


def sign_with_the_secret(issuer, claims):
    key = OctKey.import_key(CLIENT_SECRET, {"kid": "one"})
    return jwt.encode({"alg": "HS256", "kid": "one"}, claims, key)


def sign_with_the_public_key(issuer, claims):
    """By hand, since libraries refuse to: the public key as if it were a secret."""

    def part(raw):
        return urlsafe_b64encode(raw).rstrip(b"=")

    head = part(json.dumps({"alg": "HS256", "kid": "one"}).encode())
    signed = head + b"." + part(json.dumps(claims).encode())
    signature = hmac.digest(issuer.key.as_pem(private=False), signed, "sha256")
    return (signed + b"." + part(signature)).decode()


def sign_with_another_key(issuer, claims):
    other = ECKey.generate_key("P-256")
    return jwt.encode({"alg": "ES256", "kid": "one"}, claims, other)


def sign_with_an_unknown_key(issuer, claims):
    other = ECKey.generate_key("P-256")
    return jwt.encode({"alg": "ES256", "kid": "two"}, claims, other)


def sign_with_a_key_of_its_own(issuer, claims):
    other = ECKey.generate_key("P-256")
    header = {"alg": "ES256", "jwk": other.as_dict(private=False)}
    return jwt.encode(header, claims, other)


def sign_and_change(issuer, claims):
    head, _, signature = sign_honestly(issuer, claims).split(".")
    raw = json.dumps(claims | {"sub": "somebody-else"}).encode()
    return f"{head}.{urlsafe_b64encode(raw).rstrip(b'=').decode()}.{signature}"


@contextmanager
def fake_issuer():
    issuer = FakeIssuer()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            length = int(self.headers.get("Content-Length") or 0)
            form = dict(parse_qsl(self.rfile.read(length).decode()))
            path = urlsplit(self.path).path
            issuer.asked.append(path)
            if path == "/token":
                status, found = issuer.token(self.headers, form)
            elif path == "/.well-known/openid-configuration":
                status, found = issuer.metadata()
            else:
                status, found = getattr(issuer, path.strip("/").replace("/", "_"))()
            content = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if status == 302:
                self.send_header("Location", f"{issuer.url}/jwks")
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 -- the name that http.server looks for

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        issuer.url = f"http://127.0.0.1:{server.server_port}"
        yield issuer
        server.shutdown()
        thread.join()


class RealProvider:
    """npm's oidc-provider in a process of its own."""

    def __init__(self, url):
        self.url = url

    def authorize(self, url, *, person):
        """Sign the person in, as a browser does that follows redirects and keeps cookies."""
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}&{urlencode({'login_hint': person})}"
        cookies = SimpleCookie()
        for _ in range(10):
            location = self._ask(target, cookies)
            if location.startswith(CALLBACK):
                return {
                    name: value
                    for name, (value,) in parse_qs(urlsplit(location).query).items()
                }
            parts = urlsplit(location)
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        raise AssertionError("The provider redirects without end.")

    def _ask(self, target, cookies):
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        sent = "; ".join(f"{one.key}={one.value}" for one in cookies.values())
        connection.request("GET", target, headers={"Cookie": sent})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status in {302, 303}, body
        for line in answer.headers.get_all("Set-Cookie") or ():
            cookies.load(line)
        return answer.headers["Location"]


@contextmanager
def real_provider():
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("npm isn't here, which brings the OpenID provider.")
    folder = _install(npm)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [node, "provider.mjs", str(port), CALLBACK],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        # The line comes, or the process ends and with it the output.
        assert process.stdout.readline() == "ready\n", "the provider did not start"
        yield RealProvider(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait(timeout=10)
        process.stdout.close()


def _install(npm):
    """Install the locked packages once for all runs; they need the network that once."""
    lock = (HERE / "package-lock.json").read_bytes()
    folder = Path(settings.VAR_DIR) / "npm" / hashlib.sha256(lock).hexdigest()[:16]
    ready = folder / "ready"
    if not ready.exists():
        own = folder.with_name(f"{folder.name}-{token_urlsafe(6)}")
        own.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, own)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command, cwd=own, capture_output=True, timeout=INSTALL_SECONDS, check=False
        )
        if done.returncode:
            shutil.rmtree(own)
            pytest.skip("npm can't install the OpenID provider here.")
        (own / "ready").touch()
        try:
            own.rename(folder)
        except OSError:
            # Another worker was faster.
            shutil.rmtree(own)
    shutil.copy(HERE / "provider.mjs", folder)
    return folder
