"""A medium that the order expects and that is not there: two people looked, and took a photograph.

Only a medium that nobody identified can be absent. One with a serial number that is not found is missing, and that is
the marketplace's business. An empty listing shows nothing while a controller of this machine may hide drives.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from wipe_agent import __version__, keys, media
from wipe_agent.errors import NotBackedUpByEvidence, OrderRefused, TwoPeopleNeeded
from wipe_agent.jobs import photographs
from wipe_agent.jobs.orders import OrderMedium, load_order
from wipe_agent.jobs.people import person, same_person
from wipe_agent.jobs.standings import require_open
from wipe_agent.jobs.story import decided_certificate, open_journal, read_story
from wipe_agent.journal import Line


def record_absent(
    home: keys.Home,
    *,
    order_code: str,
    medium_named: str,
    operator: str | None,
    witness: str | None,
    photos: Sequence[Path],
    now: datetime | None = None,
) -> tuple[OrderMedium, Line]:
    """Note that the medium is not there; returns it and the line that says so. Saying it twice is harmless.

    Raises NotBackedUpByEvidence (identified, no photograph, a controller that may hide it), TwoPeopleNeeded, or
    OrderRefused when something was done to the medium already.
    """
    order = load_order(home, order_code)
    medium = order.medium(medium_named)
    if medium.serial or medium.wwn or medium.size_bytes:
        raise NotBackedUpByEvidence(
            f"Order {order.code} identifies {medium.name_to_type}. What was identified and is not here is missing, not "
            "absent.",
            next_step="Look for it, or ask the marketplace for a work order without it.",
        )
    if not operator or not witness or not photos:
        raise NotBackedUpByEvidence(
            "Absence needs the names of two people and a photograph of the open place.",
            next_step="Give --operator, --witness and --photograph.",
        )
    operator, witness = person(operator, "operator"), person(witness, "witness")
    if same_person(operator, witness):
        raise TwoPeopleNeeded(f"{operator} cannot witness what they saw themselves.")
    if (hidden := media.absence_refused()) is not None:
        raise NotBackedUpByEvidence(hidden, next_step="Set the controller to AHCI or HBA mode and look again.")
    files = photographs.read_all(photos)
    if decided_certificate(home, order.code) is not None:
        raise OrderRefused(f"Order {order.code} is certified already.", next_step="Ask for a new work order.")
    require_open(home, order, now or datetime.now(UTC))
    with open_journal(home, order.code, medium.id) as journal:
        story = read_story(journal.lines, journal.path.name)
        if story.attempts or story.phone or story.destroyed is not None:
            raise OrderRefused(
                f"{medium.name_to_type} cannot be absent: {story.say()}.", next_step="Go on with what was begun."
            )
        if story.opened is None:
            journal.append("opened", order=order.id, medium=medium.id, serial=medium.serial, training=order.training)
        photographs.attach(home, journal, story, order.code, files, f"the place of {medium.name_to_type}, found empty")
        facts = {"operator": operator, "witness": witness, "tool_version": __version__}
        if story.absent is not None and facts.items() <= story.absent.items():
            return medium, story.absent
        return medium, journal.append("absent", **facts)
