"""The commands about the public log: witness and monitor."""

from __future__ import annotations

import json
import sys
from argparse import Namespace

from wipe_agent import durable, keys
from wipe_agent.cli.commands import Answer, Screen, passphrase, trust_of
from wipe_agent.errors import BadUsage, NotEnrolled, StateUnusable, Unreadable
from wipe_agent.witness import Memory, Trusted, Witness, trusted_in
from wipe_agent.witness.server import WitnessServer


def witness(chosen: Namespace, _: Screen) -> Answer:
    """Make a witness's key, or answer as a witness until stopped."""
    home = keys.Home.from_environment()
    home.prepare()
    if home.station_file.exists():
        raise BadUsage(
            "This state folder is a station's. A station witnesses the log at each sync.",
            next_step="Set WIPE_AGENT_HOME to a new folder for a witness of its own.",
        )
    if chosen.make_key is not None:
        return _make_key(home, chosen.make_key)
    name, trusted = _name(home), _trusted(chosen)
    answers = Witness(name, keys.load_key(home, passphrase()), Memory(home.path / "witness"), trusted.logs)
    with WitnessServer(answers, _address(chosen.listen), note=lambda text: _say(text, error=True)) as server:
        _say(f"Witness {name} answers at {server.url}. Its key: {answers.vkey}")
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            _say("Stopped.")
    return {}, [], 0


def _trusted(chosen: Namespace) -> Trusted:
    try:
        trust = trust_of(chosen)
    except ValueError as error:
        raise Unreadable(str(error)) from error
    if trust is None or not trust.logs:
        raise BadUsage("The trust file names no log.", next_step="Give a trust file that does, with --trust FILE.")
    return trusted_in(trust)


def _make_key(home: keys.Home, name: str) -> Answer:
    place = home.path / "witness.json"
    if place.exists() and _name(home) != name:
        raise BadUsage(f"This state folder is the witness {_name(home)} already.", next_step="Use another folder.")
    key = keys.make_key(home, passphrase(new=not home.key_file.exists()))
    vkey = str(Witness(name, key, Memory(home.path / "witness"), {}).vkey)
    durable.write_file(place, json.dumps({"name": name}, ensure_ascii=False).encode())
    sentences = [
        f"The key of the witness {name} is made.",
        f"Others trust it by this line: {vkey}",
        "Next: wipe-agent witness --trust FILE",
    ]
    return {"name": name, "vkey": vkey}, sentences, 0


def _name(home: keys.Home) -> str:
    place = home.path / "witness.json"
    try:
        return str(json.loads(place.read_bytes())["name"])
    except FileNotFoundError as error:
        raise NotEnrolled(
            "This witness has no key yet.", next_step="Run: wipe-agent witness --make-key witness.example/one"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateUnusable(f"{place} cannot be read.") from error


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise BadUsage(f"{text!r} is no address to listen at.", next_step="Write --listen 127.0.0.1:8181.")
    return host, int(port)


def _say(text: str, *, error: bool = False) -> None:
    out = sys.stderr if error else sys.stdout
    out.write(text + "\n")
    out.flush()
