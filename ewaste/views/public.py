"""What anybody may read: the models we buy, quotes, open figures, and certificates with what they stand on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import postal
from ewaste.accounts.models import Actor, Organisation, Role
from ewaste.centres.models import Centre, Standing
from ewaste.certificates import registry
from ewaste.certificates.models import Certificate, CertificateRefusal, CertificateRevocation
from ewaste.core.ids import DEVICE, LISTING, QUOTE, read_code
from ewaste.core.money import Money
from ewaste.core.refusals import NotFound
from ewaste.devices.models import Device, DeviceClass
from ewaste.market.models import Listing, Lot, LotState
from ewaste.tradein import price_tables, pricing, questions, quotes
from ewaste.tradein.models import Quote
from ewaste.views import market, price_words, shapes
from ewaste.views.records import found_since, in_doubt, newer, since_then

# At least one of these kinds must be in a centre's scope before a device of the class is sent there.
STORAGE_OF = {
    "smartphone": {"phone-storage", "emmc", "ufs"},
    "tablet": {"phone-storage", "emmc", "ufs"},
    "laptop": {"hdd", "ssd", "nvme", "emmc"},
    "desktop": {"hdd", "ssd", "nvme"},
    "server": {"hdd", "ssd", "nvme"},
}
# What stands beside a choice as a drawing: question, value → drawing.
DRAWINGS = {
    ("cosmetic", "like_new"): "body-perfect",
    ("cosmetic", "light_marks"): "body-light",
    ("cosmetic", "visible_wear"): "body-worn",
    ("cosmetic", "damaged"): "body-broken",
    ("screen", "whole"): "screen-perfect",
    ("screen", "cracked"): "screen-cracked",
    ("power", "yes"): "power-on",
    ("power", "no"): "power-off",
}


# ---- the front page ----


def open_lots(session: Session, *, now: datetime, most: int = 3) -> list[dict[str, Any]]:
    """The lots that close next."""
    chosen = session.scalars(
        sa.select(Lot)
        .where(Lot.state == LotState.OPEN, Lot.opens_at <= now, Lot.ends_at > now)
        .order_by(Lot.ends_at, Lot.id)
        .limit(most)
    ).all()
    return market.lot_cards(session, chosen, now=now)


# ---- models and questions ----


def models(
    session: Session, *, q: str, device_class: str, on: date
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The models we buy that fit, and how many fit in each class. Every word of `q` must occur in the name."""
    table = price_tables.current(session, on)
    words = q.casefold().split()
    fitting = [
        model
        for model in quotes.catalogue()
        if all(word in f"{model.full_name} {model.identifier}".casefold() for word in words)
    ]
    counts = {kind.value: sum(model.device_class == kind.value for model in fitting) for kind in DeviceClass}
    shown = [model for model in fitting if not device_class or model.device_class == device_class]
    shown.sort(key=lambda model: (-model.launch.toordinal(), model.full_name))
    classes = [{"value": kind, "count": count} for kind, count in counts.items() if count]
    return [{**card(model), "up_to": up_to(model.id, on, table)} for model in shown], classes


def card(model: pricing.CatalogueModel) -> dict[str, Any]:
    """A model as lists and headings show it."""
    name = model.name.removeprefix(model.brand).strip() or model.name
    return {
        "code": model.id,
        "brand": model.brand,
        "name": name,
        "device_class": model.device_class,
        "launched": model.launch.year,
    }


@lru_cache(maxsize=1024)
def up_to(model_id: str, on: date, table: pricing.PriceTable) -> Money | None:
    """The most that we pay for a model on that day by this table: like new, with the largest storage."""
    model = pricing.rebased(quotes.model(model_id), table)
    storage = max(model.storage_gb_options, default=0)
    try:
        best = pricing.price(model, storage, pricing.Condition(pricing.Cosmetic.LIKE_NEW), on, table)
    except pricing.BadAnswer:
        return None  # It is not on sale yet.
    return Money(best.amount_minor, best.currency)


