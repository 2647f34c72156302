"""The words of the command line, and what each option means."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from wipe_agent import __version__
from wipe_agent.cli import commands, phones, planning, residue, stand
from wipe_agent.cli.operator import HELP
from wipe_agent.errors import BadUsage
from wipe_agent.jobs.destroying import TECHNIQUES


class _Parser(argparse.ArgumentParser):
    """argparse's own exit code 2 would read as "unreadable bundle"; ours is 64."""

    def error(self, message: str) -> NoReturn:
        raise BadUsage(f"{message[:1].upper()}{message[1:]}.", next_step=f"Run: {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog="wipe-agent",
        description="Wipe storage media, check the result, and certify what was seen.",
        epilog="State lies in WIPE_AGENT_HOME (default ~/.local/share/wipe-agent). Exit codes: docs/wipe-agent.md.",
    )
    top.add_argument("--version", action="version", version=f"wipe-agent {__version__}")
    all_ = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = _Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="print the result as one JSON object")

    enrol = all_.add_parser("enrol", parents=[common], help="make this machine a station of a test centre")
    enrol.add_argument("--market", required=True, metavar="URL", help="address of the marketplace")
    enrol.add_argument("--code", required=True, help="the centre's one-time code")
    enrol.add_argument("--name", default="", help="a name for this station")
    enrol.add_argument("--token", metavar="LABEL", help="keep the station's key in this PKCS #11 token")
    enrol.add_argument("--pkcs11-module", type=Path, metavar="FILE", help="the token's module, a .so file")
    enrol.add_argument("--token-key", default="wipe-agent", metavar="NAME", help="the key's name in the token")
    enrol.set_defaults(run=commands.enrol)

    pin = all_.add_parser("pin", parents=[common], help="take a newer trust file, once its fingerprint was compared")
    pin.add_argument("file", type=Path, metavar="FILE", help="the trust file, as the marketplace publishes it")
    pin.add_argument(
        "--fingerprint", metavar="WORDS", help="its fingerprint, as the marketplace told it by another way"
    )
    pin.set_defaults(run=_later("pinning", "pin"))

    media = all_.add_parser("media", parents=[common], help="list the drives, and which must not be wiped")
    media.add_argument("--image", action="append", default=[], type=Path, metavar="FILE", help="describe an image file")
    media.set_defaults(run=commands.media_list)

    _add_plan(all_.add_parser("plan", parents=[common], help="say how a drive would be wiped, and why"))

    thaw = all_.add_parser("thaw", parents=[common], help="say whether an ATA drive is frozen, and how it is thawed")
    thaw.add_argument("--target", required=True, type=Path, metavar="PATH", help="whole drive such as /dev/sdb")
    thaw.add_argument("--sleep", type=int, metavar="SECONDS", help="put this machine to sleep once, for so long")
    thaw.set_defaults(run=planning.thaw)

    orders = all_.add_parser("orders", parents=[common], help="fetch the centre's work orders and check them")
    orders.add_argument("--offline", action="store_true", help="list those that are here already")
    orders.set_defaults(run=commands.orders)

    _add_wipe(all_.add_parser("wipe", parents=[common], help="overwrite a drive, read everything back, look for rests"))
    residue.add_map(all_.add_parser("map", parents=[common], help="draw what was seen on a medium, before and after"))
    _add_stand(all_, common)
    _add_certify(all_.add_parser("certify", parents=[common], help="issue the certificate of an order"))

    phones.add(all_, common)

    sync = all_.add_parser("sync", parents=[common], help="send certificates until a receipt comes back")
    sync.add_argument("--once", action="store_true", help="try once instead of several times")
    sync.add_argument("--again", action="store_true", help="send those that were refused once more")
    sync.add_argument("--fresh", action="store_true", help="fetch the completed bundles anew, with today's status")
    sync.set_defaults(run=commands.sync_all)

    verify = all_.add_parser("verify", parents=[common], help="check a certificate bundle; needs no network")
    verify.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder or .zip")
    verify.add_argument("--trust", type=Path, metavar="FILE", help="trust file; else the one pinned at enrolment")
    verify.add_argument("--training", action="store_true", help="admit certificates made for practice")
    verify.add_argument("--strict", action="store_true", help="a caution counts as a failure (exit code 1)")
    verify.add_argument("--at", metavar="TIME", help="judge as of this time, such as 2026-01-31T12:00:00Z")
    verify.set_defaults(run=commands.verify_bundle)

    _add_paper(all_, common)
    _add_log(all_, common)
    _add_station(all_, common)
    return top


