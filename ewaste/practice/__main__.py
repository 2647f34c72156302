"""`python -m ewaste.practice`: runs the practice payment provider until it is told to stop."""

from __future__ import annotations

import argparse
import ipaddress
import logging
import os
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

from ewaste.practice.server import Practice
from ewaste.practice.store import FolderTakenError

DEFAULT_FLOAT = "EUR:25000000"


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 after an ordinary stop, 1 when it could not start, 2 for wrong options."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="practice: %(message)s")
    try:
        practice = Practice(
            options.port,
            options.data,
            mail_port=options.mail_port,
            webhook_url=options.webhook_url,
            webhook_secret=options.webhook_secret,
            float_amounts=dict(options.float or [_float(DEFAULT_FLOAT)]),
            funds_after=options.funds_after,
            first_pause=options.first_pause,
        )
    except FolderTakenError as problem:
        print(problem, file=sys.stderr)
        return 1
    except OSError as problem:
        print(f"Practice money cannot start on port {options.port}: {problem}.", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: practice.stop())
    print(f"Practice money on {practice.url}", flush=True)
    if practice.mailbox:
        print(f"Practice mailbox on {practice.url}/mailbox", flush=True)
    practice.run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ewaste.practice", description="A payment provider for training.")
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0 takes a free one and prints it")
    parser.add_argument("--data", type=Path, required=True, help="the folder of its books")
    parser.add_argument("--mail-port", type=int, help="where the mailbox takes mail, on 127.0.0.1; none when missing")
    parser.add_argument("--webhook-url", type=_loopback, help="where events are delivered; none are when missing")
    parser.add_argument(
        "--webhook-secret",
        default=os.environ.get("STRIPE_WEBHOOK_SECRET", "whsec_practice"),
        help="signs the events (default: STRIPE_WEBHOOK_SECRET)",
    )
    parser.add_argument(
        "--float",
        type=_float,
        action="append",
        metavar="CUR:MINOR",
        help=f"the platform's first balance, given once (default {DEFAULT_FLOAT}; EUR:0 for none)",
    )
    parser.add_argument("--funds-after", type=int, default=0, metavar="SECONDS", help="how long a charge stays pending")
    parser.add_argument(
        "--first-pause", type=float, default=1.0, metavar="SECONDS", help="before the second try of a delivery"
    )
    return parser


def _float(text: str) -> tuple[str, int]:
    currency, _, minor = text.partition(":")
    if not (len(currency) == 3 and currency.isalpha() and minor.isdigit()):
        raise argparse.ArgumentTypeError("write it as EUR:25000000, in minor units")
    return currency.lower(), int(minor)


def _loopback(text: str) -> str:
    parts = urlsplit(text)
    host = parts.hostname or ""
    try:
        here = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = False
    if parts.scheme != "http" or not here:
        raise argparse.ArgumentTypeError("practice events go to this machine only, as http://127.0.0.1:...")
    return text


if __name__ == "__main__":
    raise SystemExit(main())
