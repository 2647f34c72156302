"""What is to be done here: from a plan that somebody wrote, or from the drives in this machine and the orders kept.

A drive is matched with an order by its serial alone, and a match begins nothing: the operator types or scans the
serial of every drive once. What cannot be matched is said in words and stays untouched.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wipe_agent import jobs, keys, media
from wipe_agent.certificate.times import read_time
from wipe_agent.errors import AgentError, BadUsage
from wipe_agent.journal import parse
from wipe_agent.stand.board import Job, Row, State

_FORM = (
    'The plan is {"drives": [{"order": "W-4F7K-2M9T", "target": "/dev/sdb", "medium": "SERIAL"}]}; '
    '"image", "start_over" (true or false) and "confirm_serial" may stand beside them.'
)
_NOT_NAMED = "No open order here names this serial."
_WORDS = {"order": str, "target": str, "medium": str, "image": bool, "start_over": bool, "confirm_serial": str}


def read_plan(path: Path, home: keys.Home) -> list[Row]:
    """The rows of the plan at `path`. Raises BadUsage where it is no plan or names one drive or medium twice.

    An order that is unknown here makes its row one that is held, with the reason; the other drives are not kept from
    their work by it.
    """
    try:
        entries = json.loads(path.read_text())["drives"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadUsage(f"The plan {path} cannot be read.", next_step=_FORM) from error
    if not isinstance(entries, list) or not entries:
        raise BadUsage(f"The plan {path} names no drives.", next_step=_FORM)
    rows = [_planned(entry, home, number) for number, entry in enumerate(entries, 1)]
    for what, names in (
        ("drive", [str(Path(str(entry["target"])).resolve()) for entry in entries]),
        ("medium", [row.key for row in rows]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise BadUsage(f"The plan names the {what} {twice[0]} twice.", next_step="Name each once.")
    return rows


def survey(home: keys.Home) -> list[Row]:
    """The drives in this machine, each with the order that means it, or with the reason why it is left alone.

    An order of several media has one certificate, so those of its media that are not here have a row too.
    """
    open_orders, stopped = _orders(home)
    drives = [drive for drive in media.list_drives() if drive.kind != "rom"]
    rows, identities = rows_from(drives, open_orders), {drive.path: drive.identity for drive in drives}
    for row in rows:
        if row.job is None:
            _tell_why_stopped(home, row, stopped)
        else:
            _tell_where_it_stands(row, row.job, home, identities[row.name])
    rows += [row for row, order, one in absent_rows(rows, open_orders) if not _ended(home, order.code, one.id)]
    return sorted(rows, key=lambda row: row.state is State.HELD)


def rows_from(drives: Sequence[media.Drive], orders: Sequence[jobs.Order]) -> list[Row]:
    """Match drives with orders by serial. Pure."""
    rows = []
    for drive in drives:
        identity = drive.identity
        row = Row(
            name=drive.path,
            model=identity.model or "",
            serial=identity.serial or "",
            size=identity.size,
            training=identity.training,
        )
        meant = [
            (order, one)
            for order in orders
            for one in order.media
            if identity.serial and media.clean(one.serial) == identity.serial
        ]
        if len(meant) == 1:
            order, one = meant[0]
            row.job, row.part = Job(order=order.code, medium=one.name_to_type, target=drive.path), _part(order, one)
        reason = _why_held(drive, [order.code for order, _ in meant])
        if reason:
            row.state, row.message, row.job, row.part = State.HELD, reason, None, ""
        rows.append(row)
    return rows


def absent_rows(rows: Sequence[Row], orders: Sequence[jobs.Order]) -> list[tuple[Row, jobs.Order, jobs.OrderMedium]]:
    """Rows for the media that are not here of orders whose other media are. Pure."""
    here = {(row.job.order, row.job.medium) for row in rows if row.job}
    begun = {code for code, _ in here}
    absent = []
    for order in orders:
        for one in order.media:
            if order.code in begun and (order.code, one.name_to_type) not in here:
                message = f"Order {order.code} means this {one.kind} too. Without it there is no certificate."
                job = Job(order.code, one.name_to_type, "")
                row = Row("-", job, State.ABSENT, one.model, one.serial, training=order.training, message=message)
                row.part = _part(order, one)
                absent.append((row, order, one))
    return absent


def orders_elsewhere(rows: Sequence[Row], home: keys.Home) -> list[str]:
    """A sentence for each medium of an open order that is not at this machine: the order may be for another one."""
    here = {(row.job.order, row.job.medium) for row in rows if row.job}
    sentences = [f"Refused: {sentence}" for sentence in jobs.kept_orders(home)[1]]
    for order in _orders(home)[0]:
        sentences += [
            f"Order {order.code} also means {one.kind} {one.name_to_type}, which is not here."
            for one in order.media
            if (order.code, one.name_to_type) not in here and not _ended(home, order.code, one.id)
        ]
    return sentences


def _orders(home: keys.Home) -> tuple[list[jobs.Order], list[jobs.Order]]:
    """The orders here without a certificate: those that may be carried out, and those that the marketplace stopped."""
    open_: list[jobs.Order] = []
    stopped: list[jobs.Order] = []
    for order in jobs.kept_orders(home)[0]:
        if jobs.decided_certificate(home, order.code) is None:
            (stopped if jobs.stopped(home, order) else open_).append(order)
    return open_, stopped


def _tell_why_stopped(home: keys.Home, row: Row, stopped: Sequence[jobs.Order]) -> None:
    """A drive that no open order names may be named by one that is not open any more: that is what helps."""
    for order in stopped:
        said = jobs.stopped(home, order)
        if said and row.message == _NOT_NAMED and any(media.clean(one.serial) == row.serial for one in order.media):
            row.message, row.advice = f"Order {order.code}: {said[0]}", said[1]


def _part(order: jobs.Order, medium: jobs.OrderMedium) -> str:
    """Which of the order's media this is, in the order in which it names them; empty where there is one."""
    return f"{order.media.index(medium) + 1} of {len(order.media)}" if len(order.media) > 1 else ""