def questions_for(model: pricing.CatalogueModel) -> list[dict[str, Any]]:
    """The form of a quote: the storage, where there is a choice, then the questions of the class."""
    asked: list[dict[str, Any]] = []
    if model.storage_gb_options:
        asked.append(
            {
                "name": "storage_gb",
                "label": "How much storage has it?",
                "hint": "You find it under Settings, About; on a computer also in the system settings.",
                "kind": "choice",
                "options": [_option(str(size), pricing.storage_words(size)) for size in model.storage_gb_options],
            }
        )
    asked += [
        {
            "name": question.field,
            "label": question.text,
            "hint": question.hint,
            "kind": "choice",
            "options": [
                _option(choice.value, choice.label, DRAWINGS.get((question.field, choice.value)))
                for choice in question.choices
            ],
        }
        for question in questions.QUESTIONS[model.device_class]
    ]
    return asked


def _option(value: str, label: str, drawing: str | None = None) -> dict[str, Any]:
    head, _, rest = label.partition(": ")
    return {"value": value, "label": head, "text": rest[:1].upper() + rest[1:] or None, "drawing": drawing}


# ---- quotes ----


def quote(session: Session, actor: Actor, code: str, *, now: datetime) -> dict[str, Any]:
    """A quote, line by line. One that belongs to a person only that person and our desk read. Raises `NotFound`."""
    bare = read_code(code, QUOTE)
    found = session.scalar(sa.select(Quote).where(Quote.code == bare)) if bare else None
    desk = actor.role in (Role.STAFF, Role.AUDITOR)
    if found is None or (found.person_id not in (None, actor.id) and not desk):
        raise NotFound("There is no quote under this code, or it is not yours to see. Codes look like Q-7K3M-9QXA.")
    state = "accepted" if found.accepted_at else "expired" if found.valid_until <= now else "open"
    lines = price_lines(found.lines, found.inputs, price_tables.find(session, found.table_version))
    return {
        "code": found.code,
        "model": found.model_code,
        "title": f"{shapes.title(found.brand, found.model)}{_storage(found.storage_gb)}",
        "name": shapes.title(found.brand, found.model),
        "device_class": found.device_class,
        "answers": _answers(found),
        "lines": lines,
        "steps": waterfall_steps(lines, found.currency),
        "total": Money(found.amount_minor, found.currency),
        "formula_version": f"{found.rules_version}, table {found.table_version}",
        "made_at": found.created_at,
        "valid_until": found.valid_until,
        "state": state,
        "device_code": session.scalar(sa.select(Device.code).where(Device.id == found.device_id))
        if found.device_id
        else None,
    }


def price_lines(
    lines: list[dict[str, Any]], inputs: Mapping[str, Any], table: pricing.PriceTable
) -> list[dict[str, Any]]:
    """The stored lines of a price as a waterfall with running sums; each says what it does to the amount before it."""
    told: list[dict[str, Any]] = []
    device_class = inputs["model"]["device_class"]
    before: Money | None = None
    for line in lines:
        after = Money(line["amount_minor_after"], line["currency"])
        same = before is not None and before.currency == after.currency
        figure = _figure(line["rule"], device_class, table)
        value = Decimal(line["value"])
        told.append(
            {
                "label": price_words.label(line, inputs),
                "plain": price_words.plain(line, inputs, table),
                "factor": f"× {value.normalize():f}" if line["kind"] == "factor" else None,
                "delta": after - before if same and before is not None and line["kind"] != "amount" else None,
                "running": after,
                "explain": _explain(line["kind"], value, before, after),
                "rule": line["rule"],
                "basis": price_words.note(line["basis"]),
                "source": price_words.note(line["source"]),
                "low": format(figure.low, "f") if figure is not None and figure.low is not None else None,
                "high": format(figure.high, "f") if figure is not None and figure.high is not None else None,
                "estimate": line["estimate"],
            }
        )
        before = after
    return told


def waterfall_steps(lines: list[dict[str, Any]], currency: str) -> list[dict[str, Any]]:
    """The lines in one currency as steps of a drawing: the number of the line, its level in minor units, and words.

    Lines in another currency come before and are left out: no drawing has two scales.
    """
    steps: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        if line["running"].currency != currency:
            continue
        change = line["delta"]
        text = f"{line['running']}" if change is None or not steps else f"{change}, so {line['running']}"
        steps.append({"number": number, "label": line["label"], "level": line["running"].amount_minor, "text": text})
    return steps


