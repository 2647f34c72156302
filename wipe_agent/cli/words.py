"""The words of the command line, and what each option means."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

from wipe_agent import __version__
from wipe_agent.cli import commands, phones
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
    enrol.set_defaults(run=commands.enrol)

    media = all_.add_parser("media", parents=[common], help="list the drives, and which must not be wiped")
    media.add_argument("--image", action="append", default=[], type=Path, metavar="FILE", help="describe an image file")
    media.set_defaults(run=commands.media_list)

    orders = all_.add_parser("orders", parents=[common], help="fetch the centre's work orders and check them")
    orders.add_argument("--offline", action="store_true", help="list those that are here already")
    orders.set_defaults(run=commands.orders)

    _add_wipe(all_.add_parser("wipe", parents=[common], help="overwrite a drive, read everything back, look for rests"))
    _add_certify(all_.add_parser("certify", parents=[common], help="issue the certificate of an order"))

    phones.add(all_, common)

    sync = all_.add_parser("sync", parents=[common], help="send certificates until a receipt comes back")
    sync.add_argument("--once", action="store_true", help="try once instead of several times")
    sync.add_argument("--again", action="store_true", help="send those that were refused once more")
    sync.set_defaults(run=commands.sync_all)

    verify = all_.add_parser("verify", parents=[common], help="check a certificate bundle; needs no network")
    verify.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder or .zip")
    verify.add_argument("--trust", type=Path, metavar="FILE", help="trust file; else the one pinned at enrolment")
    verify.add_argument("--training", action="store_true", help="admit certificates made for practice")
    verify.add_argument("--at", metavar="TIME", help="judge as of this time, such as 2026-01-31T12:00:00Z")
    verify.set_defaults(run=commands.verify_bundle)
    return top


def _add_wipe(wipe: argparse.ArgumentParser) -> None:
    wipe.add_argument("--order", required=True, metavar="CODE", help="work order")
    wipe.add_argument(
        "--target", required=True, type=Path, metavar="PATH", help="whole drive such as /dev/sdb, or image"
    )
    wipe.add_argument("--image", action="store_true", help="the target is an image file (practice)")
    wipe.add_argument("--medium", metavar="SERIAL", help="which medium of the order; may be left out if it has one")
    wipe.add_argument("--confirm-serial", metavar="SERIAL", help="the typed serial, where nobody can type")
    wipe.add_argument("--operator", metavar="NAME", help="who does it (else WIPE_AGENT_OPERATOR, else the user's name)")
    wipe.add_argument("--start-over", action="store_true", help="begin at the first byte, whatever the journal says")
    wipe.set_defaults(run=commands.wipe)


def _add_certify(certify: argparse.ArgumentParser) -> None:
    certify.add_argument("--order", required=True, metavar="CODE", help="work order")
    certify.add_argument("--zip", type=Path, metavar="FILE", help="write the bundle as a .zip too")
    certify.add_argument(
        "--destroyed", metavar="SERIAL", help="note that this medium was destroyed, instead of issuing"
    )
    certify.add_argument("--technique", help="of the destruction: " + ", ".join(sorted(TECHNIQUES)))
    certify.add_argument("--particle-size-mm", metavar="N", help="largest particle, such as 2 or 0.5")
    certify.add_argument("--operator", metavar="NAME", help="who destroyed it")
    certify.add_argument("--witness", metavar="NAME", help="who saw it; another person")
    certify.set_defaults(run=commands.certify)
