"""Fetching which certificates of the centre are in the log, so that the monitor knows what its other stations issued.

It is the marketplace's word, kept as such: the monitor never takes it for what this station's own key signed. Whatever
goes wrong is noted, and the rest is fetched at the next sync.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent import durable, keys
from wipe_agent.certificate.multibase import is_digest
from wipe_agent.errors import AgentError, BadAnswer
from wipe_agent.sync.calls import call

_MOST_CALLS = 100  # in one sync
_LONGEST_KEY_ID = 300


def fetch_issued(
    home: keys.Home, key: Ed25519PrivateKey, *, note: Callable[[str], None] = lambda text: None
) -> dict[str, str]:
    """Fetch what came into the log since the last time, and keep it. Returns all that is kept."""
    last, known = _kept(home)
    before = last
    try:
        station = keys.load_station(home)
        address, signer = f"{station.market}/api/agent/issued", (station.verification_method, key)
        for _ in range(_MOST_CALLS):
            answer = call("POST", address, {"after": last}, signer)
            last, fresh = _read(answer, last)
            known |= fresh
            if not answer.get("more") or not fresh:
                break
    except (AgentError, OSError) as error:
        note(f"What the other stations issued is asked again later. {error}")
    if last > before:
        said = {"after": last, "issued": known}
        durable.write_file(home.issued_file, json.dumps(said, ensure_ascii=False).encode())
    return known


def kept_issued(home: keys.Home) -> dict[str, str]:
    """What was fetched: by the digest of a certificate, the id of the key that signed it, as the marketplace says."""
    return _kept(home)[1]


def _kept(home: keys.Home) -> tuple[int, dict[str, str]]:
    try:
        said = json.loads(home.issued_file.read_bytes())
        return int(said["after"]), {str(digest): str(signer) for digest, signer in said["issued"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return -1, {}  # There is none yet, or it is damaged: then all is fetched anew.


def _read(answer: dict[str, object], last: int) -> tuple[int, dict[str, str]]:
    """The number of the last entry that came, and the certificates by digest. Raises BadAnswer."""
    told, fresh = answer.get("issued"), {}
    for one in told if isinstance(told, list) else [None]:
        entry, digest, signer = (
            (one.get(part) for part in ("entry", "digest", "station")) if isinstance(one, dict) else (None,) * 3
        )
        if (
            not isinstance(entry, int)
            or entry <= last
            or not isinstance(digest, str)
            or not is_digest(digest)
            or not isinstance(signer, str)
            or not 1 <= len(signer) <= _LONGEST_KEY_ID
        ):
            raise BadAnswer("The marketplace's answer does not say which certificates are in the log.")
        last, fresh[digest] = entry, signer
    return last, fresh