def _explain(kind: str, value: Decimal, before: Money | None, after: Money) -> str | None:
    if kind == "factor" and before is not None:
        return f"{before} × {value.normalize():f} = {after}, rounded half up to the cent."
    if kind == "floor":
        floor = Money(int(value), after.currency)
        raised = before is not None and before.amount_minor < floor.amount_minor
        return f"At least {floor}. " + ("That is more, so it counts." if raised else "The price is above it already.")
    return None


def _figure(rule: str, device_class: str, table: pricing.PriceTable) -> pricing.Figure | None:
    """The published figure behind a line, for its range."""
    group, _, name = rule.partition(".")
    if group == "grade":
        return table.grades[device_class].get(name)
    if group == "fault":
        return table.faults[device_class].get(name)
    return {"fx": table.usd_to_eur, "storage": table.per_doubling, "buyback": table.buyback}.get(rule)


def answers_of(session: Session, actor: Actor, code: str, model_code: str) -> dict[str, str]:
    """What was answered for a quote, as the form takes it; empty when it is another's or of another model."""
    bare = read_code(code, QUOTE)
    found = session.scalar(sa.select(Quote).where(Quote.code == bare)) if bare else None
    if found is None or found.model_code != model_code or found.person_id not in (None, actor.id):
        return {}
    storage = {"storage_gb": str(found.storage_gb)} if found.storage_gb else {}
    return {**{str(name): str(value) for name, value in found.inputs.get("answers", {}).items()}, **storage}


def mistakes(model: pricing.CatalogueModel, answers: Mapping[str, str]) -> dict[str, str]:
    """Every question of the form that still needs an answer, in the order asked: field → sentence.

    What can only be seen on a running device may stay open for one that does not turn on.
    """
    wrong: dict[str, str] = {}
    sizes = {str(size) for size in model.storage_gb_options}
    if sizes and answers.get("storage_gb", "") not in sizes:
        wrong["storage_gb"] = "Choose the storage of your device."
    dead = answers.get("power") == "no"
    for question in questions.QUESTIONS[model.device_class]:
        value = answers.get(question.field, "")
        if not value and dead and question.field in questions.NEEDS_POWER:
            continue
        if value not in {choice.value for choice in question.choices}:
            wrong[question.field] = f"{question.text} Choose one answer."
    return wrong


def _answers(found: Quote) -> list[tuple[str, str]]:
    answers = found.inputs.get("answers", {})
    told = [("Storage", pricing.storage_words(found.storage_gb))] if found.storage_gb else []
    for question in questions.QUESTIONS[found.device_class]:
        label = next((choice.label for choice in question.choices if choice.value == answers.get(question.field)), None)
        if label is not None:
            told.append((question.text, label))
    return told


def _storage(storage_gb: int) -> str:
    return f", {pricing.storage_words(storage_gb)}" if storage_gb else ""


def centres_for(session: Session, device_class: str, *, now: datetime) -> list[dict[str, Any]]:
    """The accredited centres that may clear this class of device, and that parcels can be sent to."""
    rows = session.execute(
        sa.select(Centre, Organisation)
        .join(Organisation, Organisation.id == Centre.organisation_id)
        .where(Centre.standing == Standing.ACCREDITED, Centre.accredited_until > now)
        .order_by(Organisation.name)
    )
    return [
        {
            "id": organisation.id,
            "name": organisation.name,
            "city": organisation.city,
            "text": f"{', '.join(postal.of_firm(organisation))}. "
            f"Accredited until {shapes.day(centre.accredited_until)}.",
            "accredited_until": centre.accredited_until,
        }
        for centre, organisation in rows
        if centre.accredited_until is not None
        and postal.is_known(organisation)
        and STORAGE_OF.get(device_class, set()) & set(centre.media_kinds)
    ]


# ---- certificates ----


