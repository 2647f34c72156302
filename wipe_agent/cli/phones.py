"""The commands for phones: `phones` lists them, `reset` directs and judges the reset of one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from wipe_agent import jobs, keys, phones
from wipe_agent.cli.operator import HELP, operator_of
from wipe_agent.errors import BadUsage, PhoneNotReady, TwoPeopleNeeded, WrongSerial

Answer = tuple[dict[str, Any], list[str], int]


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of both commands."""
    listing = commands.add_parser("phones", parents=[common], help="list the phones, and what stands in their way")
    listing.add_argument("--phone", metavar="SERIAL", help="only this one, or one at HOST:PORT (practice)")
    listing.set_defaults(run=phone_list)

    reset = commands.add_parser("reset", parents=[common], help="direct and judge the reset of a phone")
    reset.add_argument("--order", required=True, metavar="CODE", help="work order")
    reset.add_argument("--phone", metavar="SERIAL", help="which phone, if several are here; HOST:PORT for practice")
    reset.add_argument("--medium", metavar="SERIAL", help="which medium of the order; may be left out")
    reset.add_argument("--operator", metavar="NAME", help=HELP)
    reset.add_argument("--witness", metavar="NAME", help="who watches; another person")
    reset.add_argument("--confirm-serial", metavar="SERIAL", help="the typed serial, where nobody can type")
    reset.add_argument("--imei", metavar="IMEI", help="what the phone shows for *#06#, where it does not tell its IMEI")
    reset.add_argument("--screen", choices=sorted(phones.SCREENS), help="what both saw when it started after its reset")
    reset.add_argument("--start-over", action="store_true", help="begin anew, whatever the journal says")
    reset.set_defaults(run=reset_phone)


def phone_list(chosen: argparse.Namespace, _: Any) -> Answer:
    """List the phones with what they say, and why one would not be reset."""
    problems: list[str] = []
    if chosen.phone:
        known = [(chosen.phone, "ready")]
    else:
        seen, problems = phones.phones_here()
        known = [(one.connection, one.state) for one in seen]
    found, sentences = [], []
    for connection, state in known:
        entry: dict[str, Any] = {"connection": connection, "state": state, "facts": None, "refusal": None}
        try:
            if state == "ready":
                facts = phones.open_phone(connection).look()
                entry |= {"facts": facts.as_dict(), "refusal": phones.why_not_begin(facts)}
                sentences += describe(facts)
            else:
                sentences.append(f"{connection}: {state}.")
        except PhoneNotReady as problem:
            entry["state"] = problem.message
            sentences += [f"{connection}: {problem.message}", f"    Next: {problem.advice}"]
        found.append(entry)
    sentences += problems
    return {"phones": found, "problems": problems}, sentences or ["No phones."], 0


def describe(facts: phones.PhoneFacts) -> list[str]:
    """A phone in lines for people. What it did not say is said to be so."""
    battery = f"{facts.battery_level} %" if facts.battery_level is not None else "not told"
    health = ", ".join(
        part
        for part in (facts.battery_health, f"{facts.battery_cycles} cycles" if facts.battery_cycles is not None else "")
        if part
    )
    lines = [
        f"{facts.name}  {facts.system} {facts.version or ''}  IMEI {facts.imei or 'not told'}",
        (
            f"    encrypted: {_said(facts.encrypted)} ({facts.encryption or 'kind not told'})   "
            f"verified boot: {facts.verified_boot or 'not told'}   screen locked: {_said(facts.screen_locked)}"
        ),
        (
            f"    accounts: {'not told' if facts.accounts is None else facts.accounts}   "
            f"reset lock: {_said(facts.reset_lock)}   "
            f"managed by: {'not told' if facts.managed_by is None else facts.managed_by or 'nobody'}"
        ),
        f"    set up: {_said(facts.set_up)}   battery: {battery}{f' ({health})' if health else ''}",
    ]
    if facts.training_reason:
        lines.append(f"    {facts.training_reason}: TRAINING only")
    refusal = phones.why_not_begin(facts)
    order = "a training order" if facts.training else "a work order"
    lines.append(f"    not to be reset: {refusal}" if refusal else f"    may be reset under {order}")
    return lines


def reset_phone(chosen: argparse.Namespace, screen: Any) -> Answer:
    """Direct the reset, or look at the phone after it."""
    if not chosen.witness:
        raise TwoPeopleNeeded(
            "The reset of a phone is watched by two people.", next_step="Name the second one with --witness NAME."
        )
    people = jobs.People(
        operator=operator_of(chosen, screen.ask),
        witness=chosen.witness,
        typed=lambda question: _typed(chosen, screen, question),
        screen=lambda: _screen(chosen, screen),
        show=lambda steps: _show(screen, steps),
    )
    home = keys.Home.from_environment()
    home.prepare()
    done = jobs.reset_phone(
        home,
        order_code=chosen.order,
        medium_named=chosen.medium,
        connection=chosen.phone,
        people=people,
        start_over=chosen.start_over,
    )
    return asdict(done), _sentences(done), 0


def _sentences(done: jobs.Reset) -> list[str]:
    if done.waiting:
        return [
            f"{done.phone} was sent to its reset. Nobody has looked at it afterwards yet.",
            "Next: do the steps, then run the same command with --screen and what both of you saw first.",
        ]
    sentences = [
        f"{done.phone} is wiped, level {done.level}, evidence {done.evidence_class}: {'; '.join(done.seen)}.",
        f"Next: wipe-agent certify --order {done.order}",
    ]
    return ["This was judged before; the phone was not looked at again.", *sentences] if done.again else sentences


def _typed(chosen: argparse.Namespace, screen: Any, question: str) -> str:
    given = chosen.imei if "IMEI" in question else chosen.confirm_serial
    if given is not None:
        return str(given)
    if not sys.stdin.isatty():
        raise WrongSerial("Nobody is here to type.", next_step="Give --confirm-serial SERIAL (and --imei IMEI).")
    return str(screen.ask(question))


def _screen(chosen: argparse.Namespace, screen: Any) -> str | None:
    if chosen.screen is not None or not sys.stdin.isatty():
        return chosen.screen
    for name, words in phones.SCREENS.items():
        screen.note(f"  {name}: {words}")
    said = screen.ask("What did both of you see when it started after its reset? (Enter: not yet) ").strip()
    if said and said not in phones.SCREENS:
        raise BadUsage(f"{said[:40]!r} is none of these.", next_step=f"Say one of: {', '.join(phones.SCREENS)}.")
    return said or None


def _show(screen: Any, steps: Sequence[str]) -> None:
    for number, step in enumerate(steps, 1):
        screen.note(f"{number}. {step}")


def _said(truth: bool | None) -> str:
    return "not told" if truth is None else "yes" if truth else "no"
