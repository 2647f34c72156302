"""Work orders: signed by a marketplace we trust, for this centre, kept on this station.

An order is checked against the pinned trust file when it comes in and each time it is used, so a changed file
in the state folder is refused like a changed answer from the network. The accreditation of the centre comes with the
orders and every version is kept: a certificate needs the one that was in force at the wipe.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from wipe_agent import durable, keys
from wipe_agent.certificate import ProofRefused, Trust, read, verify_proof, vocabulary
from wipe_agent.certificate.times import read_time
from wipe_agent.errors import BadAnswer, OrderRefused, OrderUnknown, StateUnusable
from wipe_agent.media import same_typed

CLOCKS = timedelta(seconds=300)
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{1,39}")


@dataclass(frozen=True)
class OrderMedium:
    """A medium that the order expects. An empty serial means that nobody could read one at intake."""

    id: str
    kind: str
    model: str
    serial: str
    wwn: str | None
    size_bytes: int | None
    manufacturer: str

    @property
    def name_to_type(self) -> str:
        """What the operator types before the data is destroyed: the serial, else the id of the medium."""
        return self.serial or self.id


@dataclass(frozen=True)
class Order:
    """A work order whose signature, centre and shape have been checked."""

    code: str
    device_code: str
    id: str
    training: bool
    valid_from: datetime
    valid_until: datetime
    media: tuple[OrderMedium, ...]
    document: dict[str, Any]
    text: str

    def medium(self, named: str | None) -> OrderMedium:
        """The medium by serial or id; without a name the only one. Raises OrderUnknown."""
        if named is None:
            if len(self.media) == 1:
                return self.media[0]
            raise OrderUnknown(
                f"Order {self.code} has {len(self.media)} media.",
                next_step="Say which with --medium: " + ", ".join(one.name_to_type for one in self.media),
            )
        wanted = named.strip()
        exactly = [one for one in self.media if wanted in (one.serial, one.id) and wanted]
        found = exactly or [one for one in self.media if any(same_typed(wanted, name) for name in (one.serial, one.id))]
        if len(found) != 1:
            raise OrderUnknown(
                f"Order {self.code} expects no medium {wanted!r}.",
                next_step="It expects: " + ", ".join(one.name_to_type for one in self.media),
            )
        return found[0]

    def require_open(self, now: datetime) -> None:
        """Raises OrderRefused if work under this order may not begin at `now`."""
        if now + CLOCKS < self.valid_from:
            raise OrderRefused(
                f"Order {self.code} begins at {self.valid_from:%Y-%m-%d %H:%M} UTC; here it is {now:%Y-%m-%d %H:%M}.",
                next_step="Set the clock of this station.",
            )
        if now > self.valid_until:
            raise OrderRefused(f"Order {self.code} expired at {self.valid_until:%Y-%m-%d %H:%M} UTC.")


def keep_orders(home: keys.Home, answer: dict[str, Any]) -> tuple[list[Order], list[str]]:
    """Check and keep what the marketplace sent. Returns the orders kept and a sentence for each refused one."""
    trust, station = keys.load_trust(home), keys.load_station(home)
    accreditation, dids = answer.get("accreditation"), answer.get("dids")
    if not isinstance(accreditation, str) or not isinstance(dids, str) or not isinstance(answer.get("orders"), list):
        raise BadAnswer("The marketplace's answer has no orders, accreditation or dids.")
    _keep_accreditation(home, accreditation, dids)
    kept, refused = [], []
    for entry in answer["orders"]:
        try:
            order = read_order(entry, trust, station)
        except OrderRefused as refusal:
            refused.append(refusal.message)
            continue
        whole = json.dumps({name: entry[name] for name in ("code", "device_code", "document")}, ensure_ascii=False)
        durable.write_file(_file(home, order.code), whole.encode())
        kept.append(order)
    return kept, refused


def kept_orders(home: keys.Home) -> tuple[list[Order], list[str]]:
    """The orders on this station that still check out, and a sentence for each that does not."""
    kept, refused = [], []
    for path in sorted(home.orders.glob("*.json")):
        try:
            kept.append(load_order(home, path.stem))
        except OrderRefused as refusal:
            refused.append(refusal.message)
    return kept, refused


def require_accredited(home: keys.Home, medium: OrderMedium, level: str, now: datetime) -> None:
    """Raises OrderRefused if no accreditation on this station would carry a certificate for this medium.

    Said before the work: hours of wiping that nobody may certify help nobody. Signatures are judged by `certify`.
    """
    if level in accredited_levels(home, medium, now):
        return
    raise OrderRefused(
        f"No accreditation here covers {level} of a {medium.kind} by this station today.",
        next_step="Run wipe-agent orders; if it stays so, the medium goes to a centre that is accredited.",
    )


def accredited_levels(home: keys.Home, medium: OrderMedium, now: datetime) -> frozenset[str]:
    """The levels (clear, purge, destroy) that this station is accredited for today with a medium of this kind.

    Those of one accreditation, for a certificate rests on one: that which covers most. Raises StateUnusable.
    """
    method = keys.load_station(home).verification_method
    best: frozenset[str] = frozenset()
    for text, _ in accreditations(home):
        try:
            document = read(text.encode(), what="accreditation")
            scope = document["credentialSubject"]["conformityAssessment"][0]["accreditationScope"]
            begins, ends = read_time(document["validFrom"]), read_time(document["validUntil"])
            listed = {key["id"] for key in scope["keys"]}
            covered = medium.kind in scope["mediaKinds"] and method in listed
            levels = frozenset(str(level) for level in scope["methods"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise StateUnusable("A kept accreditation cannot be read; fetch orders again.") from error
        if covered and begins - CLOCKS <= now <= ends and len(levels) > len(best):
            best = levels
    return best


def load_order(home: keys.Home, code: str) -> Order:
    """The kept order, checked again. Raises OrderUnknown or OrderRefused."""
    trust, station = keys.load_trust(home), keys.load_station(home)
    try:
        entry = json.loads(_file(home, code).read_bytes())
    except FileNotFoundError as error:
        raise OrderUnknown(f"There is no order {code} on this station.") from error
    except (OSError, ValueError) as error:
        raise StateUnusable(f"The kept order {code} cannot be read.") from error
    return read_order(entry, trust, station)


def read_order(entry: Any, trust: Trust, station: keys.Station) -> Order:
    """Check one order against whom we trust and who we are. Raises OrderRefused in a sentence."""
    if not isinstance(entry, dict) or not all(
        isinstance(entry.get(k), str) for k in ("code", "device_code", "document")
    ):
        raise OrderRefused("An order in the answer has no code, device_code or document.")
    code, text = entry["code"], entry["document"]
    if not _CODE.fullmatch(code):
        raise OrderRefused(f"An order has a code that is none: {code[:40]!r}.")
    try:
        document = read(text.encode(), what=f"order {code}")
        _check_proof(document, trust)
    except ValueError as error:
        raise OrderRefused(f"Order {code} is not relied on: {error}") from error
    subject = document["credentialSubject"]
    centre = station.verification_method.split("#")[0]
    if subject["centre"]["id"] != centre:
        raise OrderRefused(f"Order {code} is for another centre ({subject['centre']['id']}).")
    if subject["device"]["code"] != entry["device_code"]:
        raise OrderRefused(f"Order {code} is for device {subject['device']['code']}, not {entry['device_code']}.")
    return Order(
        code=code,
        device_code=entry["device_code"],
        id=document["id"],
        training=document["wipe"]["training"],
        valid_from=read_time(document["validFrom"]),
        valid_until=read_time(document["validUntil"]),
        media=tuple(_medium(one) for one in subject["media"]),
        document=document,
        text=text,
    )


def accreditations(home: keys.Home) -> list[tuple[str, str]]:
    """Every accreditation that came with orders, newest first, each with its dids."""
    places = sorted(home.orders.glob("accreditations/*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    kept = [json.loads(path.read_bytes()) for path in places]
    return [(one["accreditation"], one["dids"]) for one in kept]


def _keep_accreditation(home: keys.Home, accreditation: str, dids: str) -> None:
    folder = home.orders / "accreditations"
    durable.make_folder(folder)
    name = hashlib.sha256(accreditation.encode()).hexdigest()
    whole = json.dumps({"accreditation": accreditation, "dids": dids}, ensure_ascii=False)
    durable.write_file(folder / f"{name}.json", whole.encode())


def _file(home: keys.Home, code: str) -> Path:
    if not _CODE.fullmatch(code):
        raise OrderUnknown(f"{code[:40]!r} is not the code of an order.")
    return home.orders / f"{code}.json"


def _check_proof(document: dict[str, Any], trust: Trust) -> None:
    """The order has its shape and the signature of a marketplace in the pinned trust file. Raises ValueError."""
    if document.get("type") != list(vocabulary.WORK_ORDER_TYPE) or not isinstance(document.get("proof"), dict):
        raise ValueError("it is no signed work order.")
    method = str(document["proof"].get("verificationMethod"))
    key = trust.key(method, vocabulary.MARKETPLACE)
    if key is None:
        raise ValueError(f"it is not signed by a marketplace of the trust file pinned here ({method}).")
    try:
        verify_proof(document, key)
    except ProofRefused as error:
        raise ValueError(f"the work order {error}") from error
    if method.partition("#")[0] != document["issuer"]["id"]:
        raise ValueError("it is signed with another party's key.")
    if (late := trust.signed_too_late(method, read_time(document["proof"]["created"]))) is not None:
        raise ValueError(f"it is signed with {late}.")
    if (end := trust.key_end(method)) is not None and end.compromised_since is not None:
        raise ValueError(f"it is signed with the key {method}, which others may have.")
    if document["wipe"]["training"] != trust.training:
        raise ValueError("it is for training and the trust file is not, or the other way round.")


def _medium(one: dict[str, Any]) -> OrderMedium:
    return OrderMedium(
        id=one["id"],
        kind=one["kind"],
        model=one["model"],
        serial=one["serial"],
        wwn=one.get("wwn"),
        size_bytes=one.get("sizeBytes"),
        manufacturer=one.get("manufacturer", ""),
    )
