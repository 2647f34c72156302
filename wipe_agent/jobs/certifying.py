"""Make the certificate of an order from the journals of its media, and from nothing else.

The order of things makes a crash harmless: the certificate is made in memory and verified as any stranger would; then
its id, its files and the heads of the media's journals are noted in the order's own journal and synced; then the bundle
appears in the outbox by one rename. Run again after a crash, the noted files are published, so there is never a second
certificate with another id, and a bundle that is already there is left alone.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent import __version__, check, durable, keys
from wipe_agent.certificate import Bundle, certificate_statement, digest_multibase, envelop, issue, read, verify
from wipe_agent.certificate.statement import MediumLine
from wipe_agent.certificate.times import read_time
from wipe_agent.certificate.vocabulary import JWT_FILE
from wipe_agent.errors import JournalDamaged, NotComplete, TokenUnusable, WouldNotVerify
from wipe_agent.jobs import checking, commanding
from wipe_agent.jobs.orders import Order, OrderMedium, accreditations, load_order
from wipe_agent.jobs.phone_story import PhoneAttempt, judged, phone_attempts
from wipe_agent.jobs.story import Attempt, MediumStory, decided_certificate, journal_path, open_journal, read_story
from wipe_agent.jobs.wiping import TOOL, why_not_wiped
from wipe_agent.journal import Journal, Line


@dataclass(frozen=True)
class Certified:
    """The certificate of an order. `bundle` is its folder; `again` says that it had been issued before."""

    order: str
    certificate_id: str
    digest: str
    bundle: Path
    training: bool
    media: int
    again: bool


def certify(
    home: keys.Home,
    *,
    order_code: str,
    open_key: Callable[[], Ed25519PrivateKey],
    archive: Path | None = None,
    now: datetime | None = None,
) -> Certified:
    """Issue the certificate of the order into the outbox. Raises NotComplete naming each medium that is not done.

    `open_key` is called only when everything else is ready. `archive` names a .zip to write as well.
    """
    check.self_test()
    order = load_order(home, order_code)
    _require_begun(home, order)
    with ExitStack() as locked:
        journals = {
            medium.id: locked.enter_context(open_journal(home, order.code, medium.id)) for medium in order.media
        }
        heads = {medium_id: journal.head for medium_id, journal in journals.items()}
        decided = decided_certificate(home, order.code)
        if decided is None:
            lines, host = _lines(order, journals)
            files = _make(home, order, lines, host, open_key(), (now or datetime.now(UTC)).replace(microsecond=0))
            decided = _decide(home, order, heads, files)
        files = {name: text.encode() for name, text in decided["files"].items()}
        _require_still_true(home, order, decided, heads, files)
        certificate_id, digest = decided["certificate_id"], decided["digest"]
        bundle, again = _publish(home, certificate_id, files)
        if archive is not None:
            Bundle.from_files(files).write(archive)
    return Certified(order.code, certificate_id, digest, bundle, order.training, len(order.media), again)


def missing(order: Order, stories: dict[str, MediumStory]) -> list[str]:
    """A sentence for each medium of the order that has no end yet."""
    sentences = []
    for medium in order.media:
        story = stories[medium.id]
        if story.destroyed is None and not story.wiped and _reset(story) is None:
            sentences.append(f"{medium.kind} {medium.name_to_type}: {story.say()}")
    return sentences


def _require_begun(home: keys.Home, order: Order) -> None:
    """Say what is missing without leaving empty journals behind."""
    untouched = [one for one in order.media if not journal_path(home, order.code, one.id).exists()]
    if len(untouched) == len(order.media):
        raise NotComplete(f"Nothing was done under order {order.code} on this station yet.")


def _lines(order: Order, journals: dict[str, Journal]) -> tuple[list[MediumLine], dict[str, str]]:
    stories = {medium_id: read_story(journal.lines, journal.path.name) for medium_id, journal in journals.items()}
    for medium in order.media:
        opened = stories[medium.id].opened
        if opened is not None and (opened["order"], opened["medium"]) != (order.id, medium.id):
            raise JournalDamaged(f"The journal of {medium.name_to_type} belongs to another order or medium.")
    sentences = missing(order, stories)
    if sentences:
        raise NotComplete(f"Order {order.code} is not complete. " + "; ".join(sentences) + ".")
    try:
        return [_line(medium, stories[medium.id]) for medium in order.media], _host_observed(order, stories)
    except (KeyError, TypeError, ValueError) as error:
        raise JournalDamaged(f"A journal of order {order.code} lacks what a certificate needs ({error}).") from error


def _line(medium: OrderMedium, story: MediumStory) -> MediumLine:
    if story.destroyed is not None:
        return _destroyed_line(medium, story, story.destroyed)
    if (reset := _reset(story)) is not None:
        return _phone_line(medium, reset)
    attempt = story.attempts[-1]
    # The word "wiped" in the journal is not enough: the figures must say it too.
    reason = why_not_wiped(attempt)
    if reason or attempt.checked is None or attempt.started is None or attempt.written is None:
        raise NotComplete(f"{medium.name_to_type} is not wiped: {reason}")
    identity = attempt.identity
    return MediumLine(
        medium_id=medium.id,
        kind=medium.kind,
        model=identity.model or medium.model,
        serial=medium.serial or identity.serial or "",
        wwn=medium.wwn or identity.wwn,
        size_bytes=identity.size,
        level=attempt.planned["level"],
        technique=attempt.planned["technique"],
        tool=attempt.planned["tool"],
        tool_version=attempt.planned["tool_version"],
        started=read_time(attempt.started),
        ended=read_time(attempt.written),
        verified=read_time(attempt.checked["at"]),
        exclusions=[*attempt.planned["exclusions"], *_practice(identity.training_reason)],
        bad_blocks=story.worst_bad_blocks,
        operator=attempt.planned["operator"],
        validator=None,
        **_evidence(attempt),
        manufacturer=medium.manufacturer,
    )


def _evidence(attempt: Attempt) -> dict[str, Any]:
    """What was checked, and before it what the drive said of its own command; a command alone is the drive's word."""
    seen = checking.evidence_of(attempt)
    seen["verification_method"] = commanding.said_by_drive(attempt) + seen["verification_method"]
    if commanding.planned_method(attempt).how == "command" and not attempt.planned["settle"]:
        seen["evidence_class"] = "device-reported"
    return seen