def _why_held(drive: media.Drive, codes: list[str]) -> str | None:
    if drive.refusals:
        return f"{drive.refusals[0][:1].upper()}{drive.refusals[0][1:]}."
    if drive.identity.serial is None:
        return "It reports no serial, so no order can be matched. Connect it directly, without an adapter."
    if not codes:
        return _NOT_NAMED
    if len(codes) > 1:
        return f"Orders {' and '.join(sorted(codes))} both name this serial. Ask the marketplace which one holds."
    return None


def _planned(entry: Any, home: keys.Home, number: int) -> Row:
    if (
        not isinstance(entry, dict)
        or not {"order", "target"} <= set(entry) <= set(_WORDS)
        or not all(isinstance(value, _WORDS[name]) for name, value in entry.items())
    ):
        raise BadUsage(f"Drive {number} of the plan is not described as it should be.", next_step=_FORM)
    row = Row(name=entry["target"])
    job = Job(
        order=entry["order"],
        medium=entry.get("medium", ""),
        target=entry["target"],
        image=entry.get("image", False),
        start_over=entry.get("start_over", False),
    )
    try:
        order = jobs.load_order(home, job.order)
        medium = order.medium(entry.get("medium"))
    except AgentError as error:
        row.job, row.state, row.message, row.advice = job, State.HELD, error.message, error.advice
        return row
    row.job = job = replace(job, medium=medium.name_to_type)
    row.model, row.serial, row.training, row.part = medium.model, medium.serial, order.training, _part(order, medium)
    row.typed = entry.get("confirm_serial")
    identity = _identity(job)
    row.size = identity.size if identity else 0
    _tell_where_it_stands(row, job, home, identity)
    return row


def _identity(job: Job) -> media.Identity | None:
    """Who is at the target, for the board; None where nobody is yet. The job looks again, and closely."""
    try:
        found = [media.describe_image(Path(job.target))] if job.image else media.list_drives(path=job.target)
    except AgentError:
        return None
    return found[0].identity if found else None


def _tell_where_it_stands(row: Row, job: Job, home: keys.Home, identity: media.Identity | None) -> None:
    """After a crash, a power cut or a new start the board begins with what the journals say."""
    try:
        issued = jobs.issued(home, job.order)
        order = jobs.load_order(home, job.order)
        said = jobs.stopped(home, order) if issued is None else None
        if said is not None:
            row.state, row.message, row.advice = State.HELD, f"Order {job.order}: {said[0]}", said[1]
            return
        medium = order.medium(job.medium)
        path = jobs.journal_path(home, job.order, medium.id)
        story = jobs.read_story(parse(path.read_bytes(), path.name)[0], path.name)
    except FileNotFoundError:
        return
    except AgentError as error:
        row.state, row.message, row.advice = State.HELD, error.message, error.advice
        return
    if issued is not None and issued.standing is jobs.Standing.REFUSED:
        row.state = State.HELD
        row.message = f"The marketplace refused the certificate of order {job.order}: {issued.reason}"
        row.advice = "Ask for a new work order."
    elif story.wiped and story.destroyed is None and not (job.start_over and issued is None):
        _tell_of_the_end(row, story, identity, issued)
    elif story.last is not None:
        row.message = f"{story.say()[:1].upper()}{story.say()[1:]}".rstrip(".") + "."
        if story.last.open:
            row.done, row.stage_size = story.last.done, story.last.identity.size
        if story.wiped:
            row.message += " The plan says start_over: it is wiped anew, from the first byte."


def _tell_of_the_end(
    row: Row, story: jobs.MediumStory, identity: media.Identity | None, issued: jobs.Issued | None
) -> None:
    """A drive that was wiped before is done, if it is the same one; another in its place is left alone."""
    last = story.attempts[-1]
    difference = last.identity.difference(identity) if identity is not None else None
    if difference is not None:
        row.state = State.HELD
        row.message = (
            f"This is not the drive that was wiped under order {row.job.order if row.job else ''}: {difference}."
        )
        row.advice = "Put the right drive in its place, and look again."
        return
    row.again, row.size = True, last.identity.size
    row.done, row.stage_size = row.size, row.size
    read_at = f"{read_time(last.checked['at']):%Y-%m-%d %H:%M} UTC" if last.checked else "an earlier time"
    if issued is None:
        row.state = State.WIPED
        row.message = f"Wiped and read back at {read_at}. It was not looked at again since."
        row.advice = f"wipe-agent certify --order {row.job.order if row.job else ''}"
    else:
        row.state = State.CERTIFIED
        row.message = f"Wiped and read back at {read_at}, certificate issued. Wiping it anew needs a new order."
        row.advice = "" if issued.standing is jobs.Standing.ACCEPTED else "wipe-agent sync"


def _ended(home: keys.Home, order_code: str, medium_id: str) -> bool:
    path = jobs.journal_path(home, order_code, medium_id)
    try:
        story = jobs.read_story(parse(path.read_bytes(), path.name)[0], path.name)
    except (FileNotFoundError, AgentError):
        return False
    return story.wiped or story.destroyed is not None
