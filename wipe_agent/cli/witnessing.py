"""The commands about the public log: witness, monitor, and issued."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from datetime import UTC, datetime

from wipe_agent import durable, keys, sync
from wipe_agent import monitor as following
from wipe_agent.certificate.shape import did
from wipe_agent.certificate.times import write_time
from wipe_agent.cli.commands import Answer, Screen, passphrase, trust_of
from wipe_agent.errors import BadUsage, LogLate, NotEnrolled, NotOurs, StateUnusable, Unreadable
from wipe_agent.witness import LogSite, Memory, Trusted, Witness, trusted_in
from wipe_agent.witness.server import WitnessServer

MOST_TOLD = 50


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


def monitor(chosen: Namespace, _: Screen) -> Answer:
    """Look at the log once: it only grew, it holds what it signed, witnesses look at it, and nobody uses our name."""
    home, trusted = keys.Home.from_environment(), _trusted(chosen)
    at = datetime.now(UTC).replace(microsecond=0)
    station = keys.load_station(home) if home.station_file.exists() else None
    ours = station.verification_method.partition("#")[0] if station is not None else ""
    centre = chosen.centre or ours
    if did(centre) is not None and centre:
        raise BadUsage(f"{centre!r} is no DID of a centre.", next_step="Write --centre did:web:...")
    own: dict[str, following.Own] | None = None
    lists, method, issued = following.of_lists(chosen.own), "", dict[str, str]()
    if station is not None and centre == ours:
        method, issued = station.verification_method, sync.kept_issued(home)
        own = following.known(home, method, issued, lists)
    elif centre and chosen.own:
        own = lists
    elif centre:
        raise BadUsage(
            "This is no station of that centre, so it does not know what the centre issued.",
            next_step="Give the centre's list with --own FILE. Its page of stations has it as a file.",
        )
    found = following.follow(
        LogSite.at(chosen.log),
        trusted,
        chosen.state,
        at=at,
        centre=centre,
        own=own,
        held=following.held_by_station(home) if centre and centre == ours else None,
        shown_to_others=[following.shown(path) for path in chosen.compare],
    )
    by_our_key = {entry.digest for entry in found.foreign if method and issued.get(entry.digest) == method}
    return _told(found, trusted, centre, at, by_our_key)


def issued(_: Namespace, __: Screen) -> Answer:
    """List what this station issued, for the monitor of another one: on each line a digest and this station's key."""
    home = keys.Home.from_environment()
    method = keys.load_station(home).verification_method
    digests = sorted(following.of_station(home))
    return {"station": method, "digests": digests}, [f"{digest} {method}" for digest in digests], 0


