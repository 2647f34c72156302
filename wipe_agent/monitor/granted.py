"""Accreditations in the log: which are in the centre's name, with which keys, and whether those are ones it knows.

An entry names an accreditation by its digest and tells its accreditor alone. So the text is read from beside the log;
one that does not fit its digest is no answer. What the marketplace does not give can be in anybody's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from wipe_agent import keys
from wipe_agent.certificate import digest_multibase, digest_of, read
from wipe_agent.certificate.times import read_time
from wipe_agent.jobs.orders import accreditations


@dataclass(frozen=True)
class Granted:
    """An accreditation's entry: its number in the log, its digest, and the keys that it lists for the centre.

    `keys` is None while nobody gave its text.
    """

    index: int
    digest: str
    keys: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Held:
    """An accreditation that the station got from the marketplace: its keys, and when it was signed (UTC)."""

    keys: frozenset[str]
    dated: datetime


def of_station(home: keys.Home) -> dict[str, Held]:
    """By digest, every accreditation that this station ever got."""
    found = {}
    for text, _ in accreditations(home):
        try:
            document = read(text.encode(), what="accreditation")
            found[digest_multibase(document)] = Held(
                frozenset(_keys(document)), read_time(document["proof"]["created"])
            )
        except (ValueError, KeyError, TypeError, IndexError):
            continue  # `certify` says so
    return found


def examined(index: int, digest: str, text: bytes | None, centre: str) -> Granted | None:
    """An accreditation by its text, if it is in this centre's name, or may be; None for somebody else's."""
    if text is None or digest_of(text) != digest:
        return Granted(index, digest)
    try:
        document = read(text, what="accreditation")
        if document["credentialSubject"]["issuedToParty"]["id"] != centre:
            return None
        return Granted(index, digest, tuple(_keys(document)))
    except (ValueError, KeyError, TypeError, IndexError):
        return Granted(index, digest)


def unexpected(
    granted: Iterable[Granted], held: Mapping[str, Held], listed: Mapping[str, object]
) -> tuple[list[Granted], list[Granted]]:
    """Those that list a key which the centre does not know, and those whose text nobody gave."""
    known = frozenset[str]().union(*(one.keys for one in held.values()))
    asked = [one for one in granted if one.digest not in held and one.digest not in listed]
    return (
        [one for one in asked if one.keys is not None and not known.issuperset(one.keys)],
        [one for one in asked if one.keys is None],
    )


def _keys(document: Mapping[str, object]) -> list[str]:
    scope = document["credentialSubject"]["conformityAssessment"][0]["accreditationScope"]  # type: ignore[index]
    return [str(key["publicKeyMultibase"]) for key in scope["keys"]]
