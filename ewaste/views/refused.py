"""What was refused: the same refusal counted once with its numbers a day, each occurrence, and refused certificates
beside what was expected of them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Organisation, Person
from ewaste.accounts.policy import Action
from ewaste.centres.models import Station, WorkOrder
from ewaste.certificates.models import Certificate, CertificateRefusal
from ewaste.core.ids import read_code
from ewaste.core.refusals import NotFound, RefusalNote
from ewaste.devices.media import KIND_WORDS
from ewaste.devices.models import Device, Medium
from ewaste.views import shapes

CERTIFICATE = "certificate-refused"
KINDS = {"invalid": "Invalid", "conflict": "Conflict", "not-allowed": "Not allowed", "not-found": "Not found"}
DAYS = 14
PERIODS = {"1": "today", "14": "14 days", "90": "90 days"}


def refusals(session: Session, actor: Actor, *, kind: str, days: int, page: int, now: datetime) -> dict[str, Any]:
    """Refusals of the last days, the same kind, step and answer in one row, the most frequent first."""
    policy.require(actor, Action.SEE_REFUSALS)
    since = now - timedelta(days=days)
    wanted = [RefusalNote.kind != CERTIFICATE, RefusalNote.at > since]
    chosen = kind if kind in KINDS else ""
    if chosen:
        wanted.append(RefusalNote.kind == chosen)
    group = (
        sa.select(
            RefusalNote.kind,
            RefusalNote.action,
            RefusalNote.message,
            sa.func.count().label("many"),
            sa.func.count(sa.distinct(RefusalNote.actor_id)).label("people"),
            sa.func.min(RefusalNote.at).label("first"),
            sa.func.max(RefusalNote.at).label("last"),
            sa.func.max(RefusalNote.field).label("field"),
        )
        .where(*wanted)
        .group_by(RefusalNote.kind, RefusalNote.action, RefusalNote.message)
    )
    rows = session.execute(
        group.order_by(sa.desc("many"), sa.desc("last"), RefusalNote.message)
        .limit(shapes.PAGE_SIZE)
        .offset((page - 1) * shapes.PAGE_SIZE)
    ).all()
    keys = [_key(row.kind, row.action, row.message) for row in rows]
    daily = _daily(session, keys, now)
    kinds = session.execute(
        sa.select(RefusalNote.kind, sa.func.count())
        .where(RefusalNote.kind != CERTIFICATE, RefusalNote.at > since)
        .group_by(RefusalNote.kind)
    ).all()
    return {
        "groups": [
            {
                "key": key,
                "kind": row.kind,
                "action": _step(row.action),
                "message": row.message,
                "field": row.field,
                "count": row.many,
                "people": row.people,
                "first": row.first,
                "last": row.last,
                "days": daily.get(key, [0] * DAYS),
            }
            for key, row in zip(keys, rows, strict=True)
        ],
        "kinds": {value: {"label": label, "count": dict(kinds).get(value, 0)} for value, label in KINDS.items()},
        "kind": chosen,
        "days": days,
        "total": shapes.count(session, group),
    }


def occurrences(session: Session, actor: Actor, key: str, *, page: int, now: datetime) -> dict[str, Any]:
    """Each time that one refusal was given, newest first, with who asked and for what. Raises `NotFound`."""
    policy.require(actor, Action.SEE_REFUSALS)
    wanted = [_SAME.in_([key]), RefusalNote.kind != CERTIFICATE]
    rows = session.execute(
        sa.select(RefusalNote, sa.func.coalesce(Person.name, Station.name).label("who"))
        .outerjoin(Person, Person.id == RefusalNote.actor_id)
        .outerjoin(Station, Station.id == RefusalNote.actor_id)
        .where(*wanted)
        .order_by(RefusalNote.at.desc())
        .limit(shapes.PAGE_SIZE)
        .offset((page - 1) * shapes.PAGE_SIZE)
    ).all()
    if not rows:
        raise NotFound("Nothing was refused in these words.")
    one: RefusalNote = rows[0][0]
    first_day = (now - timedelta(days=DAYS - 1)).date()
    return {
        "kind": one.kind,
        "kind_word": KINDS.get(one.kind, one.kind),
        "action": _step(one.action),
        "message": one.message,
        "field": one.field,
        "daily": [
            {"day": first_day + timedelta(days=offset), "count": count}
            for offset, count in enumerate(_daily(session, [key], now).get(key, [0] * DAYS))
        ],
        "rows": [
            {"at": note.at, "who": who, "subject": note.subject, "code": code_in(note.subject)} for note, who in rows
        ],
        "total": int(session.scalar(sa.select(sa.func.count()).select_from(RefusalNote).where(*wanted)) or 0),
    }


def certificates(session: Session, actor: Actor, *, centre: UUID | None, q: str, page: int) -> dict[str, Any]:
    """Refused certificates, newest first, with station, centre and reason."""
    policy.require(actor, Action.SEE_REFUSALS)
    wanted: list[sa.ColumnElement[bool]] = []
    if centre is not None:
        wanted.append(CertificateRefusal.centre_id == centre)
    words = " ".join(q.split())
    if words:
        pattern = shapes.like(words)
        wanted.append(sa.or_(CertificateRefusal.reason.ilike(pattern), CertificateRefusal.device_code.ilike(pattern)))
    rows = session.execute(
        sa.select(CertificateRefusal, Station.name.label("station"), Organisation.name.label("centre"))
        .join(Station, Station.id == CertificateRefusal.station_id)
        .join(Organisation, Organisation.id == CertificateRefusal.centre_id)
        .where(*wanted)
        .order_by(CertificateRefusal.at.desc(), CertificateRefusal.id)
        .limit(shapes.PAGE_SIZE)
        .offset((page - 1) * shapes.PAGE_SIZE)
    )
    return {
        "certificates": [
            {
                "id": row[0].id,
                "at": row[0].at,
                "reason": row[0].reason,
                "device_code": row[0].device_code,
                "station": row.station,
                "centre": row.centre,
            }
            for row in rows
        ],
        "centres": [
            {"id": row.id, "name": row.name}
            for row in session.execute(
                sa.select(Organisation.id, Organisation.name)
                .where(Organisation.id.in_(sa.select(CertificateRefusal.centre_id)))
                .order_by(Organisation.name)
            )
        ],
        "centre": centre,
        "q": words,
        "total": int(session.scalar(sa.select(sa.func.count()).select_from(CertificateRefusal).where(*wanted)) or 0),
    }


def certificate(session: Session, actor: Actor, refusal_id: UUID) -> dict[str, Any]:
    """One refused certificate: reason, checks, and what it says beside what was expected. Raises `NotFound`."""
    policy.require(actor, Action.SEE_REFUSALS)
    found = _refusal(session, refusal_id)
    row = session.execute(
        sa.select(Station.name, Organisation.name.label("centre"), Organisation.id)
        .join(Organisation, Organisation.id == Station.centre_id)
        .where(Station.id == found.station_id)
    ).one()
    device = session.scalar(sa.select(Device).where(Device.code == found.device_code)) if found.device_code else None
    later = (
        session.scalar(
            sa.select(Certificate)
            .where(Certificate.device_id == device.id, Certificate.accepted_at > found.at)
            .order_by(Certificate.accepted_at)
            .limit(1)
        )
        if device
        else None
    )
    told = {
        "id": found.id,
        "at": found.at,
        "reason": found.reason,
        "station": row.name,
        "centre": row.centre,
        "centre_id": row.id,
        "credential_id": found.credential_id,
        "digest": found.digest,
        "device_code": found.device_code,
        "checks": found.checks,
        "files": sorted(found.bundle),
        "later": later.number if later else None,
    }
    return told | {"compared": _compared(session, found, device) if device else []}


def bundle(session: Session, actor: Actor, refusal_id: UUID) -> dict[str, str]:
    """The files of a refused certificate, as they came. Raises `NotFound`."""
    policy.require(actor, Action.SEE_REFUSALS)
    return {str(name): str(text) for name, text in _refusal(session, refusal_id).bundle.items()}


def code_in(subject: str | None) -> str | None:
    """The first code of ours in a refusal's subject ("code=D-7K3M-9QXA, …")."""
    for word in re.findall(r"[A-Za-z]-[0-9A-Za-z]{4}-[0-9A-Za-z]{4}", subject or ""):
        code = read_code(word)
        if code:
            return code
    return None