def _told(found: following.Found, trusted: Trusted, centre: str, at: datetime, by_our_key: set[str]) -> Answer:
    """What a look found, for machines and for people. `by_our_key` are digests of what is not known here, though the
    marketplace says that the key of this station signed it.
    """
    sentences = [
        f"{found.origin}: {_count(found.size, 'entry', 'entries')}, {found.size - found.before} of them new.",
        "It only grew, and every entry is the one in the tree that the log signed.",
    ]
    sentences += [f"    {count} {kind}" for kind, count in sorted(found.kinds.items())]
    names = {trusted.witnesses[key]: time for key, time in found.witnesses.items()}
    sentences.append(f"Witnesses of the newest state: {len(names)}; the trust file asks for {trusted.needed}.")
    sentences += [f"    {name} at {write_time(time)}" for name, time in sorted(names.items())]
    if found.uncounted:
        others = _count(len(found.uncounted), "other signature is", "other signatures are")
        sentences.append(f"{others} under it, of nobody whom the trust file names as a witness: not counted here.")
    unwitnessed = found.unwitnessed(at)
    if found.waiting_since is not None:
        word = "Attention: entries" if unwitnessed else "Entries"
        sentences.append(f"{word} have waited for enough witnesses since {write_time(found.waiting_since)}.")
    if centre:
        certificates = _count(found.entries, "certificate", "certificates")
        accreditations = _count(found.accreditations, "accreditation", "accreditations")
        sentences.append(f"{centre}: {certificates} and {accreditations} in the log.")
    sentences += [
        f"    {count} by another key, {key}, as the list says. The station with that key follows them."
        for key, count in sorted(found.elsewhere.items())
    ]
    sentences += [f"{name} is of this same log." for name in found.compared]
    troubles = [
        f"Entry {one.index}: a certificate in the centre's name that is not known here"
        f"{', signed with the key of this station' if one.digest in by_our_key else ''}, {one.digest}"
        for one in found.foreign
        if one.digest not in found.told
    ]
    troubles += [
        f"Entry {one.index}: an accreditation of the centre lists a key that it does not know, {one.digest}"
        for one in found.unexpected
    ]
    troubles += [
        f"Entry {one.index}: an accreditation whose text the marketplace does not give, {one.digest}"
        for one in found.unread
    ]
    missing = [digest for digest in found.missing if digest not in found.told]
    troubles += [f"Accepted more than a day ago, but not in the log: {digest}" for digest in missing]
    troubles += [*found.unlogged, *found.late, *found.strange]
    sentences += [f"Attention: {text}" for text in troubles[:MOST_TOLD]]
    if len(troubles) > MOST_TOLD:
        sentences.append(f"Attention: {len(troubles) - MOST_TOLD} more; --json lists all.")
    if found.told:
        sentences.append(f"Attention: named earlier and not settled yet: {len(found.told)}; --json lists all.")
    kind = NotOurs if found.foreign or found.unexpected else LogLate if troubles or found.told or unwitnessed else None
    sentences += [f"Next: {kind.next_step}"] if kind is not None else _calm(trusted, centre)
    said = {
        "origin": found.origin,
        "size": found.size,
        "new": found.size - found.before,
        "kinds": dict(found.kinds),
        "witnesses": [{"name": name, "at": write_time(time)} for name, time in sorted(names.items())],
        "witnesses_needed": trusted.needed,
        "uncounted": found.uncounted,
        "waiting_since": write_time(found.waiting_since) if found.waiting_since else None,
        "unwitnessed": unwitnessed,
        "centre": centre or None,
        "certificates": found.entries,
        "elsewhere": dict(found.elsewhere),
        "told": sorted(found.told),
        "foreign": [{"index": one.index, "digest": one.digest} for one in found.foreign],
        "accreditations": found.accreditations,
        "accreditations_unexpected": [{"index": one.index, "digest": one.digest} for one in found.unexpected],
        "accreditations_unread": [{"index": one.index, "digest": one.digest} for one in found.unread],
        "accreditations_unlogged": found.unlogged,
        "missing": found.missing,
        "late": found.late,
        "strange": found.strange,
        "compared": found.compared,
    }
    return said, sentences, kind.exit_code if kind is not None else 0


def _calm(trusted: Trusted, centre: str) -> list[str]:
    """Nothing was found, and what was not looked for."""
    said = []
    if trusted.needed == 0:
        said.append(
            "The trust file asks for no witnesses, so this look alone does not show that others see the same log. "
            "Compare with what they were shown: --compare FILE."
        )
    if not centre:
        said.append("No centre was named, so nobody looked for certificates in its name: --centre DID.")
    return [*said, "Nothing was found that is wrong." if said else "Nothing to worry about."]


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _trusted(chosen: Namespace) -> Trusted:
    try:
        trust = trust_of(chosen)
    except ValueError as error:
        raise Unreadable(str(error)) from error
    if trust is None:
        raise BadUsage(
            "There is no trust file, so it is not known which key the log signs with.",
            next_step="Give one with --trust FILE: the marketplace serves its own as /trust.json.",
        )
    if not trust.logs:
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
