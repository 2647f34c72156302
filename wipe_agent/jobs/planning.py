"""Plan the work on one medium: ask the drive, ask the accreditation, let the planner choose, note it all.

The line `planned` carries what the certificate will say of method and evidence, who the drive and its machine are, and
whether the answers were only a rehearsal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from wipe_agent import keys, media, methods
from wipe_agent.errors import NotADrive, WrongSerial
from wipe_agent.jobs.orders import Order, OrderMedium, accredited_levels, require_accredited
from wipe_agent.jobs.story import MediumStory
from wipe_agent.media import Drive, Facts, Identity, Runner


@dataclass(frozen=True)
class Wish:
    """What the operator asks for beyond the default: a policy by name or file, a method by name.

    `psid` is the one printed on a TCG drive's label. `in_device` says that the agent runs on the very machine that the
    order means, as from the bootable image; then this machine's identity is the device's. `open_hidden` says that what
    the drive hides of itself is to be opened first, for good.
    """

    policy: str = "market"
    method: str | None = None
    psid: str | None = None
    in_device: bool = False
    open_hidden: bool = False


def look(path: Path, identity: Identity, run: Runner) -> Facts:
    """Ask the drive at `path` what it is and what it can do."""
    return media.probe(Drive(str(path), "disk", identity, ()), run)


def plan_for(
    home: keys.Home,
    medium: OrderMedium,
    story: MediumStory,
    facts: Facts,
    wish: Wish,
    now: datetime,
) -> methods.Plan:
    """The plan for this medium. Raises MethodRefused, OrderRefused or BadUsage in words.

    A method that failed on this medium before is not planned again unless the operator names it.
    """
    levels = accredited_levels(home, medium, now) - {"destroy"}
    policy = methods.named(wish.policy)
    if not levels:
        require_accredited(home, medium, "clear", now)
    spent = {
        one.planned["method"]: f"It failed on this medium before: {one.reason}"
        for one in story.attempts
        if one.result in ("failed", "not wiped") and _is_command(one.planned.get("method"))
    }
    if wish.method is not None:
        spent.pop(wish.method, None)
    policy = methods.Policy(
        policy.name, policy.title, policy.admitted, {**spent, **policy.refused}, policy.passes
    )  # fmt: skip
    chosen = methods.plan(facts, medium.kind, policy, levels=levels, wanted=wish.method)
    require_accredited(home, medium, chosen.level, now)
    return chosen


def planned_facts(chosen: methods.Plan, facts: Facts, host: dict[str, str], run: Runner) -> dict[str, Any]:
    """What the line `planned` says of method, evidence, drive and machine."""
    return {
        "method": chosen.method.name,
        "technique": chosen.technique,
        "level": chosen.level,
        "evidence_class": chosen.evidence_class,
        "settle": chosen.settle,
        "exclusions": list(chosen.exclusions),
        "policy": chosen.policy,
        "why": chosen.why,
        "facts": facts.as_dict(),
        "host": host,
        "rehearsal": run.rehearsal or facts.rehearsal,
    }


def host_of(order: Order, facts: Facts, *, in_device: bool) -> dict[str, str]:
    """The machine that held the medium, as this station saw it; empty where it did not see it.

    The station's own machine is the device only if the operator says so, or if it bears the order's serial. A drive
    behind a USB bridge, and an image, are in no machine that could be seen. Raises WrongSerial if the agent runs
    in a device that is not the order's.
    """
    if facts.bus in ("usb", "image", "virtual"):
        return {}
    seen = media.observe()
    claimed = media.clean(str(order.document["credentialSubject"]["device"].get("serial", "")))
    if in_device and claimed and seen.get("serial") and seen["serial"] != claimed:
        raise WrongSerial(
            f"This machine's serial number is {seen['serial']}; order {order.code} means the one with {claimed}.",
            next_step="Fetch the work order of this machine. Nothing was changed on the drive.",
        )
    return seen if in_device or (claimed and seen.get("serial") == claimed) else {}


def drive_at(path: Path, *, image: bool) -> Drive:
    """The drive or image at `path`, for looking only. Raises NotADrive."""
    if image:
        return media.describe_image(path)
    if not path.is_block_device():
        raise NotADrive(f"{path} is not a drive.")
    return media.list_drives(path=str(path))[0]


def _is_command(name: Any) -> bool:
    return name in methods.METHODS and methods.METHODS[name].how == "command"