def _destroyed_line(medium: OrderMedium, story: MediumStory, line: Line) -> MediumLine:
    at = read_time(line["at"])
    return MediumLine(
        medium_id=medium.id,
        kind=medium.kind,
        model=medium.model,
        serial=medium.serial,
        wwn=medium.wwn,
        size_bytes=medium.size_bytes or (story.last.identity.size if story.last else 0),
        level="destroy",
        technique=line["technique"],
        evidence_class="destroyed",
        tool=TOOL,
        tool_version=line["tool_version"],
        started=at,
        ended=at,
        verified=at,
        exclusions=[],
        bad_blocks=story.worst_bad_blocks,
        operator=line["operator"],
        validator=line["witness"],
        verification_method="Seen by two people, who are named.",
        validated=at,
        validation_method="Witnessed destruction",
        manufacturer=medium.manufacturer,
        particle_size_micrometres=line["particle_size_micrometres"],
    )


def _reset(story: MediumStory) -> PhoneAttempt | None:
    """The reset of a phone that stands as a wipe. The word "wiped" is not enough: the facts are judged once more."""
    attempts = phone_attempts(story.phone)
    if not attempts or not attempts[-1].wiped:
        return None
    return attempts[-1] if judged(attempts[-1]).wiped else None


def _phone_line(medium: OrderMedium, attempt: PhoneAttempt) -> MediumLine:
    """What is said of a phone's storage follows from what was seen, and names both people."""
    planned, before, verdict = attempt.planned, attempt.before, judged(attempt)
    if attempt.begun is None or attempt.ended is None or attempt.finished is None:
        raise NotComplete(f"{before.name} was not reset and looked at.")
    if verdict.evidence_class is None:
        raise NotComplete(f"{before.name} is not wiped: {verdict.reason}")
    judged_at = read_time(attempt.finished["at"])
    return MediumLine(
        medium_id=medium.id,
        kind=medium.kind,
        model=before.model or medium.model,
        serial=medium.serial or before.serial or "",
        wwn=medium.wwn,
        size_bytes=medium.size_bytes or before.size_bytes or 0,
        level=verdict.level,
        technique=planned["technique"],
        evidence_class=verdict.evidence_class,
        tool=planned["tool"],
        tool_version=planned["tool_version"],
        started=read_time(attempt.begun["at"]),
        ended=read_time(attempt.ended["at"]),
        verified=judged_at,
        exclusions=[*planned["exclusions"], *_practice(before.training_reason)],
        bad_blocks=0,
        operator=planned["operator"],
        validator=planned["witness"],
        verification_method="Directed and noted for this one phone. " + "; ".join(verdict.seen).capitalize() + ".",
        validated=judged_at,
        validation_method="Watched the reset and looked at the screen after it",
        manufacturer=before.manufacturer or medium.manufacturer,
    )


