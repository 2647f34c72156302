"""One call to the marketplace over HTTP, signed as RFC 9421 says.

The signature covers method, path and the digest of the body (RFC 9530), also of an empty one, with a fresh nonce.
A redirect is not followed: a signed call is for one address.
"""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import HTTPMessageSigner, MappingKeyResolver
from http_message_signatures.algorithms import ED25519

from wipe_agent import __version__
from wipe_agent.errors import BadAnswer, MarketRefused, MarketUnreachable

TIMEOUT_SECONDS = 30
MOST_ANSWER_BYTES = 16 * 1024 * 1024
_COMPONENTS = ("@method", "@path", "content-digest")


def call(
    method: str, url: str, body: dict[str, Any] | None, signer: tuple[str, Ed25519PrivateKey] | None
) -> dict[str, Any]:
    """One HTTP call. Raises MarketUnreachable (worth another try), MarketRefused (not), BadAnswer."""
    data = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
    message = _Message(method, url, {"User-Agent": f"wipe-agent/{__version__}", "Accept": "application/json"})
    if body is not None:
        message.headers["Content-Type"] = "application/json"
    if signer is not None:
        _sign(message, data, *signer)
    request = urllib.request.Request(  # noqa: S310 - the address was checked at enrolment
        url, data=data if body is not None else None, headers=message.headers, method=method
    )
    try:
        with _opener().open(request, timeout=TIMEOUT_SECONDS) as answer:
            data = answer.read(MOST_ANSWER_BYTES + 1)
            # A bounded read gives what came and says nothing of what did not: the length that was announced does.
            if answer.length and len(data) <= MOST_ANSWER_BYTES:
                raise MarketUnreachable(f"{url} broke off in the middle of its answer.")
            return _parse(data)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error) from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        why = getattr(reason, "strerror", None) or reason
        raise MarketUnreachable(f"{url} gives no answer ({why}).") from error


@dataclass
class _Message:
    """What the signature library wants to see of a request."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


def _sign(message: _Message, data: bytes, keyid: str, key: Ed25519PrivateKey) -> None:
    resolver = MappingKeyResolver(public_keys={}, private_keys={keyid: key})
    HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=resolver).sign(
        message,
        key_id=keyid,
        created=datetime.now(UTC),
        nonce=secrets.token_urlsafe(18),
        label="sig1",
        tag="ewaste-agent",
        include_alg=False,
        covered_component_ids=_COMPONENTS,
        body=data,
    )


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A signed call is for one address; elsewhere it would be somebody else's."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirects)


def _refusal(error: urllib.error.HTTPError) -> MarketRefused | MarketUnreachable:
    if error.code >= 500 or error.code == 429:
        return MarketUnreachable(f"The marketplace cannot answer now (HTTP {error.code}).")
    try:
        said = json.loads(error.read(65_536))["error"]
        text = str(said["message"]) + (f" (field: {said['field']})" if said.get("field") else "")
    except (ValueError, KeyError, TypeError, OSError):
        text = "It gave no reason."
    return MarketRefused(f"The marketplace refused (HTTP {error.code}): {text}")


def _parse(data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data) if len(data) <= MOST_ANSWER_BYTES else None
    except ValueError as error:
        raise BadAnswer("The marketplace's answer is not JSON.") from error
    if not isinstance(answer, dict):
        raise BadAnswer("The marketplace's answer is not an object, or too large.")
    return answer