def _add_log(all_: argparse._SubParsersAction[_Parser], common: _Parser) -> None:
    """witness, monitor and issued."""
    trusting = _Parser(add_help=False, parents=[common])
    trusting.add_argument("--trust", type=Path, metavar="FILE", help="trust file; else the one pinned at enrolment")

    witness = all_.add_parser("witness", parents=[trusting], help="see that logs only grow, and sign it for others")
    witness.add_argument("--make-key", metavar="NAME", help="make the witness's key, once, such as witness.example/one")
    witness.add_argument("--listen", default="127.0.0.1:8181", metavar="HOST:PORT", help="where to answer")
    witness.set_defaults(run=_later("witnessing", "witness"))

    monitor = all_.add_parser("monitor", parents=[trusting], help="follow the log; warn of what should not be in it")
    monitor.add_argument("--log", required=True, metavar="URL", help="such as https://market.example/log")
    monitor.add_argument("--state", required=True, type=Path, metavar="DIR", help="what was seen, from run to run")
    monitor.add_argument("--centre", metavar="DID", help="look for certificates in the name of this centre")
    monitor.add_argument(
        "--own",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a list of the centre's certificates, as its page of stations gives it; or digests, one a line",
    )
    monitor.add_argument(
        "--compare",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a log proof or checkpoint that somebody else was shown",
    )
    monitor.set_defaults(run=_later("witnessing", "monitor"))

    issued = all_.add_parser("issued", parents=[common], help="list what this station issued, for monitors elsewhere")
    issued.set_defaults(run=_later("witnessing", "issued"))


def _add_station(all_: argparse._SubParsersAction[_Parser], common: _Parser) -> None:
    """doctor, status, check, import-snapshot and import-erasure."""
    doctor = all_.add_parser("doctor", parents=[common], help="what is missing on this machine, and how to install it")
    doctor.add_argument("--verify-only", action="store_true", help="for an installation that only verifies and prints")
    doctor.set_defaults(run=_later("station", "examine"))

    status = all_.add_parser("status", parents=[common], help="what waits here: orders, certificates, refusals")
    status.set_defaults(run=_later("station", "status"))

    check = all_.add_parser("check", parents=[common], help="read a drive in full and say what is on it; only reads")
    check.add_argument("--target", required=True, type=Path, metavar="PATH", help="whole drive, or image")
    check.add_argument("--image", action="store_true", help="the target is an image file")
    check.set_defaults(run=_later("station", "check_drive"))

    snapshot = all_.add_parser(
        "import-snapshot", parents=[common], help="keep an eReuse Workbench snapshot as evidence"
    )
    snapshot.add_argument("file", type=Path, metavar="FILE", help="the snapshot, a .json file")
    snapshot.add_argument("--order", required=True, metavar="CODE", help="the work order of that computer")
    snapshot.set_defaults(run=_later("station", "import_snapshot"))

    erasure = all_.add_parser(
        "import-erasure", parents=[common], help="keep another program's erasure report as evidence; it proves no wipe"
    )
    erasure.add_argument("file", type=Path, metavar="FILE", help="nwipe's log or JSON, a snapshot, or Blancco's XML")
    erasure.add_argument("--order", required=True, metavar="CODE", help="the work order of these drives")
    erasure.set_defaults(run=_later("station", "import_erasure"))


def _later(module: str, command: str) -> Callable[[argparse.Namespace, commands.Screen], commands.Answer]:
    """A command whose module is loaded when it runs: drawing pages takes libraries that no other command waits for."""

    def run(chosen: argparse.Namespace, screen: commands.Screen) -> commands.Answer:
        answer: commands.Answer = getattr(import_module(f"wipe_agent.cli.{module}"), command)(chosen, screen)
        return answer

    return run