def _host_observed(order: Order, stories: dict[str, MediumStory]) -> dict[str, str]:
    """The machine that the media were in, as the station saw it; empty when it saw none.

    A phone is its own host. Of several machines the one that is not the order's is named: a difference never hides.
    """
    claimed = order.document["credentialSubject"]["device"]["serial"]
    hosts = [host for one in stories.values() if (host := _host(one))]
    return min(hosts, key=lambda host: host.get("serial", claimed) == claimed, default={})


def _host(story: MediumStory) -> dict[str, str]:
    """From the journal of one medium. A dock or an adapter is not the host, and then the journal names none."""
    attempts = phone_attempts(story.phone)
    if attempts:
        return attempts[-1].host
    noted = (story.last.planned.get("host") if story.last is not None else None) or {}
    return {name: noted[name] for name in ("manufacturer", "model", "serial") if noted.get(name)}


def _practice(reason: str | None) -> list[str]:
    return [f"practice: the medium was {reason}"] if reason else []


def _make(
    home: keys.Home,
    order: Order,
    lines: list[MediumLine],
    host: dict[str, str],
    key: Ed25519PrivateKey,
    created: datetime,
) -> dict[str, bytes]:
    """The files of the bundle, verified with the pinned trust as a stranger would. Raises WouldNotVerify."""
    station = keys.load_station(home)
    certificate_id = uuid.uuid4().urn
    refusal: str | None = "The marketplace has sent no accreditation of this centre yet."
    # The newest accreditation first; an older one stands where the newest began after the wipe.
    for text, dids in accreditations(home):
        accreditation = read(text.encode(), what="accreditation")
        subject = accreditation["credentialSubject"]["issuedToParty"]
        statement = certificate_statement(
            certificate_id=certificate_id,
            issuer_did=subject["id"],
            issuer_name=subject["name"],
            valid_from=created,
            training=order.training,
            work_order=order.document,
            accreditation=accreditation,
            host_observed=host,
            lines=lines,
            supersedes=order.document["credentialSubject"].get("supersedes"),
        )
        signed = issue(statement, key, verification_method=station.verification_method, created=created)
        files = {
            "certificate.json": json.dumps(signed, ensure_ascii=False, indent=1).encode(),
            "accreditation.json": text.encode(),
            "work-order.json": order.text.encode(),
            "dids.json": dids.encode(),
            **_second_form(signed, key, station.verification_method),
        }
        refusal = _refusal(home, order, files, created)
        if refusal is None:
            return files
    raise WouldNotVerify(f"The certificate of order {order.code} would not verify. {refusal}")


def _second_form(signed: dict[str, Any], key: Ed25519PrivateKey, method: str) -> dict[str, bytes]:
    """The certificate once more as `vc+jwt`, for tools that read nothing else.

    It is signed as a whole, and some tokens sign short messages only. Then it is left out: one signature is enough.
    """
    try:
        return {JWT_FILE: envelop(signed, key, verification_method=method).encode()}
    except TokenUnusable:
        return {}


def _refusal(home: keys.Home, order: Order, files: dict[str, bytes], at: datetime) -> str | None:
    return verify(Bundle.from_files(files), keys.load_trust(home), at=at, training=order.training).refusal


def _decide(home: keys.Home, order: Order, heads: dict[str, str], files: dict[str, bytes]) -> Line:
    """Note what is about to be published. From here on this order has this certificate and no other."""
    document = read(files["certificate.json"], what="certificate")
    with Journal.open(journal_path(home, order.code, "certificate")) as journal:
        return journal.append(
            "decided",
            certificate_id=document["id"],
            created=document["validFrom"],
            digest=digest_multibase(document),
            heads=heads,
            files={name: data.decode() for name, data in files.items()},
            tool_version=__version__,
        )


def _require_still_true(
    home: keys.Home, order: Order, decided: Line, heads: dict[str, str], files: dict[str, bytes]
) -> None:
    if decided["heads"] != heads:
        raise JournalDamaged(
            f"A journal of order {order.code} changed after its certificate was decided.",
            next_step="Keep the state folder for the audit and ask the marketplace for a new work order.",
        )
    refusal = _refusal(home, order, files, read_time(decided["created"]))
    if refusal is not None:
        raise WouldNotVerify(f"The certificate noted for order {order.code} does not verify any more. {refusal}")


def _publish(home: keys.Home, certificate_id: str, files: dict[str, bytes]) -> tuple[Path, bool]:
    """One rename puts the bundle into the outbox, unless it is there or has been sent."""
    name = certificate_id.removeprefix("urn:uuid:")
    for place in (home.outbox, home.sent, home.refused):
        if (place / name).exists():
            return place / name, True
    durable.publish_folder(home.outbox / name, files)
    return home.outbox / name, False
