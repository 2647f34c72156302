"""The other end of a medium: it is destroyed before two people, and that is noted in its journal.

A drive whose wipe failed never travels on, and a phone or SIM card that this agent cannot overwrite must not be without
an end. What was done is noted as people saw it: the technique, the size of the particles, two names.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from wipe_agent import __version__, keys
from wipe_agent.errors import MethodRefused, NotBackedUpByEvidence, OrderRefused, TwoPeopleNeeded
from wipe_agent.jobs import photographs
from wipe_agent.jobs.orders import OrderMedium, load_order
from wipe_agent.jobs.people import person, same_person
from wipe_agent.jobs.standings import require_open
from wipe_agent.jobs.story import decided_certificate, open_journal, read_story
from wipe_agent.journal import Line

# Techniques after which nothing is left to read; the second value says whether a particle size is needed.
# IEEE 2883-2022 names disintegrate, incinerate and melt; it no longer lists shredding and pulverising for every medium,
# so their particle size is asked for and the marketplace's policy judges it.
TECHNIQUES: dict[str, bool] = {
    "disintegrate": True,
    "incinerate": False,
    "melt": False,
    "pulverise": True,
    "shred": True,
}


def record_destroyed(
    home: keys.Home,
    *,
    order_code: str,
    medium_named: str,
    technique: str | None,
    particle_size_mm: str | None,
    operator: str | None,
    witness: str | None,
    photos: Sequence[Path] = (),
    now: datetime | None = None,
) -> tuple[OrderMedium, Line]:
    """Note that the medium was destroyed; returns it and the line that counts.

    Saying it twice is harmless. Saying it otherwise corrects it: both stay in the journal, and the newest counts.
    `photos` are kept as evidence and named on the certificate; more may be added by saying it again.

    Raises NotBackedUpByEvidence, TwoPeopleNeeded, MethodRefused (drilled or bent is not destroyed), or BadUsage for a
    name that no certificate can carry.
    """
    order = load_order(home, order_code)
    medium = order.medium(medium_named)
    if not technique or not operator or not witness:
        raise NotBackedUpByEvidence("Destruction needs its technique and the names of two people.")
    operator, witness = person(operator, "operator"), person(witness, "witness")
    if same_person(operator, witness):
        raise TwoPeopleNeeded(f"{operator} cannot witness what they did themselves.")
    if technique not in TECHNIQUES:
        raise MethodRefused(
            f"{technique!r} does not count as destruction.", next_step=f"What counts: {', '.join(sorted(TECHNIQUES))}."
        )
    micrometres = _micrometres(particle_size_mm)
    if TECHNIQUES[technique] and micrometres is None:
        raise NotBackedUpByEvidence(f"After {technique} the largest particle's size is noted (--particle-size-mm).")
    files = photographs.read_all(photos)
    if decided_certificate(home, order.code) is not None:
        raise OrderRefused(f"Order {order.code} is certified already.", next_step="Ask for a new work order.")
    require_open(home, order, now or datetime.now(UTC))
    with open_journal(home, order.code, medium.id) as journal:
        story = read_story(journal.lines, journal.path.name)
        if story.absent is not None:
            raise OrderRefused(f"{medium.name_to_type} is recorded as absent.", next_step="Ask for a new work order.")
        facts = {
            "technique": technique,
            "particle_size_micrometres": micrometres,
            "operator": operator,
            "witness": witness,
            "tool_version": __version__,
        }
        if story.opened is None:
            journal.append("opened", order=order.id, medium=medium.id, serial=medium.serial, training=order.training)
        photographs.attach(home, journal, story, order.code, files, f"the destruction of {medium.name_to_type}")
        if story.destroyed is not None and facts.items() <= story.destroyed.items():
            return medium, story.destroyed
        return medium, journal.append("destroyed", **facts)


def said_of(destroyed: Line) -> str:
    """How a medium was destroyed, as the journal has it: “shred, particles up to 6 mm, by A before B”."""
    size = destroyed["particle_size_micrometres"]
    parts = [destroyed["technique"], f"particles up to {size / 1000:g} mm" if size else ""]
    return ", ".join([*filter(None, parts), f"by {destroyed['operator']} before {destroyed['witness']}"])


def _micrometres(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        size = Decimal(text) * 1000
    except InvalidOperation as error:
        raise NotBackedUpByEvidence(f"{text!r} is not a particle size in millimetres.") from error
    if not size.is_finite() or not 1 <= size <= 100_000:
        raise NotBackedUpByEvidence(f"A particle of {text} mm cannot be meant.")
    return int(size)
