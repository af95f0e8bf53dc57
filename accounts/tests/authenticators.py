"""What people hold in their hands: an authenticator app, and one that makes passkeys."""

import json
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from os import urandom

import cbor2
import pyotp
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def code_at(secret, now):
    return pyotp.TOTP(secret).at(now)


def encoded(raw):
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text):
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """Makes one ES256 passkey and answers with it, honestly unless told otherwise."""

    def __init__(self, *, origin="http://localhost:8000", counts=True):
        self.origin = origin
        self.counts = counts
        self.count = 0
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = urandom(32)
        self.rp_id = self.user_handle = ""

    def create(self, options, **lies):
        self.rp_id = options["rp"]["id"]
        self.user_handle = options["user"]["id"]
        client = self._client_data("webauthn.create", options["challenge"], lies)
        attested = (
            bytes(16)
            + struct.pack(">H", len(self.credential_id))
            + self.credential_id
            + self._cose_key()
        )
        data = self._authenticator_data(lies, extra_flags=ATTESTED) + attested
        statement = {"fmt": "none", "attStmt": {}, "authData": data}
        return self._credential(
            clientDataJSON=encoded(client),
            attestationObject=encoded(cbor2.dumps(statement)),
            transports=["internal"],
        )

    def get(self, options, **lies):
        client = self._client_data("webauthn.get", options["challenge"], lies)
        data = self._authenticator_data(lies)
        key = lies.get("signing_key", self.key)
        signature = key.sign(data + sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._credential(
            clientDataJSON=encoded(client),
            authenticatorData=encoded(data),
            signature=encoded(lies.get("signature", signature)),
            userHandle=lies.get("user_handle", self.user_handle),
        )

    def _client_data(self, kind, challenge, lies):
        said = {
            "type": lies.get("type", kind),
            "challenge": lies.get("challenge", challenge),
            "origin": lies.get("origin", self.origin),
            "crossOrigin": lies.get("cross_origin", False),
        }
        return json.dumps(said).encode()

    def _authenticator_data(self, lies, extra_flags=0):
        if self.counts:
            self.count += 1
        flags = lies.get("flags", USER_PRESENT | USER_VERIFIED) | extra_flags
        rp_id = lies.get("rp_id", self.rp_id)
        count = lies.get("count", self.count)
        return sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, count)

    def _cose_key(self):
        numbers = self.key.public_key().public_numbers()
        return cbor2.dumps(
            {
                1: 2,
                3: -7,
                -1: 1,
                -2: numbers.x.to_bytes(32, "big"),
                -3: numbers.y.to_bytes(32, "big"),
            }
        )

    def _credential(self, **response):
        return {
            "id": encoded(self.credential_id),
            "rawId": encoded(self.credential_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }
