"""Reset a phone under its order: look, note it, direct the reset, look again, judge.

A phone is its own host and its storage is soldered in, so the order's medium is the phone's storage. The journal is on
disk before the phone is sent to its reset. Killed anywhere, the same command goes on: a phone that was not looked at
after its reset is looked at then, and one that shows that it was never reset is sent there again. Two people stand by;
the second one is named before it begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from wipe_agent import __version__, keys, phones
from wipe_agent.errors import (
    BadUsage,
    DeviceChanged,
    MethodRefused,
    NotWiped,
    OrderRefused,
    PhoneNotReady,
    PhoneRefused,
    TrainingTarget,
    TwoPeopleNeeded,
    WrongSerial,
)
from wipe_agent.jobs.orders import Order, OrderMedium, load_order, require_accredited
from wipe_agent.jobs.people import person, same_person
from wipe_agent.jobs.phone_story import PhoneAttempt, judged, phone_attempts
from wipe_agent.jobs.standings import require_open
from wipe_agent.jobs.story import MediumStory, decided_certificate, open_journal, read_story
from wipe_agent.journal import Journal
from wipe_agent.media import same_typed
from wipe_agent.phones import Phone, PhoneFacts

TOOL = "wipe-agent"
_KIND = "phone-storage"


@dataclass(frozen=True)
class People:
    """Who does it and who watches, and how they are asked.

    `typed` is asked for the phone's serial (or its IMEI); `screen` for what both see after the reset, one of
    `phones.SCREENS`, or None when nobody can say yet; `show` gets the steps.
    """

    operator: str
    witness: str
    typed: Callable[[str], str]
    screen: Callable[[], str | None]
    show: Callable[[Sequence[str]], None] = lambda steps: None


@dataclass(frozen=True)
class Reset:
    """What became of it. `waiting` says that the phone is on its way and nobody has looked at it afterwards yet."""

    order: str
    medium: str
    phone: str
    training: bool
    waiting: bool
    evidence_class: str | None = None
    level: str | None = None
    seen: tuple[str, ...] = ()
    again: bool = False


def reset_phone(
    home: keys.Home,
    *,
    order_code: str,
    medium_named: str | None,
    connection: str | None,
    people: People,
    start_over: bool = False,
    open_phone: Callable[[str | None], Phone] = phones.open_phone,
    now: datetime | None = None,
) -> Reset:
    """Direct and judge the reset of the phone at `connection`, the medium `medium_named` of the order.

    Raises PhoneRefused with what stands in the way (then nothing changed on the phone), NotWiped when what is seen
    afterwards does not show that its data is gone, and PhoneNotReady when it does not answer.
    """
    people = replace(people, operator=person(people.operator, "operator"), witness=person(people.witness, "witness"))
    if same_person(people.operator, people.witness):
        raise TwoPeopleNeeded(
            f"{people.operator} cannot witness what they do themselves.",
            next_step="The reset of a phone is watched by two people: give two different names.",
        )
    order = load_order(home, order_code)
    medium = _phone_storage(order, medium_named)
    with open_journal(home, order.code, medium.id) as journal:
        story = read_story(journal.lines, journal.path.name)
        attempt = _last(story)
        if attempt is not None and attempt.wiped and story.destroyed is None and not start_over:
            return _result(order, medium, attempt, again=True)
        _require_not_ended(home, order, medium, story)
        if attempt is not None and attempt.finished is not None and not start_over:
            raise NotWiped(
                f"{medium.name_to_type} was not wiped by the last reset: {attempt.finished['reason']}",
                next_step="Destroy it (wipe-agent certify --destroyed ...), or try once more with --start-over.",
            )
        resumed = True
        if attempt is None or start_over or attempt.begun is None:
            _begin(home, journal, story, order, medium, open_phone(connection), people, now or datetime.now(UTC))
            resumed = False
        elif not _same_people(attempt, people):
            raise TwoPeopleNeeded(
                f"The reset was begun by {attempt.planned['operator']} before {attempt.planned['witness']}.",
                next_step="The same two people end it, or begin it anew with --start-over.",
            )
        return _end(journal, order, medium, connection, people, open_phone, resumed=resumed)


def _phone_storage(order: Order, named: str | None) -> OrderMedium:
    """The phone's own storage; a SIM or a memory card beside it is another medium. Raises MethodRefused."""
    soldered = [one for one in order.media if one.kind == _KIND]
    if named is None and len(soldered) == 1:
        return soldered[0]
    medium = order.medium(named)
    if medium.kind != _KIND:
        raise MethodRefused(f"A reset clears the storage of a phone, and {medium.name_to_type} is a {medium.kind}.")
    return medium


def _begin(
    home: keys.Home,
    journal: Journal,
    story: MediumStory,
    order: Order,
    medium: OrderMedium,
    phone: Phone,
    people: People,
    now: datetime,
) -> None:
    """Everything up to the point of no return. Until `phone-begun` is on disk nothing of the phone's data changed."""
    facts = phone.look()
    if facts.training and not order.training:
        raise TrainingTarget(
            f"The target is {facts.training_reason}, and order {order.code} is a live one.",
            next_step="Connect the phone to this machine by cable; what comes over the network is for practice.",
        )
    known_by = _require_this_phone(order, medium, facts, people)
    refusal = phones.why_not_begin(facts)
    if refusal:
        raise PhoneRefused(f"{facts.name} is not reset. {refusal}")
    require_open(home, order, now)
    require_accredited(home, medium, "purge" if facts.system == "ios" else "clear", now)
    question = f"All data on {facts.name} will be gone. Type its serial number: "
    if not same_typed(people.typed(question), facts.serial or ""):
        raise WrongSerial("That is not the serial number of this phone. Nothing was changed on it.")
    token = phones.fresh_mark()
    if story.opened is None:
        journal.append("opened", order=order.id, medium=medium.id, serial=medium.serial, training=order.training)
    journal.append(
        "phone-planned",
        attempt=len(story.phone) + 1,
        before=facts.as_dict(),
        host={"manufacturer": facts.manufacturer, "model": facts.model, "serial": known_by},
        marker=token,
        technique=phone.technique,
        exclusions=list(phone.exclusions),
        operator=people.operator,
        witness=people.witness,
        tool=TOOL,
        tool_version=__version__,
    )
    _send(journal, phone, people, marked=phone.mark(token))


def _send(journal: Journal, phone: Phone, people: People, *, marked: bool) -> None:
    journal.append("phone-begun", marked=marked)
    phone.begin_reset()
    people.show(phone.steps())


def _end(
    journal: Journal,
    order: Order,
    medium: OrderMedium,
    connection: str | None,
    people: People,
    open_phone: Callable[[str | None], Phone],
    *,
    resumed: bool,
) -> Reset:
    """The phone was sent to its reset, now or before a crash. Look at it and judge."""
    attempt = _attempt(journal)
    if attempt.ended is None:
        screen = people.screen()
        if screen is None:
            if resumed:
                _send_again_if_not_reset(journal, attempt, connection, people, open_phone)
            return _result(order, medium, attempt, waiting=True)
        after, marker_left, silent = _look_after(attempt, connection, open_phone)
        journal.append(
            "phone-ended",
            screen=screen,
            after=None if after is None else after.as_dict(),
            marker_left=marker_left,
            silent=silent,
        )
        attempt = _attempt(journal)
    verdict = judged(attempt)
    journal.append(
        "phone-finished",
        result="wiped" if verdict.wiped else "not wiped",
        reason=verdict.reason,
        evidence_class=verdict.evidence_class,
        level=verdict.level,
        seen=list(verdict.seen),
    )
    if not verdict.wiped:
        raise NotWiped(f"{attempt.before.name} is not wiped. {verdict.reason}")
    return _result(order, medium, _attempt(journal))


