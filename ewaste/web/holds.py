"""Holds, wherever they are placed and lifted: one form and one answer for the bench and for the desk."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from ewaste.devices import notices
from ewaste.devices.models import HoldKind
from ewaste.journey import bench
from ewaste.web import filters
from ewaste.web.edge import actor, now
from ewaste.web.forms import FREE_TEXT, typed


def place(session: Session, device_id: UUID) -> str:
    """Stop a device as the form says: kind, reason for us, and what its seller reads. Returns what to say."""
    bench.place_hold(
        session,
        actor(),
        device_id,
        kind=typed("kind", 40),
        reason=typed("reason", FREE_TEXT),
        note_for_seller=typed("note_for_seller", FREE_TEXT),
        now=now(),
    )
    return "On hold. Nothing moves until the hold is lifted, and it is out of every open sale."


def lift(session: Session, device_id: UUID, hold_id: UUID) -> str:
    """Let a device go on, with the reason that the form gives. Returns what to say."""
    bench.lift_hold(session, actor(), device_id, hold_id, reason=typed("reason", FREE_TEXT), now=now())
    return "The hold is lifted."


def kinds() -> list[dict[str, Any]]:
    """The kinds to choose from, each with the words that its seller reads when nothing else is written."""
    return [
        {"value": kind.value, "label": filters.hold_word(kind.value), "for_seller": notices.HOLDS[kind]}
        for kind in HoldKind
    ]