def certificate(session: Session, certificate_id: UUID) -> tuple[Certificate, dict[str, Any], dict[str, Any]]:
    """A certificate by our id or its own: the stored one, its short form, its device. Raises `NotFound`."""
    found = registry.find(session, certificate_id)
    row = session.execute(
        sa.select(CertificateRevocation, Organisation.name, Device)
        .select_from(Certificate)
        .join(Organisation, Organisation.id == Certificate.centre_id)
        .join(Device, Device.id == Certificate.device_id)
        .outerjoin(CertificateRevocation, CertificateRevocation.certificate_id == Certificate.id)
        .where(Certificate.id == found.id)
    ).one()
    revocation, issuer, device = row
    short = {
        "id": found.number,
        "credential_id": found.credential_id,
        "status": "revoked" if revocation is not None else "accepted",
        "issuer_name": issuer,
        "accreditor_name": _issuer_name(found, "accreditation.json"),
        "created": found.valid_from,
        "received_at": found.accepted_at,
        "training": found.training,
        "device_code": device.code,
        "lines": [],
        "supersedes": None,
        "log_position": None,
        "revoked_at": revocation.at if revocation is not None else None,
        "revoked_reason": revocation.reason if revocation is not None else None,
        "reason": None,
        "found_since": found_since(session, found.id) if revocation is None else None,
        "in_doubt": in_doubt(session, found.id) if revocation is None else None,
        "newer": newer(session, found.id),
        "since": since_then(session, found.id),
    }
    about = {
        "title": shapes.title(device.brand, device.model),
        "device_class": device.device_class.value,
        "code": device.code,
    }
    return found, short, about


def certificate_for(session: Session, text: str) -> UUID:
    """Which certificate is meant: its number. Raises `NotFound`.

    By its number, or the newest of a device: by the device's code, or that under which it stands in the shop.
    """
    bare = text.strip().removeprefix("urn:uuid:")
    found: Certificate | None = None
    of_device = sa.select(Certificate).order_by(Certificate.accepted_at.desc()).limit(1)
    device, listing, number = read_code(bare, DEVICE), read_code(bare, LISTING), _uuid(bare)
    device = device or read_code(f"{DEVICE}{bare}", DEVICE)  # The letter before it is easily left out.
    if device is not None:
        found = session.scalar(of_device.join(Device, Device.id == Certificate.device_id).where(Device.code == device))
    elif listing is not None:
        found = session.scalar(
            of_device.join(Listing, Listing.device_id == Certificate.device_id).where(Listing.code == listing)
        )
    elif number is not None:
        with suppress(NotFound):
            found = registry.find(session, number)
    if found is None and (device is not None or listing is not None):
        raise NotFound(
            "We hold no certificate for this device yet, or there is a typing mistake. A device has one when its test "
            "centre has wiped it. If you have the file, check that instead."
        )
    if found is None:
        raise NotFound(
            "There is a typing mistake in this, or it is not one of our codes. They look like D-7K3M-9QXA, or "
            "S-7K3M-9QXA in the shop; a certificate's number has 32 letters and digits in five groups. The serial "
            "number of a device is none of them. If you have the file, check that instead."
        )
    return found.number


def standing_of(
    session: Session, credential_id: str, digest: str, issuer_did: str
) -> tuple[UUID | None, str, str | None]:
    """How a certificate stands in our register: (our id, live|revoked|refused|unknown, why it is revoked or refused).

    It is refused when its own issuer sent it in and nothing came of it; what others sent under its number is no matter.
    Who issues chooses the number, so one that another certificate has in our register shows nothing of that one.
    """
    row = session.execute(
        sa.select(Certificate.id, Certificate.digest, CertificateRevocation.reason)
        .outerjoin(CertificateRevocation, CertificateRevocation.certificate_id == Certificate.id)
        .where(Certificate.credential_id == credential_id)
    ).one_or_none()
    if row is None:
        refused = session.execute(
            sa.select(CertificateRefusal.reason, CertificateRefusal.at, Centre.standing, Centre.suspended_at)
            .join(Centre, Centre.organisation_id == CertificateRefusal.centre_id)
            .where(CertificateRefusal.credential_id == credential_id, Centre.did == issuer_did)
            .order_by(CertificateRefusal.at.desc())
            .limit(1)
        ).one_or_none()
        if refused is None:
            return None, "unknown", None
        why = f"On {shapes.day(refused.at)} the centre was told: “{refused.reason}”"
        if refused.standing is Standing.SUSPENDED and refused.suspended_at is not None:
            why += f" The centre has been suspended since {shapes.day(refused.suspended_at)}."
        return None, "refused", why
    if row.digest != digest:
        return None, "refused", "Our register has another certificate under this number, and never took this one."
    return row.id, "live" if row.reason is None else "revoked", row.reason


def _issuer_name(found: Certificate, file: str) -> str | None:
    document = json.loads(found.bundle.get(file, "{}"))
    issuer = document.get("issuer")
    return str(issuer.get("name")) if isinstance(issuer, dict) and issuer.get("name") else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
