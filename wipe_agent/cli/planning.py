"""`plan`: say how a drive would be wiped, and why; and the options by which `wipe` is told to do otherwise."""

from __future__ import annotations

import argparse
import os
from argparse import Namespace
from typing import Any

from wipe_agent import jobs, keys, media, methods
from wipe_agent.certificate import vocabulary
from wipe_agent.errors import BadUsage
from wipe_agent.jobs import thawing

_WIPING_LEVELS = ("clear", "purge")


def plan(chosen: Namespace, _: object) -> tuple[dict[str, Any], list[str], int]:
    """Look at one drive, change nothing, and say what would be done."""
    drive = jobs.drive_at(chosen.target, image=chosen.image)
    facts = media.probe(drive, media.SystemRunner())
    kind = chosen.kind or facts.kind
    if kind not in vocabulary.MEDIUM_KINDS:
        raise BadUsage(f"There is no kind of medium {kind!r}.", next_step=", ".join(vocabulary.MEDIUM_KINDS))
    levels = tuple(chosen.level or _WIPING_LEVELS)
    if unknown := [level for level in levels if level not in _WIPING_LEVELS]:
        raise BadUsage(f"There is no level {unknown[0]!r}.", next_step=f"Choose: {', '.join(_WIPING_LEVELS)}.")
    policy = methods.named(chosen.policy)
    best = methods.plan(facts, kind, policy, levels=levels, wanted=chosen.method)
    found = {
        "target": drive.path,
        "kind": kind,
        "policy": policy.name,
        "method": best.method.name,
        "technique": best.technique,
        "level": best.level,
        "evidence_class": best.evidence_class,
        "exclusions": list(best.exclusions),
        "why": best.why,
        "why_not": best.why_not,
        "refusals": list(drive.refusals),
        "facts": facts.as_dict(),
        "host": media.observe(),
        "unresolved_controllers": [one.says for one in media.controllers() if not one.resolved],
    }
    return found, _sentences(drive, facts, best), 0


def thaw(chosen: Namespace, _: object) -> tuple[dict[str, Any], list[str], int]:
    """Say whether a drive is frozen and how it is thawed; with --sleep, let this machine sleep once for it."""
    run = media.SystemRunner()

    def look() -> media.Facts:
        return media.probe(jobs.drive_at(chosen.target, image=False), run)

    before = thawing.frozen(look())
    found = {"target": str(chosen.target), "frozen_before": before, "frozen": before}
    if not before:
        return found, [f"{chosen.target} is not frozen. Run: wipe-agent plan --target {chosen.target}"], 0
    if chosen.sleep is None:
        steps = [f"{number}. {step}" for number, step in enumerate(thawing.STEPS, 1)]
        return found, [f"{chosen.target} is frozen: the firmware locked its erase commands.", *steps], 0
    thawing.sleep_and_look(keys.Home.from_environment(), look, run, seconds=chosen.sleep)
    return found | {"frozen": False}, [f"{chosen.target} is thawed. Run: wipe-agent plan --target {chosen.target}"], 0


def add_wishes(parser: argparse.ArgumentParser) -> None:
    """The options of `wipe` that choose policy and method."""
    parser.add_argument("--policy", default="market", metavar="NAME", help="market, nist, r2v3, gb46864, or a file")
    parser.add_argument("--method", metavar="NAME", help="this method instead of the best (see: wipe-agent plan)")
    parser.add_argument("--psid", help="the PSID on the label of a TCG drive, for tcg-psid-revert")
    parser.add_argument(
        "--open-hidden",
        action="store_true",
        help="first open what an ATA drive hides (HPA, DCO); changes the drive for good",
    )
    parser.add_argument(
        "--in-device",
        action="store_true",
        default=os.environ.get("WIPE_AGENT_IN_DEVICE") == "1",
        help="the agent runs on the very machine of the order (also WIPE_AGENT_IN_DEVICE=1)",
    )


def wish_of(chosen: Namespace) -> jobs.Wish:
    """What the options ask for."""
    method = chosen.method or ("overwrite-stream" if chosen.stream else None)
    return jobs.Wish(chosen.policy, method, chosen.psid, chosen.in_device, chosen.open_hidden)


def _sentences(drive: media.Drive, facts: media.Facts, best: methods.Plan) -> list[str]:
    health = facts.health
    known = [
        "an image file" if facts.bus == "image" else f"bus {facts.bus}",
        f"kind {best.kind}",
        *([f"firmware {facts.firmware}"] if facts.firmware else []),
        *([f"SMART {'passed' if health.passed else 'FAILED'}"] if health.passed is not None else []),
        *([f"{health.hours} h on"] if health.hours is not None else []),
        *([f"{health.celsius} °C"] if health.celsius is not None else []),
        *([facts.self_encrypting] if facts.self_encrypting else []),
    ]
    # What was not examined is among what is not reached, and said once.
    hidden = "" if facts.hidden.says in best.exclusions else f"; {facts.hidden.says}"
    after = ", then an overwrite that is read back in full" if best.settle else ""
    return [
        *(f"Not to be wiped: {refusal}" for refusal in drive.refusals),
        f"{drive.path}: {', '.join(known)}{hidden}.",
        f"Plan: {best.method.name}{after}. Level {best.level}, evidence {best.evidence_class}.",
        f"Why: {best.why}",
        *_ruled_out(best),
        *(f"Not reached: {one}" for one in best.exclusions),
        *facts.notes,
    ]


def _ruled_out(best: methods.Plan) -> list[str]:
    """Why not each other method that there is for this kind of medium; one line for each reason."""
    names: dict[str, list[str]] = {}
    for name, reason in best.why_not.items():
        if best.kind in _kinds(name):
            names.setdefault(reason, []).append(name)
    impossible = names.pop(methods.CANNOT, [])
    sentences = [f"Not {' or '.join(several)}: {reason}" for reason, several in names.items()]
    return sentences + ([f"Not possible on this drive: {', '.join(impossible)}."] if impossible else [])


def _kinds(name: str) -> tuple[str, ...]:
    return tuple(methods.METHODS[name].levels) if name != "destroy" else ()
