"""`python -m ewaste.signer`: serve, show the public key, go on after a restore."""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import logging
import os
import pwd
import resource
import signal
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ewaste.signer.server import listening, serve
from ewaste.signer.store import Store, StoreUnusable, go_on, write_durably

log = logging.getLogger("ewaste.signer")

KEY_NAME = "ewaste-log"  # the key's label in a token
PR_SET_DUMPABLE = 4  # linux/prctl.h


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 when done or stopped, 2 when the key store cannot be used as it is."""
    parser = argparse.ArgumentParser(prog="python -m ewaste.signer", description="The signer of the log.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("serve", help="answer at a Unix socket until told to stop")
    run.add_argument("--origin", metavar="NAME", help="make the key store of a new log of this name, if there is none")
    run.add_argument("--socket", type=Path, metavar="PATH", help="where to listen (FOLDER/socket)")
    run.add_argument("--group", action="store_true", help="let the group of the socket's folder reach the socket")
    run.add_argument("--peer", action="append", default=[], metavar="USER", help="who may ask (the signer's own user)")
    run.add_argument("--public", type=Path, metavar="FILE", help="write the public key there, for everybody")
    show = commands.add_parser("key", help="print the public key of the log")
    again = commands.add_parser("go-on", help="sign again after a restore, from the newest checkpoint on")
    again.add_argument("--newest", type=Path, metavar="FILE", help="the newest checkpoint that anybody holds")
    for command in (run, show, again):
        command.add_argument("--folder", type=Path, required=True, metavar="FOLDER", help="the key store")
        command.add_argument("--token", metavar="LABEL", help="the key lies in this PKCS #11 token (PIN: SIGNER_PIN)")
        command.add_argument("--module", default="", metavar="FILE", help="the token's PKCS #11 library")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        key = _token(options)
        if options.command == "key":
            sys.stdout.write(f"{Store.open(options.folder, key=key).vkey}\n")
        elif options.command == "go-on":
            newest = options.newest.read_bytes() if options.newest else None
            last = go_on(options.folder, newest, key=key)
            sys.stdout.write(f"The signer goes on from {last.size} entries. Start it.\n")
        else:
            _serve(options, key)
    except (StoreUnusable, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    return 0


def _serve(options: argparse.Namespace, key: Ed25519PrivateKey | None) -> None:
    _close_memory()
    uids = frozenset(pwd.getpwnam(name).pw_uid for name in options.peer) or frozenset({os.geteuid()})
    store = Store.open(options.folder, origin=options.origin, key=key)
    with (options.folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise StoreUnusable(f"Another signer works with {options.folder} already.") from problem
        if options.public is not None:
            write_durably(options.public, f"{store.vkey}\n".encode())
            options.public.chmod(0o644)
        with listening(options.socket or options.folder / "socket", group=options.group) as server:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: server.close())
            log.info("the signer of %s is ready, at %d entries", store.vkey.name, store.seen.size)
            serve(server, store, uids)


def _close_memory() -> None:
    """Nobody of our user reads this process's memory, and no core dump holds the key."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _token(options: argparse.Namespace) -> Ed25519PrivateKey | None:
    """The key in a token, as a station has one: made there at first, used there, never outside."""
    if options.token is None:
        return None
    from wipe_agent.errors import TokenUnusable, WrongPassphrase
    from wipe_agent.keys import token

    try:
        return token.make(token.TokenPlace(options.module, options.token, KEY_NAME), os.environ["SIGNER_PIN"])
    except KeyError as problem:
        raise StoreUnusable("Set SIGNER_PIN to the token's PIN.") from problem
    except (TokenUnusable, WrongPassphrase) as problem:
        raise StoreUnusable(f"The token cannot be used: {problem}") from problem


if __name__ == "__main__":
    sys.exit(main())
