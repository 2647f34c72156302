"""A device that makes passkeys: what a browser and its authenticator do, with an ordinary key and no hardware."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import struct
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

UP, UV, AT = 0x01, 0x04, 0x40


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class DeviceKey:
    """One passkey in one device. `verified` says whether the device checks its user."""

    def __init__(self, origin: str = "http://localhost:8000", *, verified: bool = True) -> None:
        self.origin, self.verified, self.count = origin, verified, 0
        self.id = secrets.token_bytes(16)
        self._key = ec.generate_private_key(ec.SECP256R1())

    def make(self, options: dict[str, Any]) -> dict[str, Any]:
        """Answer the site's wish for a new passkey."""
        numbers = self._key.public_key().public_numbers()
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        held = b"\0" * 16 + struct.pack(">H", len(self.id)) + self.id + public
        data = self._data(options["rp"]["id"], AT) + held
        client = self._client("webauthn.create", options["challenge"])
        return self._told(
            {
                "clientDataJSON": b64(client),
                "attestationObject": b64(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
            }
        )

    def show(self, options: dict[str, Any], **spoiled: str) -> dict[str, Any]:
        """Answer the site's wish to see a passkey; `spoiled` stands in for what a false page would say."""
        self.count += 1
        data = self._data(spoiled.get("rp_id", options["rpId"]), 0)
        client = self._client("webauthn.get", spoiled.get("challenge", options["challenge"]), spoiled.get("origin"))
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._told({"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature)})

    def _data(self, rp_id: str, flags: int) -> bytes:
        flags |= UP | (UV if self.verified else 0)
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, self.count)

    def _client(self, kind: str, challenge: str, origin: str | None = None) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": origin or self.origin}).encode()

    def _told(self, response: dict[str, Any]) -> dict[str, Any]:
        return {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "response": response}
