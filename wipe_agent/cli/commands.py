"""The commands: each asks one function and puts the answer into words."""

from __future__ import annotations

import getpass
import os
import platform
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Protocol, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent import jobs, keys, media, sync
from wipe_agent.certificate import Bundle, Report, Trust, verify
from wipe_agent.certificate.bundle import read_file
from wipe_agent.certificate.strict import MAX_BYTES
from wipe_agent.certificate.times import read_time
from wipe_agent.check import signatures
from wipe_agent.cli import residue
from wipe_agent.cli.operator import operator_of
from wipe_agent.cli.planning import wish_of
from wipe_agent.errors import (
    AgentError,
    BadUsage,
    CertificateRefused,
    DoesNotVerify,
    Unreadable,
    WrongPassphrase,
    WrongSerial,
)
from wipe_agent.journal import parse
from wipe_agent.stand import Row, Stand

_MARKS = {"holds": "ok  ", "caution": "note", "fails": "FAIL"}

Answer = tuple[dict[str, Any], list[str], int]
"""What a command found: for machines, for people, and the exit code."""


class Screen(Protocol):
    """What a screen can show; `screen.Terminal` is one."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: Any) -> None: ...
    def step(self, name: str, size: int) -> None:
        """A new stage of `size` bytes."""

    def at(self, done: int) -> None:
        """Bytes of the stage that are done."""

    def note(self, text: str) -> None:
        """Something to know."""

    def ask(self, question: str) -> str:
        """Ask the operator."""

    def bench(
        self,
        board: Stand,
        look: Callable[[], list[Row]],
        *,
        station: str,
        wall: bool,
        certify: Callable[[str], list[str]],
    ) -> None:
        """Show many drives until the operator leaves."""


class ScreenKind(Protocol):
    """Makes a screen."""

    def __call__(self, *, quiet: bool) -> Screen: ...


def enrol(chosen: Namespace, _: Screen) -> Answer:
    """Make this machine a station."""
    home = _home()
    name = chosen.name or platform.node() or "station"
    place = _token_place(chosen)
    secret = passphrase(new=place is None and not home.key_file.exists(), pin=place is not None)
    done = sync.enrol(home, market=chosen.market, code=chosen.code, name=name, passphrase=secret, token=place)
    found = {**asdict(done.station), "trust_fingerprint": done.trust_fingerprint}
    found["clock_off_seconds"] = done.clock_off_seconds
    sentences = [
        f"This machine is now a station of {done.station.centre_name}, known as {done.station.verification_method}.",
        f"Fingerprint of the trust file: {done.trust_fingerprint}",
        "Compare it with the marketplace's page Stations, best read on another device.",
        "If they differ, delete the state folder.",
    ]
    if done.station.mode == "training":
        sentences.append("This marketplace is for TRAINING: its certificates prove nothing.")
    if abs(done.clock_off_seconds) > 60:
        sentences.append(f"This clock is {done.clock_off_seconds} s off the marketplace's. Set it before you work.")
    return found, sentences, 0


def media_list(chosen: Namespace, _: Screen) -> Answer:
    """List the drives."""
    drives = [media.describe_image(path) for path in chosen.image] if chosen.image else media.list_drives()
    sentences = []
    for drive in drives:
        identity = drive.identity
        name = " ".join(part for part in (identity.model, f"serial {identity.serial or 'not reported'}") if part)
        sentences.append(
            f"{drive.path}  {media.size_in_words(identity.size)}  {identity.transport or drive.kind}  {name}"
        )
        sentences.extend(f"    not to be wiped: {refusal}" for refusal in drive.refusals)
        if identity.training:
            sentences.append(f"    {identity.training_reason}: TRAINING only")
    hiding = [one.says for one in media.controllers() if not one.resolved] if not chosen.image else []
    sentences.extend(f"Not resolved: {one}" for one in hiding)
    found = {"media": [drive.as_dict() for drive in drives], "unresolved_controllers": hiding}
    return found, sentences or ["No drives."], 0


def orders(chosen: Namespace, screen: Screen) -> Answer:
    """Fetch or list the work orders."""
    home = _home()
    if chosen.offline:
        kept, refused = jobs.kept_orders(home)
    else:
        key = keys.load_key(home, passphrase())
        kept, refused = sync.fetch_orders(home, key)
        # What was fetched earlier and is not open any more is said here, too, and not begun at the bench.
        sent = {order.code for order in kept}
        kept += [order for order in sync.ask_standings(home, key, note=screen.note) if order.code not in sent]
    known = [_order(home, order) for order in kept]
    sentences = []
    for order in known:
        practice = " (TRAINING)" if order["training"] else ""
        certified = f", {order['certificate']}" if order["certificate"] else ""
        sentences.append(
            f"{order['code']}{practice}  device {order['device_code']}  until {order['valid_until']}{certified}"
        )
        if order["refusal"]:
            sentences[-1] += f": {order['refusal']}"
            sentences.append("    Ask for a new work order.")
        if order["stopped"]:
            sentences.append(f"    Not to be begun: {' '.join(order['stopped'])}")
        for one in order["media"]:
            name = " ".join(part for part in (one["kind"], one["model"], one["serial"] or one["id"]) if part)
            sentences.append(f"    {name}: {one['state']}")
    sentences.extend(f"Refused: {sentence}" for sentence in refused)
    return {"orders": known, "refused": refused}, sentences or ["There are no open work orders."], 0


def wipe(chosen: Namespace, screen: Screen) -> Answer:
    """Wipe one drive."""

    def typed(question: str) -> str:
        if chosen.confirm_serial is not None:
            return str(chosen.confirm_serial)
        if not sys.stdin.isatty():
            raise WrongSerial("Nobody is here to type the serial.", next_step="Give it with --confirm-serial SERIAL.")
        return screen.ask(question)

    done = jobs.wipe(
        _home(),
        order_code=chosen.order,
        target_path=chosen.target,
        medium_named=chosen.medium,
        typed=typed,
        operator=operator_of(chosen, screen.ask),
        image=chosen.image,
        start_over=chosen.start_over,
        wish=wish_of(chosen),
        sampling=residue.sampling_of(chosen),
        progress=jobs.Progress(step=screen.step, at=screen.at, note=screen.note),
    )
    sentences = [residue.wiped_in_words(done)]
    if done.again:
        sentences = [
            f"{done.serial or done.medium} was wiped already and read back at {_minute(done.after['at'])}.",
            "This time it was not looked at again. If it was used since, wipe it anew with --start-over.",
        ]
    if done.resumed_at is not None:
        sentences.append(f"The work had been broken off and went on at byte {done.resumed_at:,}.")
    before = signatures.in_words(done.before)
    sentences.append(f"Recognised before the wipe: {before}. After it: nothing.")
    sentences.append(f"Next: wipe-agent certify --order {done.order}")
    return asdict(done), sentences, 0


def certify(chosen: Namespace, _: Screen) -> Answer:
    """Issue the certificate, or note a destruction."""
    home = _home()
    if chosen.destroyed is not None and chosen.absent is not None:
        raise BadUsage("A medium is destroyed or absent, not both.", next_step="Give --destroyed or --absent.")
    if chosen.destroyed is not None:
        return _destroyed(home, chosen)
    if chosen.absent is not None:
        return _absent(home, chosen)
    if chosen.photograph:
        raise BadUsage(
            "A photograph belongs to a medium that was destroyed or is absent.",
            next_step="Give --destroyed SERIAL or --absent MEDIUM as well.",
        )
    done = jobs.certify(
        home,
        order_code=chosen.order,
        open_key=lambda: keys.load_key(home, passphrase()),
        archive=chosen.zip,
    )
    found = {**asdict(done), "bundle": str(done.bundle), "zip": str(chosen.zip) if chosen.zip else None}
    practice = "Training certificate" if done.training else "Certificate"
    media_count = "1 medium" if done.media == 1 else f"{done.media} media"
    sentences = [
        f"{practice} {done.certificate_id} for {media_count}{' (issued before)' if done.again else ''}.",
        f"Bundle: {done.bundle}",
    ]
    stopped = jobs.stopped(home, jobs.load_order(home, chosen.order))
    # It says what was done, and is not kept back; but nobody is to wonder why it is refused.
    sentences.append(f"Before you send it: {' '.join(stopped)}" if stopped else "Next: wipe-agent sync")
    return found, sentences, 0


def sync_all(chosen: Namespace, screen: Screen) -> Answer:
    """Send what is in the outbox and witness the log."""
    home = _home()
    station_key = keys.load_key(home, passphrase())
    if chosen.again:
        sync.offer_refused_again(home)
    try:
        done = sync.send(home, station_key, tries=1 if chosen.once else sync.TRIES, note=screen.note)
    except AgentError:
        _witness(home, station_key, screen, sent=False)
        raise
    stopped = sync.ask_standings(home, station_key, note=screen.note)
    for order in stopped:
        screen.note(f"Nothing is begun under order {order.code}: {' '.join(jobs.stopped(home, order) or ())}")
    witnessed = _witness(home, station_key, screen, sent=bool(done.receipts))
    completed = sync.bring_completed(home, fresh=chosen.fresh, note=screen.note)
    issued = sync.fetch_issued(home, station_key, note=screen.note)
    if done.refused:
        reasons = "; ".join(
            f"{one['certificate_id']}: {one.get('reason') or 'no reason given'}" for one in done.refused
        )
        raise CertificateRefused(f"The marketplace refused {len(done.refused)} of {len(done.receipts)}. {reasons}")
    sentences = [f"{one['certificate_id']} accepted for device {one.get('device_code')}." for one in done.receipts]
    if completed:
        bundles = "1 completed bundle" if len(completed) == 1 else f"{len(completed)} completed bundles"
        sentences.append(f"{bundles}, with the log's proof and today's status lists: {home.sent}")
    found = {
        "receipts": done.receipts,
        "completed": [str(place) for place in completed],
        "waiting": done.waiting,
        "stopped": [order.code for order in stopped],
        "witnessed": {"size": witnessed.size, "text": witnessed.said},
        "issued": len(issued),
    }
    return found, sentences or ["Nothing to send."], 0


def _witness(home: keys.Home, key: Ed25519PrivateKey, screen: Screen, *, sent: bool) -> sync.Witnessed:
    """Witness the log, whatever became of the certificates. One that contradicts itself is said before all else."""
    witnessed = sync.witness_log(home, key, settle=sync.SETTLE_SECONDS if sent else 0)
    screen.note(witnessed.said)
    if witnessed.misbehaves is not None:
        raise witnessed.misbehaves
    return witnessed


def verify_bundle(chosen: Namespace, _: Screen) -> Answer:
    """Check a bundle: one line for each check."""
    at = datetime.now(UTC)
    if chosen.at is not None:
        try:
            at = read_time(chosen.at)
        except ValueError as error:
            raise BadUsage(str(error), next_step="Write --at as 2026-01-31T12:00:00Z.") from error
    try:
        bundle = Bundle.load(chosen.bundle)
    except ValueError as error:
        raise Unreadable(str(error)) from error
    try:
        trust = trust_of(chosen)
    except (ValueError, Unreadable) as error:
        raise Unreadable(str(error), next_step=f"Check the path after --trust. {_WHERE_TRUST_IS}") from error
    report = verify(bundle, trust, at=at, training=chosen.training)
    sentences = [f"{_MARKS[check.level]}  {check.name}: {check.text}" for check in report.checks]
    strictly = chosen.strict and bool(report.cautions)
    sentences += [*_about(report), _verdict(report, strictly=strictly)]
    failed = next((check.name for check in report.checks if not check.ok), "")
    if failed in _TRY and not (failed == "training" and chosen.training):
        sentences.append(f"Next: {_TRY[failed]}")
    said = report.statement if report.ok else None
    found = {
        "ok": report.ok and not strictly,
        "device": {"code": said.device_code, **said.host_claimed} if said else None,
        "issuer": said.issuer_name if said else None,
        "signed": f"{said.created:%Y-%m-%dT%H:%M:%SZ}" if said else None,
        "refusal": report.cautions[0].text if report.ok and strictly else report.refusal,
        "cautions": len(report.cautions),
        "certificate_id": report.statement.certificate_id if report.statement else None,
        "checks": [
            {"name": check.name, "level": check.level, "ok": check.ok, "text": check.text, "code": check.code}
            for check in report.checks
        ],
    }
    if found["ok"]:
        return found, sentences, 0
    return found, sentences, DoesNotVerify.exit_code if report.readable else Unreadable.exit_code


_WHERE_TRUST_IS = "The marketplace publishes its trust file at /trust.json."
# What to do after a check that failed for what the caller did not say.
_TRY = {
    "trust": f"Give the trust file with --trust FILE. {_WHERE_TRUST_IS}",
    "training": "To check it as a training certificate, run this again with --training.",
}


def _about(report: Report) -> list[str]:
    """Which device a certificate that holds is about, so that one of another device is noticed; who signed it, when."""
    said = report.statement
    if said is None or not report.ok:
        return []
    host = said.host_claimed
    name = " ".join(part for part in (host.get("manufacturer"), host.get("model")) if part)
    serial = f"serial number {host['serial']}" if host.get("serial") else "no serial number"
    told = [
        f"Device: {name}, {serial} ({said.device_code}). Compare it with the device in your hand.",
        f"Signed by {said.issuer_name} on {said.created:%Y-%m-%d %H:%M} UTC.",
    ]
    if report.known_at is not None:
        known = f"As known on {report.known_at:%Y-%m-%d %H:%M} UTC."
        told.append(f"{known} Whether it was revoked since, only a new look-up can say.")
    return told


def _minute(at: str) -> str:
    """A time of the journal, for people."""
    return f"{read_time(at):%Y-%m-%d %H:%M} UTC"


def _verdict(report: Report, *, strictly: bool) -> str:
    if not report.ok:
        return "Does not verify."
    cautions = len(report.cautions)
    several = f"{cautions} {'thing' if cautions == 1 else 'things'} to know, marked note above"
    if strictly:
        return f"Does not verify: {several}, and with --strict that is not enough."
    known = f", with {several}" if cautions else ""
    if report.statement is not None and report.statement.training:
        return f"Verifies{known}, as a TRAINING certificate: it proves nothing about a real device."
    return f"Verifies{known}."


def _destroyed(home: keys.Home, chosen: Namespace) -> Answer:
    medium, recorded = jobs.record_destroyed(
        home,
        order_code=chosen.order,
        medium_named=chosen.destroyed,
        technique=chosen.technique,
        particle_size_mm=chosen.particle_size_mm,
        operator=chosen.operator,
        witness=chosen.witness,
        photos=chosen.photograph,
    )
    return _recorded(home, chosen.order, medium, "destroyed", f": {jobs.said_of(recorded)}")


def _absent(home: keys.Home, chosen: Namespace) -> Answer:
    medium, recorded = jobs.record_absent(
        home,
        order_code=chosen.order,
        medium_named=chosen.absent,
        operator=chosen.operator,
        witness=chosen.witness,
        photos=chosen.photograph,
    )
    return _recorded(home, chosen.order, medium, "absent", f", by {recorded['operator']} before {recorded['witness']}")


def _recorded(home: keys.Home, code: str, medium: jobs.OrderMedium, what: str, words: str) -> Answer:
    """What to answer when a medium was recorded as destroyed or absent, and what comes next."""
    order = _order(home, jobs.load_order(home, code))
    sentences = [
        f"{medium.name_to_type} is recorded as {what}{words}.",
        f"Next: wipe-agent certify --order {order['code']}",
    ]
    return {"order": order["code"], what: medium.id, "media": order["media"]}, sentences, 0


def _order(home: keys.Home, order: jobs.Order) -> dict[str, Any]:
    """An order for people and machines, with where each medium stands by its journal."""
    issued = jobs.issued(home, order.code)
    stopped = jobs.stopped(home, order) if issued is None else None
    return {
        "code": order.code,
        "device_code": order.device_code,
        "training": order.training,
        "certified": issued is not None,
        "certificate": str(issued.standing) if issued else None,
        "refusal": issued.reason if issued else "",
        "stopped": list(stopped) if stopped else None,
        "valid_until": f"{order.valid_until:%Y-%m-%d %H:%M} UTC",
        "media": [
            {
                "id": medium.id,
                "kind": medium.kind,
                "model": medium.model,
                "serial": medium.serial,
                "state": medium_state(home, order.code, medium.id),
            }
            for medium in order.media
        ],
    }


def medium_state(home: keys.Home, order_code: str, medium_id: str) -> str:
    """Where a medium stands by its journal, in words. Raises JournalDamaged."""
    path = jobs.journal_path(home, order_code, medium_id)
    if not path.exists():
        return "not begun"
    lines, _, _ = parse(path.read_bytes(), path.name)
    return jobs.read_story(lines, path.name).say()


def _home() -> keys.Home:
    home = keys.Home.from_environment()
    home.prepare()
    return home


def trust_of(chosen: Namespace) -> Trust | None:
    """The named trust file, else the one pinned at enrolment, else none: then nothing verifies."""
    if chosen.trust is not None:
        try:
            return Trust.parse(read_file(chosen.trust.resolve(), MAX_BYTES, f"The trust file {chosen.trust}"))
        except OSError as error:
            raise Unreadable(f"The trust file {chosen.trust} cannot be read ({error.strerror}).") from error
        except RuntimeError as error:  # links in a circle
            raise Unreadable(f"The trust file {chosen.trust} cannot be read ({error}).") from error
    home = keys.Home.from_environment()
    return keys.load_trust(home) if home.trust_file.exists() else None


def _token_place(chosen: Namespace) -> keys.TokenPlace | None:
    """The token that is to hold the key, if one is named."""
    if chosen.token is None and chosen.pkcs11_module is None:
        return None
    if chosen.token is None or chosen.pkcs11_module is None:
        raise BadUsage("A token is named by two options.", next_step="Give --token LABEL and --pkcs11-module FILE.")
    return keys.TokenPlace(str(chosen.pkcs11_module), chosen.token, chosen.token_key)


def passphrase(*, new: bool = False, pin: bool = False) -> str:
    """The passphrase or PIN of the key in this state folder: from the environment, else asked for."""
    given = os.environ.get("WIPE_AGENT_PASSPHRASE")
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise WrongPassphrase("Nobody is here to type the passphrase.", next_step="Set WIPE_AGENT_PASSPHRASE.")
    pin = pin or keys.in_token(keys.Home.from_environment())
    if new:
        question = f"New passphrase of this station, at least {keys.SHORTEST_PASSPHRASE} characters: "
    else:
        question = "PIN of this station's token: " if pin else "Passphrase of this station: "
    said = getpass.getpass(question)
    if new and len(said) < keys.SHORTEST_PASSPHRASE:
        raise WrongPassphrase(
            f"That has {len(said)} characters.",
            next_step=f"Run the same command again and choose one of at least {keys.SHORTEST_PASSPHRASE}.",
        )
    if new and said != getpass.getpass("Once more: "):
        raise WrongPassphrase("The two passphrases differ.")
    return said