def _refusal(session: Session, refusal_id: UUID) -> CertificateRefusal:
    found = session.get(CertificateRefusal, refusal_id)
    if found is None:
        raise NotFound("There is no such refused certificate.")
    return found


def _compared(session: Session, found: CertificateRefusal, device: Device) -> list[dict[str, Any]]:
    """What was expected and what the certificate says: work order, cycle, serial number, and each medium.

    The certificate was refused, so nothing in it is taken for true; it is shown as text.
    """
    statement = _statement(found.bundle)
    wipe = _in(statement, "wipe")
    order = session.scalar(
        sa.select(WorkOrder)
        .where(WorkOrder.device_id == device.id, WorkOrder.issued_at <= found.at)
        .order_by(WorkOrder.issued_at.desc())
        .limit(1)
    )
    media = session.scalars(sa.select(Medium).where(Medium.device_id == device.id).order_by(Medium.created_at)).all()
    serial = str(device.observed.get("serial", device.claimed_serial))
    host = _in(wipe, "device")
    # A station that saw no machine around the media says nothing of one; then what it was told stands there alone.
    seen = _text(_in(host, "hostObserved"), "serial") or _text(_in(host, "hostClaimed"), "serial")
    rows = [
        _row("Work order", order.credential_id if order else "none issued", _text(_in(wipe, "workOrder"), "id")),
        _row("Custody cycle", str(order.cycle) if order else "-", _text(wipe, "custodyCycle")),
        _row("Device serial", serial, seen),
    ]
    said: dict[str, str] = {}
    lines = _in(statement, "credentialSubject").get("conformityAssessment")
    for line in lines[:100] if isinstance(lines, list) else []:
        done = _in(line, "sanitisation")
        how = ", ".join(filter(None, (_text(done, "method"), _text(done, "evidenceClass"))))
        said[_text(_in(done, "medium"), "serial")] = how
    for medium in media:
        covered = said.pop(medium.serial, None)
        rows.append(
            {
                "what": f"{KIND_WORDS[medium.kind.value]}, {medium.model}",
                "expected": medium.serial,
                "said": "not in the certificate" if covered is None else medium.serial,
                "note": covered,
                "ok": covered is not None,
            }
        )
    rows += [
        {
            "what": "Storage medium",
            "expected": "not noted in this device",
            "said": unknown or "?",
            "note": how,
            "ok": False,
        }
        for unknown, how in said.items()
    ]
    return rows