def _add_paper(all_: argparse._SubParsersAction[_Parser], common: _Parser) -> None:
    """report, summary and labels."""
    judged = _Parser(add_help=False, parents=[common])
    judged.add_argument("bundle", nargs="*", type=Path, metavar="BUNDLE", help="folders or .zips of certificates")
    judged.add_argument("--trust", type=Path, metavar="FILE", help="trust file; else the one pinned at enrolment")
    judged.add_argument("--training", action="store_true", help="admit certificates made for practice")
    judged.add_argument("--at", metavar="TIME", help="judge as of this time, such as 2026-01-31T12:00:00Z")
    judged.add_argument("--market", metavar="URL", help="the address that the codes lead to; else the marketplace's")
    judged.add_argument(
        "--font", action="append", default=[], type=Path, metavar="FILE", help="a .ttf or .otf for further letters"
    )

    report = all_.add_parser("report", parents=[judged], help="the PDF of each certificate that verifies")
    report.add_argument("--order", metavar="CODE", help="the certificate of this order, made on this station")
    report.add_argument("--output", type=Path, default=Path(), metavar="PLACE", help="folder, or a .pdf for one")
    report.add_argument("--evidence", action="store_true", help="an archive of the evidence beside it")
    report.set_defaults(run=_later("paper", "report_certificates"))

    summary = all_.add_parser("summary", parents=[judged], help="a batch on one page, and as CSV")
    summary.add_argument("--station", action="store_true", help="everything on this station, open orders too")
    summary.add_argument("--pdf", type=Path, metavar="FILE", help="where the page goes")
    summary.add_argument("--csv", type=Path, metavar="FILE", help="where the lines go")
    summary.add_argument("--title", default="", help="a heading, such as the customer's name")
    summary.set_defaults(run=_later("paper", "summarise"))

    labels = all_.add_parser("labels", parents=[judged], help="labels with codes, for devices and media")
    labels.add_argument("--order", metavar="CODE", help="labels for the bench, before the wipe")
    labels.add_argument("--output", type=Path, default=Path("labels.pdf"), metavar="FILE", help="where they go")
    labels.add_argument("--single", action="store_true", help="one label of 62 x 29 mm a page, for a label printer")
    labels.add_argument("--first", type=int, default=1, metavar="N", help="the first free place on a used sheet")
    labels.add_argument("--device-only", action="store_true", help="no labels for the media")
    labels.set_defaults(run=_later("paper", "print_labels"))


def _add_wipe(wipe: argparse.ArgumentParser) -> None:
    wipe.add_argument("--order", required=True, metavar="CODE", help="work order")
    wipe.add_argument(
        "--target", required=True, type=Path, metavar="PATH", help="whole drive such as /dev/sdb, or image"
    )
    wipe.add_argument("--image", action="store_true", help="the target is an image file (practice)")
    wipe.add_argument("--medium", metavar="SERIAL", help="which medium of the order; may be left out if it has one")
    wipe.add_argument("--confirm-serial", metavar="SERIAL", help="the typed serial, where nobody can type")
    wipe.add_argument("--operator", metavar="NAME", help=HELP)
    wipe.add_argument("--start-over", action="store_true", help="begin at the first byte, whatever the journal says")
    planning.add_wishes(wipe)
    residue.add_options(wipe)
    wipe.set_defaults(run=commands.wipe)


def _add_plan(plan: argparse.ArgumentParser) -> None:
    plan.add_argument("--target", required=True, type=Path, metavar="PATH", help="drive or image; it is only looked at")
    plan.add_argument("--image", action="store_true", help="the target is an image file (practice)")
    plan.add_argument(
        "--policy", default="market", metavar="NAME", help="market, nist, r2v3, gb46864, or a policy file"
    )
    plan.add_argument("--method", metavar="NAME", help="ask about this method instead of the best")
    plan.add_argument("--kind", metavar="KIND", help="kind of medium, where it is another than the drive seems to be")
    plan.add_argument("--level", action="append", metavar="LEVEL", help="only these levels: clear, purge (repeatable)")
    plan.set_defaults(run=planning.plan)


def _add_stand(all_: Any, common: argparse.ArgumentParser) -> None:
    many = _Parser(add_help=False)
    which = many.add_mutually_exclusive_group()
    which.add_argument("--plan", type=Path, metavar="FILE", help="a JSON file that names drives and orders")
    which.add_argument("--auto", action="store_true", help="match the drives here with the orders kept (the default)")
    many.add_argument("--operator", metavar="NAME", help=HELP)
    lines = all_.add_parser("stand", parents=[common, many], help="wipe many drives at once, in plain or JSON lines")
    lines.set_defaults(run=stand.stand)
    bench = all_.add_parser("bench", parents=[common, many], help="wipe many drives at once, on the bench screen")
    bench.add_argument("--wall", action="store_true", help="large type, for a screen on the wall")
    bench.set_defaults(run=stand.bench)


def _add_certify(certify: argparse.ArgumentParser) -> None:
    certify.add_argument("--order", required=True, metavar="CODE", help="work order")
    certify.add_argument("--zip", type=Path, metavar="FILE", help="write the bundle as a .zip too")
    certify.add_argument(
        "--destroyed", metavar="SERIAL", help="note that this medium was destroyed, instead of issuing"
    )
    certify.add_argument(
        "--absent", metavar="MEDIUM", help="note that this medium, which nobody identified, is not there"
    )
    certify.add_argument(
        "--photograph",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="of the destruction, or of the place",
    )
    certify.add_argument("--technique", help="of the destruction: " + ", ".join(sorted(TECHNIQUES)))
    certify.add_argument("--particle-size-mm", metavar="N", help="largest particle, such as 2 or 0.5")
    certify.add_argument("--operator", metavar="NAME", help="who destroyed it, or looked")
    certify.add_argument("--witness", metavar="NAME", help="who saw it; another person")
    certify.set_defaults(run=commands.certify)
