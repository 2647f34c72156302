"""The pinned trust file: whose accreditations and work orders count.

A centre is not in it. A centre's keys count through an accreditation that a trusted accreditor
signed. Documents inside a bundle are never a source of trust.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from wipe_agent.certificate import shapes
from wipe_agent.certificate.log.note import COSIGNATURE, ED25519, VerifierKey
from wipe_agent.certificate.multibase import public_key_from_multibase
from wipe_agent.certificate.shape import misshapen
from wipe_agent.certificate.strict import Unreadable, read
from wipe_agent.certificate.times import CLOCK_TOLERANCE, read_time


def fingerprint(data: bytes) -> str:
    """A short name of a trust file, to compare by voice: the first 32 hex digits of its SHA-256, in groups of four."""
    digest = hashlib.sha256(data).hexdigest()[:32]
    return " ".join(digest[start : start + 4] for start in range(0, len(digest), 4))


class Log(NamedTuple):
    """A log that counts: the first line of its checkpoints, its verifier key, its name for people."""

    origin: str
    key: VerifierKey
    name: str


class Witness(NamedTuple):
    """A witness that counts: its verifier key, its name for people."""

    key: VerifierKey
    name: str


class KeyEnd(NamedTuple):
    """The end of a party's key: nothing counts that was signed with it after `until`.

    `compromised_since`: from then on others may have had it, and can date what they sign as they like. So what it
    signed counts where witnesses had seen it by then, and nowhere else.
    """

    until: datetime
    compromised_since: datetime | None


@dataclass(frozen=True)
class Trust:
    """Keys by verification method and role, and whether they are keys for practice only."""

    training: bool
    names: Mapping[str, str]
    """DID to name."""
    roles: frozenset[tuple[str, str]]
    """(role, DID)."""
    keys: Mapping[tuple[str, str], Ed25519PublicKey]
    """(role, verification method) to key."""
    ends: Mapping[str, datetime]
    """DID of an accreditor that ended to the moment until which it counted."""
    key_ends: Mapping[str, KeyEnd]
    """Verification method of a key that ended to its end."""
    logs: tuple[Log, ...] = ()
    """The logs that count; none in a trust file from before there was a log."""
    witnesses: tuple[Witness, ...] = ()
    witnesses_needed: int = 0
    """How many of the witnesses must have cosigned."""

    @classmethod
    def parse(cls, data: bytes) -> "Trust":
        """Read a trust file. Raises Unreadable, also for a key that must not be trusted."""
        return cls.of(read(data, what="trust file"))

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Trust":
        """The same for a document that has been read already."""
        if (problem := shapes.TRUST(document)) is not None:
            raise Unreadable(misshapen("trust file", problem))
        names: dict[str, str] = {}
        roles: set[tuple[str, str]] = set()
        keys: dict[tuple[str, str], Ed25519PublicKey] = {}
        ends: dict[str, datetime] = {}
        key_ends: dict[str, KeyEnd] = {}
        for party in document["parties"]:
            did = party["didDocument"]["id"]
            if did in names:
                raise Unreadable(f"The trust file lists {did} twice.")
            names[did] = party["name"]
            if "until" in party:
                ends[did] = read_time(party["until"])
            key_ends |= _key_ends(party)
            for method in party["didDocument"]["verificationMethod"]:
                if method["id"] not in party["didDocument"]["assertionMethod"]:
                    continue
                try:
                    key = public_key_from_multibase(method["publicKeyMultibase"])
                except ValueError as error:
                    raise Unreadable(f"The trust file has a bad key, {method['id']}. {error}") from None
                for role in party["roles"]:
                    keys[role, method["id"]] = key
            roles.update((role, did) for role in party["roles"])
        logs = tuple(
            Log(one["origin"], _verifier(one, ED25519, "log"), one["name"]) for one in document.get("logs", ())
        )
        witnesses = tuple(
            Witness(_verifier(one, COSIGNATURE, "witness"), one["name"]) for one in document.get("witnesses", ())
        )
        _require_apart(logs, witnesses)
        return cls(
            document["training"],
            names,
            frozenset(roles),
            keys,
            ends,
            key_ends,
            logs,
            witnesses,
            document.get("witnessesNeeded", 0),
        )

    def knows(self, did: str, role: str) -> bool:
        """Whether this party is trusted in this role."""
        return (role, did) in self.roles

    def until(self, did: str) -> datetime | None:
        """The moment at which this accreditor ended; None for one that still counts."""
        return self.ends.get(did)

    def key(self, method: str, role: str) -> Ed25519PublicKey | None:
        """The key of a verification method (DID#name), if its owner is trusted in this role."""
        return self.keys.get((role, method))

    def key_end(self, method: str) -> KeyEnd | None:
        """The end of the key of this verification method; None for one that still counts."""
        return self.key_ends.get(method)

    def signed_too_late(self, method: str, signed: datetime) -> str | None:
        """Why the key of this verification method could sign nothing at that time, as the end of a sentence.

        None where it could, or where the key has no end.
        """
        end = self.key_ends.get(method)
        if end is None or signed - CLOCK_TOLERANCE <= end.until:
            return None
        return f"the key {method}, which ended {_when(end.until)}, before that was signed ({_when(signed)})"


def _key_ends(party: Mapping[str, Any]) -> dict[str, KeyEnd]:
    return {
        end["id"]: KeyEnd(
            read_time(end["until"]), read_time(end["compromisedSince"]) if "compromisedSince" in end else None
        )
        for end in party.get("keyEnds", ())
    }


def _verifier(document: Mapping[str, Any], kind: int, what: str) -> VerifierKey:
    key = VerifierKey.parse(document["vkey"])
    if key.kind != kind:
        raise Unreadable(
            f"The trust file lists the key of {document['name']} as a {what}, which is for something else."
        )
    return key


def _require_apart(logs: tuple[Log, ...], witnesses: tuple[Witness, ...]) -> None:
    """Raises Unreadable where two voices are one. A witness is counted by its key: under two names it is still one."""
    seers = [witness.key.raw for witness in witnesses]
    for what, named in (("log", [log.origin for log in logs]), ("witness", seers)):
        if len(set(named)) != len(named):
            raise Unreadable(f"The trust file lists a {what} twice.")
    if {log.key.raw for log in logs} & set(seers):
        raise Unreadable("The trust file lists a log as a witness of itself.")
    if any(log.origin != log.key.name for log in logs):
        raise Unreadable("The trust file has a log whose key goes by another name than the log's origin.")


def _when(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