def _look_after(
    attempt: PhoneAttempt, connection: str | None, open_phone: Callable[[str | None], Phone]
) -> tuple[PhoneFacts | None, bool | None, str]:
    """What the phone answers after its reset; None and why where it does not. Silence is normal, not a failure."""
    try:
        phone = open_phone(connection or attempt.before.connection)
        after = phone.look()
        return after, phone.marker_left(attempt.marker) if attempt.marker else None, ""
    except PhoneNotReady as silence:
        return None, None, silence.message


def _send_again_if_not_reset(
    journal: Journal,
    attempt: PhoneAttempt,
    connection: str | None,
    people: People,
    open_phone: Callable[[str | None], Phone],
) -> None:
    """After a crash nobody knows whether the phone got the word. One that still has its marker did not."""
    try:
        phone = open_phone(connection or attempt.before.connection)
        facts = phone.look()
        untouched = facts.serial == attempt.before.serial and facts.set_up and facts.accounts == attempt.before.accounts
        if untouched and (attempt.marker is None or phone.marker_left(attempt.marker)):
            _send(journal, phone, people, marked=attempt.marker is not None)
    except PhoneNotReady:
        people.show(["The phone does not answer at the moment. Finish its reset, and say what it shows then."])


def _require_this_phone(order: Order, medium: OrderMedium, facts: PhoneFacts, people: People) -> str:
    """The phone in hand is the one of the order. Returns the serial (or IMEI) by which the order knows it.

    At the counter a phone is known by its serial or by its IMEI. A phone that does not tell its IMEI shows it on its
    screen; then a person types it, and the journal says who.
    """
    # What stands as the serial of soldered storage is a label of the bench's: the phone itself is what is compared.
    known: str = order.document["credentialSubject"]["device"]["serial"]
    ordered = known or medium.serial
    if not ordered or ordered in (facts.serial, facts.imei):
        return known or facts.serial or ""
    if not phones.is_imei(ordered) or facts.imei is not None:
        raise WrongSerial(
            f"This phone's serial number is {facts.serial} and its IMEI {facts.imei or 'not told'}; "
            f"order {order.code} means the one with {ordered}.",
            next_step="Take the phone that the order means. Nothing was changed on this one.",
        )
    said = people.typed(f"{facts.name} does not tell its IMEI. Dial *#06# on it and type what it shows: ")
    if said.strip() != ordered:
        raise WrongSerial(f"That is not the IMEI of order {order.code}. Nothing was changed on the phone.")
    return ordered


def _require_not_ended(home: keys.Home, order: Order, medium: OrderMedium, story: MediumStory) -> None:
    if decided_certificate(home, order.code) is not None:
        raise OrderRefused(f"Order {order.code} is certified already.", next_step="Ask for a new work order.")
    if story.destroyed is not None:
        raise OrderRefused(f"{medium.name_to_type} is recorded as destroyed.", next_step="Run: wipe-agent certify")
    if story.attempts:
        raise DeviceChanged(f"{medium.name_to_type} was worked on as a drive under this order.")


def _same_people(attempt: PhoneAttempt, people: People) -> bool:
    planned = attempt.planned
    return same_person(planned["operator"], people.operator) and same_person(planned["witness"], people.witness)


def _attempt(journal: Journal) -> PhoneAttempt:
    found = _last(read_story(journal.lines, journal.path.name))
    if found is None:
        raise BadUsage("No reset was begun under this order.")
    return found


def _last(story: MediumStory) -> PhoneAttempt | None:
    attempts = phone_attempts(story.phone)
    return attempts[-1] if attempts else None


def _result(
    order: Order, medium: OrderMedium, attempt: PhoneAttempt, *, waiting: bool = False, again: bool = False
) -> Reset:
    finished = attempt.finished or {}
    return Reset(
        order=order.code,
        medium=medium.id,
        phone=attempt.before.name,
        training=order.training,
        waiting=waiting,
        evidence_class=finished.get("evidence_class"),
        level=finished.get("level"),
        seen=tuple(finished.get("seen", ())),
        again=again,
    )