def _statement(files: Mapping[str, Any]) -> dict[str, Any]:
    try:
        read = json.loads(str(files.get("certificate.json", "")))
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _in(where: Any, name: str) -> dict[str, Any]:
    value = where.get(name) if isinstance(where, dict) else None
    return value if isinstance(value, dict) else {}


def _text(where: Mapping[str, Any], name: str) -> str:
    value = where.get(name)
    return str(value)[:120] if isinstance(value, (str, int)) else ""


def _row(what: str, expected: str, said: str) -> dict[str, Any]:
    """What is not said neither agrees nor disagrees: `ok` is None."""
    return {"what": what, "expected": expected, "said": said or "not said", "ok": said == expected if said else None}


def _key(kind: str, action: str, message: str) -> str:
    return hashlib.md5(f"{kind}|{action}|{message}".encode(), usedforsecurity=False).hexdigest()


_SAME = sa.func.md5(RefusalNote.kind + "|" + RefusalNote.action + "|" + RefusalNote.message)


def _daily(session: Session, keys: list[str], now: datetime) -> dict[str, list[int]]:
    """How often each was given on each of the last fourteen days, the oldest day first. One statement."""
    first = (now - timedelta(days=DAYS - 1)).date()
    day = sa.cast(RefusalNote.at, sa.Date)
    counted: dict[str, list[int]] = {key: [0] * DAYS for key in keys}
    rows = session.execute(
        sa.select(_SAME.label("key"), day.label("day"), sa.func.count().label("many"))
        .where(RefusalNote.at >= datetime.combine(first, datetime.min.time(), now.tzinfo), _SAME.in_(keys))
        .group_by(_SAME, day)
    )
    for row in rows:
        offset = (row.day - first).days
        if 0 <= offset < DAYS:
            counted[row.key][offset] = row.many
    return counted


def _step(action: str) -> str:
    return action.replace(".", ": ").replace("_", " ")
