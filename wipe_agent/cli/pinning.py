"""The command pin: a station takes a newer trust file in the place of the pinned one, by a compared fingerprint.

Nothing that comes over the network replaces it. A person brings the file, and the fingerprint by another way.
"""

from __future__ import annotations

from argparse import Namespace

from wipe_agent import durable, keys
from wipe_agent.certificate import Trust, Unreadable, canonical, fingerprint, read, vocabulary
from wipe_agent.certificate.bundle import read_file
from wipe_agent.certificate.strict import MAX_BYTES
from wipe_agent.certificate.times import write_time
from wipe_agent.cli.commands import Answer, Screen
from wipe_agent.errors import BadUsage
from wipe_agent.errors import Unreadable as NotReadable

MOST_TOLD = 50


def pin(chosen: Namespace, _: Screen) -> Answer:
    """Show what a trust file changes; with its fingerprint, pin it."""
    home = keys.Home.from_environment()
    keys.load_station(home)
    before = keys.load_trust(home)
    try:
        document = read(read_file(chosen.file.resolve(), MAX_BYTES, f"The trust file {chosen.file}"), what="trust file")
        after = Trust.of(document)
    except (Unreadable, OSError, RuntimeError) as error:
        raise NotReadable(
            f"The trust file {chosen.file} cannot be pinned ({error}).",
            next_step="Check the path. The marketplace publishes its trust file at /trust.json.",
        ) from error
    whole = canonical(document)
    name = fingerprint(whole)
    _require_fitting(before, after)
    told = changes(before, after)
    found = {"fingerprint": name, "pinned": True, "changes": told}
    if whole == canonical(read(home.trust_file.read_bytes(), what="trust file")):
        return found, ["This trust file is the pinned one.", f"Its fingerprint: {name}"], 0
    sentences = [f"Fingerprint of {chosen.file}: {name}", *(f"    {text}" for text in told[:MOST_TOLD])]
    if len(told) > MOST_TOLD:
        sentences.append(f"    {len(told) - MOST_TOLD} changes more; --json lists all.")
    if chosen.fingerprint is None:
        next_ = (
            f'Next: compare it with the marketplace by another way, then: wipe-agent pin FILE --fingerprint "{name}"'
        )
        return found | {"pinned": False}, [*sentences, "Nothing has changed yet.", next_], 0
    if "".join(chosen.fingerprint.split()).lower() != name.replace(" ", ""):
        raise BadUsage(
            f"The fingerprint of {chosen.file} is {name}, and not the one that was given. Nothing has changed.",
            next_step="Fetch the file anew, and compare its fingerprint with the marketplace by another way.",
        )
    durable.write_file(home.trust_file, whole)
    return found, [*sentences, "It is pinned. From now on it decides whose orders and accreditations count."], 0


def changes(before: Trust, after: Trust) -> list[str]:
    """What is told of a newer trust file, a sentence for each party, key and log that differs."""
    told = [f"New: {after.names[did]}, {role} ({did})" for role, did in sorted(after.roles - before.roles)]
    told += [f"Gone: {before.names[did]}, {role} ({did})" for role, did in sorted(before.roles - after.roles)]
    old, new = ({method: key.public_bytes_raw() for (_, method), key in one.keys.items()} for one in (before, after))
    told += [f"New key: {method}" for method in sorted(new.keys() - old.keys())]
    told += [f"Key gone: {method}" for method in sorted(old.keys() - new.keys())]
    told += [
        f"Another key under the same name: {method}"
        for method in sorted(old)
        if new.get(method, old[method]) != old[method]
    ]
    for method, end in sorted(after.key_ends.items()):
        if before.key_end(method) != end:
            since = end.compromised_since
            lost = f"; others may have had it since {write_time(since)}" if since is not None else ""
            told.append(f"Key ended: {method}, {write_time(end.until)}{lost}")
    told += [
        f"Counts again: {method}" for method in sorted(before.key_ends.keys() - after.key_ends.keys()) if method in new
    ]
    told += [
        f"Ended: {after.names[did]}, {write_time(until)} ({did})"
        for did, until in sorted(after.ends.items())
        if before.until(did) != until
    ]
    if (before.logs, before.witnesses, before.witnesses_needed) != (
        after.logs,
        after.witnesses,
        after.witnesses_needed,
    ):
        logs = ", ".join(log.origin for log in after.logs) or "none"
        told.append(f"Logs: {logs}; {after.witnesses_needed} of {len(after.witnesses)} witnesses needed")
    return told


def _require_fitting(before: Trust, after: Trust) -> None:
    if after.training is not before.training:
        raise BadUsage(
            "This trust file is for practice and the station is not, or the other way round. Nothing has changed.",
            next_step="Practice and real work need stations of their own.",
        )
    works_for = {did for role, did in before.roles if role == vocabulary.MARKETPLACE}
    if not any(after.knows(did, vocabulary.MARKETPLACE) for did in works_for):
        raise BadUsage(
            "This trust file does not list the marketplace of this station. Nothing has changed.",
            next_step="Give the trust file of the marketplace at which this station is enrolled.",
        )
