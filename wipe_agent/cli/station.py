"""The commands about the station itself: doctor, status, check (reading only), and the imports of foreign files."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from wipe_agent import check, doctor, foreign, keys, media, sync
from wipe_agent.certificate.times import write_time
from wipe_agent.check import signatures, tools
from wipe_agent.cli.commands import Answer, Screen
from wipe_agent.errors import NotBlank, NotReady
from wipe_agent.report import wording

_SEED = 88_2883  # Where the look at a large drive begins does not matter here: everything is read afterwards.


def examine(chosen: Namespace, _: Screen) -> Answer:
    """Say what is missing on this machine and how to install it."""
    findings = doctor.judge(doctor.look(keys.Home.from_environment()), verify_only=chosen.verify_only)
    marks = {doctor.OK: "ok     ", doctor.ADVICE: "advice ", doctor.MISSING: "MISSING"}
    sentences = []
    for one in findings:
        sentences.append(f"{marks[one.state]}  {one.name}: {one.text}")
        if one.remedy:
            sentences.append(f"         {one.remedy}")
    wanted, ready = doctor.packages(findings), doctor.ready(findings)
    if wanted:
        sentences.append(f"On Debian: apt-get install {' '.join(wanted)}")
    sentences.append("Ready." if ready else "Not ready: see the lines marked MISSING.")
    found = {"ready": ready, "install": wanted, "findings": [asdict(one) for one in findings]}
    return found, sentences, 0 if ready else NotReady.exit_code


def status(_: Namespace, __: Screen) -> Answer:
    """Say what waits here: orders, certificates without a receipt, refusals."""
    home = keys.Home.from_environment()
    station = keys.load_station(home)
    home.prepare()
    queue = sync.look(home)
    now = datetime.now(UTC)
    sentences = [f"Station {station.verification_method} of {station.centre_name}, enrolled at {station.market}."]
    if station.mode == "training":
        sentences.append("This station is for TRAINING.")
    stopped = f"{len(queue.stopped)} not to be begun, " if queue.stopped else ""
    sentences.append(f"Orders: {len(queue.open_orders)} open, {stopped}{queue.certified_orders} certified.")
    for order in queue.open_orders:
        late = " (expired: ask for a new one)" if order.valid_until < now else ""
        sentences.append(
            f"    {order.code}  device {order.device_code}  until {wording.minute(order.valid_until)}{late}"
        )
        media_of = ", ".join(" ".join(part for part in (one.model, one.name_to_type) if part) for one in order.media)
        sentences.append(f"        {media_of}")
    sentences += [f"    {order.code}  not to be begun: {why}" for order, why in queue.stopped]
    sentences += [f"    in doubt: {text}" for text in queue.orders_in_doubt]
    waits = "1 waits" if len(queue.waiting) == 1 else f"{len(queue.waiting)} wait"
    sentences.append(f"Certificates: {waits} to be sent, {queue.sent} accepted.")
    if queue.oldest is not None:
        sentences.append(f"    The oldest has waited {_span(now, queue.oldest)}. Next: wipe-agent sync")
    for waiting in queue.waiting:
        issued = wording.minute(waiting.issued) if waiting.issued else "cannot be read: run certify for its order again"
        sentences.append(f"    {waiting.certificate_id}  {waiting.device_code}  {issued}")
    for refused in queue.refused:
        sentences.append(f"    refused: {refused.certificate_id}: {refused.reason}")
        sentences.append("    Settle the reason, or ask for a new work order.")
    if queue.last_receipt is not None:
        sentences.append(f"Last receipt: {wording.minute(queue.last_receipt)}.")
    found: dict[str, Any] = {
        "market": station.market,
        "mode": station.mode,
        "orders": {
            "open": [
                {"code": order.code, "device_code": order.device_code, "valid_until": write_time(order.valid_until)}
                for order in queue.open_orders
            ],
            "stopped": [{"code": order.code, "reason": why} for order, why in queue.stopped],
            "certified": queue.certified_orders,
            "in_doubt": list(queue.orders_in_doubt),
        },
        "waiting": [
            {
                "certificate_id": one.certificate_id,
                "device_code": one.device_code,
                "issued": write_time(one.issued) if one.issued else None,
            }
            for one in queue.waiting
        ],
        "refused": [asdict(one) for one in queue.refused],
        "sent": queue.sent,
        "last_receipt": write_time(queue.last_receipt) if queue.last_receipt else None,
    }
    return found, sentences, 0


def check_drive(chosen: Namespace, screen: Screen) -> Answer:
    """Read a drive in full and say what is on it. Nothing is written, noted or issued."""
    check.self_test()
    with media.open_target(chosen.target, image=chosen.image, write=False) as target:
        identity, size = target.identity, target.size
        screen.step("looking for what is on it", size)
        seen = check.survey(target, seed=_SEED, progress=lambda looked, _: screen.at(looked))
        screen.step("reading everything", size)
        read = check.read_back(target, progress=screen.at)
        said_by_tools = tools.signatures_on(target.path)
    recognised = seen.as_facts()["found"]
    blank = read.clean and not recognised and not tools.saw_something(said_by_tools)
    name = " ".join(part for part in (identity.model, f"serial {identity.serial or 'not reported'}") if part)
    sentences = [f"{chosen.target}: {name}, {wording.size(size)}. {read.read:,} of {size:,} bytes were read."]
    if read.unreadable_blocks:
        sentences.append(f"{read.unreadable_blocks} blocks of 4 KiB could not be read.")
    if blank:
        sentences.append("Every byte is zero. No file system and no file was recognised.")
    else:
        share = 100 * read.differing_blocks * 4096 / size if size else 0
        sentences.append(
            f"{read.differing_blocks} blocks of 4 KiB are not zero ({min(share, 100):.1f} % of the drive)."
        )
        looks = ", ".join(f"{count} {look}" for look, count in sorted(read.looks.items()))
        sentences += [f"The first of them look like this: {looks}."] if looks else []
        sentences.append(f"Recognised: {signatures.in_words(recognised)}.")
        sentences += [f"{tool} sees: {', '.join(names)}." for tool, names in sorted(said_by_tools.items()) if names]
    sentences.append("This was a look. It is no certificate.")
    found = {
        "target": str(chosen.target),
        "identity": identity.as_dict(),
        "blank": blank,
        "recognised": recognised,
        "tools": said_by_tools,
        **read.as_facts(),
    }
    return found, sentences, 0 if blank else NotBlank.exit_code


def import_snapshot(chosen: Namespace, _: Screen) -> Answer:
    """Keep a snapshot of eReuse Workbench as evidence of a computer's inventory and health."""
    home = keys.Home.from_environment()
    home.prepare()
    done = foreign.import_snapshot(home, order_code=chosen.order, path=chosen.file)
    snapshot = done.snapshot
    computer = " ".join(part for part in (snapshot.manufacturer, snapshot.model) if part) or "a computer"
    sentences = [
        f"{chosen.file}: {computer}, serial {snapshot.serial or 'not reported'}, taken by {snapshot.software}.",
        *(f"    {disk.say()}" for disk in snapshot.disks),
        *(f"Attention: {text}" for text in done.differences),
        f"Kept as evidence for order {chosen.order}: {done.kept.file}",
        "It is evidence of inventory and health as somebody noted it. It proves no wipe.",
    ]
    found = {
        "order": chosen.order,
        "evidence": asdict(done.kept),
        "snapshot": asdict(snapshot),
        "differences": list(done.differences),
    }
    return found, sentences, 0


def import_erasure(chosen: Namespace, _: Screen) -> Answer:
    """Keep another program's erasure report as evidence. It wipes nothing and certifies nothing."""
    home = keys.Home.from_environment()
    home.prepare()
    done = foreign.import_erasure_report(home, order_code=chosen.order, path=chosen.file)
    sentences = [
        f"{chosen.file}: a report of {done.report.software}.",
        *(f"    {one.say()}" for one in done.report.erasures),
        *(f"Attention: {text}" for text in done.differences),
        f"Kept as evidence for order {chosen.order}: {done.kept.file}",
        "It is what another program said. It proves no wipe: wipe these drives here, under this order.",
    ]
    found = {
        "order": chosen.order,
        "evidence": asdict(done.kept),
        "report": asdict(done.report),
        "differences": list(done.differences),
    }
    return found, sentences, 0


def _span(now: datetime, since: datetime) -> str:
    minutes = max(0, int((now - since).total_seconds() // 60))
    for unit, length in (("day", 1440), ("hour", 60)):
        if minutes >= length:
            count = minutes // length
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
