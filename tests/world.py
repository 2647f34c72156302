"""A market for tests: its sample people as actors, and short ways to bring a device to where a test begins.

Every step goes through the journey, each in a transaction of its own. Certificates are issued by the real format with
a key that was enrolled as a station's; only the drive is imagined.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image
from sqlalchemy.orm import Session

from ewaste.accounts import sessions
from ewaste.accounts.models import WORKER, Actor, Organisation, Person
from ewaste.accounts.samples import SAMPLES
from ewaste.centres import checklist, credentials
from ewaste.centres.models import Centre, Station, WorkOrder
from ewaste.certificates import registry
from ewaste.core.database import Base, Database
from ewaste.devices.models import Device, Medium
from ewaste.journey import accrediting, bench, clearing, sale, settlement, trade_in
from ewaste.journey.clearing import Receipt
from ewaste.market.models import Lot
from ewaste.payments.gateway import PaymentState
from ewaste.tradein.models import Offer
from tests.contents import digests
from wipe_agent import certificate as wipe

DID_HOST = "market.test"
LAPTOP = "lenovo-thinkpad-t480"
GOOD_ANSWERS = {
    "cosmetic": "light_marks",
    "power": "yes",
    "screen": "whole",
    "display": "clean",
    "battery": "good",
    "keyboard": "yes",
    "storage": "yes",
    "liquid": "no",
    "account": "yes",
    "charger": "yes",
}
SERIAL = "PF1ABCDE"


@dataclass
class StationKey:
    """A station with its private key, as an agent holds it."""

    station: Station
    key: Ed25519PrivateKey


@dataclass
class World:
    """The market, its people and its clock. `now` moves only when a test moves it."""

    database: Database
    issuers: credentials.Issuers
    now: datetime
    stations: dict[UUID, StationKey] = field(default_factory=dict)

    def transaction(self) -> AbstractContextManager[Session]:
        """One step's transaction."""
        return self.database.transaction()

    def later(self, **delta: float) -> datetime:
        """Move the clock."""
        self.now += timedelta(**delta)
        return self.now

    def fingerprint(self) -> dict[str, str]:
        """A digest of the whole content of each table, the waiting jobs among them."""
        with self.transaction() as session:
            return digests(session, sorted({*Base.metadata.tables, "procrastinate_jobs"}))

    @contextmanager
    def nothing_changes(self, *but: str) -> Iterator[None]:
        """What is done inside leaves every table as it was, but for those named."""
        before = self.fingerprint()
        yield
        after = self.fingerprint()
        assert {table for table in after if after[table] != before[table]} == set(but)

    def raw(self, sql: str, **values: Any) -> Any:
        """The first value that the app role gets for this SQL, in a transaction of its own that commits."""
        with self.transaction() as session:
            answer = session.execute(sa.text(sql), values)
            return answer.scalar() if answer.returns_rows else answer.rowcount  # type: ignore[attr-defined]

    def refused_by_database(self, sql: str, **values: Any) -> str:
        """What PostgreSQL answers when it refuses this SQL to the app role: `SQLSTATE message`. Nothing changes."""
        with self.nothing_changes(), pytest.raises(sa.exc.DBAPIError) as refused:
            self.raw(sql, **values)
        cause: Any = refused.value.orig
        return f"{cause.sqlstate} {str(cause).splitlines()[0]}"

    def actor(self, email: str) -> Actor:
        """A sample person as they act, by the part of the address before the @."""
        full = next(sample.email for sample in SAMPLES if sample.email.split("@")[0] == email)
        with self.transaction() as session:
            person = session.scalars(sa.select(Person).where(Person.email == full)).one()
            return sessions.actor_of(session, person.id)

    def session_of(self, who: str) -> str:
        """Sign a sample person in without a form; returns what a browser's cookie then carries."""
        person_id = self.actor(who).id
        assert person_id is not None
        with self.transaction() as session:
            return sessions.begin(session, person_id, agent="a test", now=self.now, second_factor=True)

    def confirm(self, email: str) -> None:
        """This person used the link that was sent to them."""
        with self.transaction() as session:
            session.execute(sa.update(Person).where(Person.email == email).values(email_confirmed_at=self.now))

    def organisation(self, name: str) -> UUID:
        """The id of a sample organisation."""
        with self.transaction() as session:
            return session.scalars(sa.select(Organisation.id).where(Organisation.name == name)).one()

    @property
    def cora(self) -> Actor:
        """The consumer who sells."""
        return self.actor("cora")

    @property
    def olga(self) -> Actor:
        """The operator of the first centre."""
        return self.actor("olga")

    @property
    def stefan(self) -> Actor:
        """Staff."""
        return self.actor("stefan")

    @property
    def sara(self) -> Actor:
        """Staff, too: the second person."""
        return self.actor("sara")

    def audited(self, name: str = "Rhein Datenpark", *, who: str = "stefan", **found: str) -> UUID:
        """An audit of a centre with every point answered, as met but for those named (`read_back="not-met"`)."""
        auditor = self.actor(who)
        with self.transaction() as session:
            audit = accrediting.begin_audit(session, auditor, self.organisation(name), now=self.now)
            points = checklist.load(audit.checklist).points
            given = {point.id: (found.get(point.id.replace("-", "_"), "met"), "Seen on the spot.") for point in points}
            accrediting.answer_audit(session, auditor, audit.id, given, now=self.now)
            accrediting.conclude_audit(session, auditor, audit.id, now=self.now)
        return audit.id

    def propose(self, kind: str, name: str = "Rhein Datenpark", *, who: str = "stefan", **change: Any) -> UUID:
        """What somebody of staff proposes about a centre; a scope is clear and purge, for drives, for nine days."""
        scope: dict[str, Any] = {}
        if kind in ("grant", "scope"):
            scope = {
                "methods": ["purge", "clear"],
                "media_kinds": ["ssd", "hdd"],
                "valid_until": self.now + timedelta(days=9),
            }
        given = {"reason": "It was agreed.", **scope, **change}
        with self.transaction() as session:
            return accrediting.propose(
                session, self.actor(who), self.organisation(name), kind, **given, now=self.now
            ).id

    def confirm_decision(self, decision_id: UUID, *, who: str = "sara") -> None:
        """The second person confirms it."""
        with self.transaction() as session:
            accrediting.confirm(session, self.actor(who), decision_id, issuers=self.issuers, now=self.now)

    def decide(self, kind: str, name: str = "Rhein Datenpark", **change: Any) -> None:
        """Stefan proposes, after an audit where one is needed, and Sara confirms."""
        if kind in ("grant", "scope"):
            self.audited(name)
        self.confirm_decision(self.propose(kind, name, **change))

    def expected(
        self,
        *,
        serial: str = SERIAL,
        answers: dict[str, str] | None = None,
        silence: str = "send-back",
        floor: int | None = None,
    ) -> UUID:
        """A laptop that Cora announced to Rhein Datenpark."""
        with self.transaction() as session:
            quote = trade_in.quote(
                session, self.cora, model_code=LAPTOP, storage_gb=256, answers=answers or GOOD_ANSWERS, now=self.now
            )
        with self.transaction() as session:
            return trade_in.accept_quote(
                session,
                self.cora,
                quote.code,
                serial=serial,
                owner=True,
                centre_id=self.organisation("Rhein Datenpark"),
                silence=silence,
                floor_minor=floor,
                now=self.now,
            ).id

    def received(self, **options: Any) -> UUID:
        """The laptop at the centre, its seal intact."""
        device_id = self.expected(**options)
        with self.transaction() as session:
            bench.receive(
                session, self.olga, device_id, seal="S-1001", seal_state="intact", mass_g=1900, note="", now=self.now
            )
        return device_id

    def with_media(self, serials: Sequence[str] = ("DRIVE-1",), kind: str = "ssd", **options: Any) -> UUID:
        """The laptop with these drives noted."""
        device_id = self.received(**options)
        for serial in serials:
            self.note_medium(device_id, serial, kind)
        return device_id

    def note_medium(self, device_id: UUID, serial: str, kind: str = "ssd") -> UUID:
        """Note a drive."""
        with self.transaction() as session:
            return bench.observe_medium(
                session,
                self.olga,
                device_id,
                kind=kind,
                manufacturer="Samsung",
                model="PM981",
                serial=serial,
                wwn=None,
                size_bytes=256_000_000_000,
                now=self.now,
            ).id

    def inspected(self, *, findings: dict[str, object] | None = None, shows: str | None = None, **options: Any) -> UUID:
        """The laptop inspected, with an open offer."""
        device_id = self.with_media(**options)
        with self.transaction() as session:
            device = session.get_one(Device, device_id)
            bench.inspect(
                session,
                self.olga,
                device_id,
                observed_serial=shows or device.claimed_serial,
                mass_g=1580,
                findings=findings or good_findings() | ({"identity": "differs"} if shows else {}),
                now=self.now,
            )
        return device_id

    def clearing(self, **options: Any) -> UUID:
        """The laptop whose offer was confirmed."""
        device_id = self.inspected(**options)
        with self.transaction() as session:
            trade_in.confirm_offer(session, self.cora, self.offer(device_id).id, now=self.now)
        return device_id

    def ordered(self, **options: Any) -> tuple[UUID, WorkOrder]:
        """The laptop with a work order."""
        device_id = self.clearing(**options)
        return device_id, self.order(device_id)

    def order(self, device_id: UUID) -> WorkOrder:
        """A fresh work order for a device."""
        with self.transaction() as session:
            return bench.issue_work_order(session, self.olga, device_id, issuers=self.issuers, now=self.now)

    def cleared(self, **options: Any) -> UUID:
        """The laptop cleared and on its way."""
        device_id, order = self.ordered(**options)
        self.submit(self.bundle(order))
        return device_id

    def listed_lot(self, count: int = 1, *, reserve: int = 0) -> tuple[str, list[UUID]]:
        """An open lot of cleared laptops; all go the same way."""
        devices = [self.cleared(serial=f"PF{number:05d}", serials=(f"DRIVE-{number}",)) for number in range(count)]
        return self.lot_of(devices, reserve=reserve), devices

    def lot_of(self, devices: Sequence[UUID], *, reserve: int = 0) -> str:
        """An open lot of these devices, starting at ten euros, open for two days."""
        with self.transaction() as session:
            codes = list(session.scalars(sa.select(Device.code).where(Device.id.in_(devices))))
            return sale.form_lot(
                session,
                self.stefan,
                title="Laptops from Köln",
                device_codes=codes,
                start_minor=1_000,
                reserve_minor=reserve,
                opens_at=self.now,
                ends_at=self.now + timedelta(days=2),
                now=self.now,
            ).code

    def bid(self, who: str, lot: str, euros: int, key: str | None = None) -> Any:
        """Place a bid in whole euros."""
        with self.transaction() as session:
            return sale.place_bid(
                session, self.actor(who), lot, max_minor=euros * 100, key=key or uuid4().hex, now=self.now
            )

    def close(self, code: str) -> Any:
        """The worker closes a lot whose time has come."""
        with self.transaction() as session:
            lot_id = session.scalars(sa.select(Lot.id).where(Lot.code == code)).one()
        with self.transaction() as session:
            return sale.close_lot(session, WORKER, lot_id, now=self.now)

    def pay(self, order: Any, who: str, state: PaymentState = PaymentState.SUCCEEDED) -> UUID:
        """The buyer starts to pay an order and the provider says how that stands; returns the instruction's id."""
        with self.transaction() as session:
            errand = settlement.start_payment(session, self.actor(who), order.code, practice=True, now=self.now)
        self.provider_says(errand.instruction_id, state)
        return errand.instruction_id

    def provider_says(self, instruction_id: UUID, state: PaymentState = PaymentState.SUCCEEDED, why: str = "") -> str:
        """Note an answer of the provider about a payment; returns what happened."""
        reference = f"ref_{instruction_id.hex[:8]}"
        with self.transaction() as session:
            return settlement.note_payment(session, WORKER, instruction_id, state, reference, why, now=self.now)

    def offer(self, device_id: UUID) -> Offer:
        """The newest offer for a device."""
        with self.transaction() as session:
            return session.scalars(
                sa.select(Offer).where(Offer.device_id == device_id).order_by(Offer.cycle.desc()).limit(1)
            ).one()

    def device(self, device_id: UUID) -> Device:
        """The device as it stands now."""
        with self.transaction() as session:
            return session.get_one(Device, device_id)

    def media(self, device_id: UUID) -> list[Medium]:
        """Every medium of a device."""
        with self.transaction() as session:
            return list(session.scalars(sa.select(Medium).where(Medium.device_id == device_id).order_by(Medium.serial)))

    def station(self, centre: str = "Rhein Datenpark") -> StationKey:
        """A station of a centre with its key, enrolled at first use."""
        centre_id = self.organisation(centre)
        if centre_id not in self.stations:
            operator = self.olga if centre == "Rhein Datenpark" else self.actor("omar")
            with self.transaction() as session:
                code = bench.new_enrolment_code(session, operator, now=self.now)
            key = Ed25519PrivateKey.generate()
            public = wipe.public_key_multibase(key.public_key())
            proof = base64.b64encode(key.sign(f"ewaste-enrol-v1\n{code}\n{public}".encode())).decode()
            with self.transaction() as session:
                enrolled = clearing.enrol_station(
                    session,
                    issuers=self.issuers,
                    code=code,
                    name="Bench 1",
                    public_key=public,
                    proof=proof,
                    now=self.now,
                )
            self.stations[centre_id] = StationKey(enrolled, key)
        return self.stations[centre_id]

    def bundle(
        self,
        order: WorkOrder,
        *,
        centre: str = "Rhein Datenpark",
        leave_out: Sequence[str] = (),
        started: datetime | None = None,
        document: Mapping[str, Any] | None = None,
        accredited: Mapping[str, Any] | None = None,
        change: Callable[[dict[str, Any]], object] | None = None,
        training: bool = True,
        **line_changes: Any,
    ) -> dict[str, str]:
        """The bundle that an agent would send for a work order: every medium overwritten and read back in full.

        `document` and `accredited` stand in for the credentials we issued; `change` spoils the statement before the
        station signs it.
        """
        held = self.station(centre)
        document = document or json.loads(order.document)
        with self.transaction() as session:
            from ewaste.centres import accreditation

            accredited = accredited or json.loads(accreditation.current(session, held.station.centre_id).document)
            centre_row = session.get_one(Centre, held.station.centre_id)
            centre_name = session.get_one(Organisation, held.station.centre_id).name
        start = started or order.issued_at + timedelta(minutes=1)
        finish = start + timedelta(hours=2)
        lines = [
            wipe.MediumLine(
                **{
                    "medium_id": medium["id"],
                    "kind": medium["kind"],
                    "model": medium["model"],
                    "serial": medium["serial"],
                    "wwn": medium.get("wwn"),
                    "size_bytes": medium.get("sizeBytes", 256_000_000_000),
                    "level": "clear",
                    "technique": "overwrite-zeros",
                    "evidence_class": "full-read",
                    "tool": "wipe-agent",
                    "tool_version": "0.1.0",
                    "started": start,
                    "ended": start + timedelta(hours=1),
                    "verified": finish,
                    "exclusions": ["over-provisioned area"],
                    "bad_blocks": 0,
                    "operator": "Olga Brandt",
                    "validator": "Otto Kern" if line_changes.get("evidence_class") == "destroyed" else None,
                    "bytes_read": medium.get("sizeBytes", 256_000_000_000),
                    **line_changes,
                }
            )
            for medium in document["credentialSubject"]["media"]
            if medium["serial"] not in leave_out
        ]
        device = document["credentialSubject"]["device"]
        statement = wipe.certificate_statement(
            certificate_id=f"urn:uuid:{uuid4()}",
            issuer_did=centre_row.did,
            issuer_name=centre_name,
            valid_from=finish,
            training=training,
            work_order=document,
            accreditation=accredited,
            host_observed={name: device[name] for name in ("manufacturer", "model", "serial")},
            lines=lines,
            supersedes=document["credentialSubject"].get("supersedes"),
        )
        if change is not None:
            change(statement)
        certificate = wipe.issue(
            statement, held.key, verification_method=held.station.verification_method, created=finish
        )
        bundle = wipe.Bundle.of(certificate=certificate, accreditation=accredited, work_order=document)
        return {name: content.decode() for name, content in bundle.files.items()}

    def submit(self, files: dict[str, str], *, centre: str = "Rhein Datenpark") -> Receipt:
        """Send a bundle as a centre's station, three hours after now."""
        self.later(hours=3)
        actor = clearing.station_actor(self.station(centre).station)
        with self.transaction() as session:
            return clearing.accept_certificate(session, actor, files, issuers=self.issuers, now=self.now)

    def refuse(self, files: dict[str, str], *, centre: str = "Rhein Datenpark") -> str:
        """Send a bundle that must be refused, as the edge does it; returns the reason.

        The step changes nothing; the refused certificate is kept once for the same reason, however often it comes.
        """
        self.later(hours=3)
        held = self.station(centre)
        actor = clearing.station_actor(held.station)
        with (
            self.nothing_changes(),
            pytest.raises(registry.CertificateRefused) as refused,
            self.transaction() as session,
        ):
            clearing.accept_certificate(session, actor, files, issuers=self.issuers, now=self.now)
        for _ in range(2):
            with self.transaction() as session:
                registry.keep_refused(
                    session, refused.value, station_id=held.station.id, centre_id=held.station.centre_id, now=self.now
                )
        reason = refused.value.message
        kept = "select count(*) from certificate_refusals where digest = :digest and reason = :reason"
        assert self.raw(kept, digest=refused.value.examined.digest, reason=reason) == 1
        return reason


def good_findings() -> dict[str, object]:
    """A T480 with light marks, everything seen working, battery at 86 %."""
    from ewaste.processing.checklist import items

    wanted = {"screen_wear": "faint", "body_wear": "faint", "battery_soh": 86}
    findings: dict[str, object] = {}
    for item in items("laptop", stage="before-offer"):
        if item.id in wanted:
            findings[item.id] = wanted[item.id]
        elif item.answers:
            findings[item.id] = item.answers[0].value
    return findings


def jpeg(width: int = 640, height: int = 480, colour: str = "teal") -> bytes:
    """A photograph of nothing, of this size."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "JPEG")
    return out.getvalue()
