"""The site over a market with two of everything, where each visit is a rehearsal: whatever it wrote is taken back.

All visits share one database connection inside one transaction. Each step of the site is a savepoint in it, and what
the database checks at the end of a transaction is checked at the end of each step. So a thousand visits find the same
market, none sees what another did, and what a visit changed can be read before it is taken back.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from ewaste.accounts import tokens
from ewaste.accounts.models import ANONYMOUS, WORKER, Actor
from ewaste.centres import checklist, stations
from ewaste.centres.models import Centre, EnrolmentCode
from ewaste.certificates import rechecks
from ewaste.certificates.models import Certificate, CertificateRefusal
from ewaste.certificates.reaudit import Because, ReAudit
from ewaste.core import clock
from ewaste.core.config import Config
from ewaste.core.database import Database
from ewaste.core.embedded import APP_ROLE
from ewaste.core.refusals import RefusalNote
from ewaste.core.status_lists import StatusList
from ewaste.devices import photographs
from ewaste.devices.lifecycle import State
from ewaste.devices.models import Device
from ewaste.journey import (
    accrediting,
    admitting,
    aftersales,
    attending,
    bench,
    clearing,
    publishing,
    rekeying,
    sale,
    settlement,
    trade_in,
    witnessing,
)
from ewaste.market.models import Order
from ewaste.migrations.models import Base
from ewaste.payments.gateway import PaymentState, Unreachable
from ewaste.payments.models import PaymentInstruction, Posting
from ewaste.tradein import price_changes
from ewaste.tradein.models import Offer
from ewaste.transparency.models import LogCheckpoint, LogEntry, LogStatement
from ewaste.web import create_app
from ewaste.web.limits import limiter
from tests.conftest import NOW
from tests.contents import digests
from tests.transparency.stage import NearSigner, publisher, store
from tests.web import entering_stage
from tests.world import GOOD_ANSWERS, LAPTOP, World, good_findings, jpeg
from wipe_agent import certificate as wipe

JPEG = jpeg()
PEOPLE = ("cora", "ben", "olga", "omar", "rita", "ravi", "rosa", "stefan", "ada")
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Elsewhere(World):
    """The same market from the other side: Ben sells, Omar's centre in Dresden does the work."""

    @property
    def cora(self) -> Actor:
        """Who sells here."""
        return self.actor("ben")

    @property
    def olga(self) -> Actor:
        """Who operates the centre here."""
        return self.actor("omar")

    def organisation(self, name: str) -> UUID:
        """The centre of this side stands in for the first one."""
        return super().organisation("Elbe Prüfstelle" if name == "Rhein Datenpark" else name)


class NoProvider:
    """A payment provider that does not answer, and knows how often it was called."""

    practice = True

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def fail(*_: Any, **__: Any) -> Any:
            self.calls.append(name)
            if name == "event":
                from ewaste.payments.gateway import BadEvent

                raise BadEvent("nobody signed this")
            raise Unreachable("no provider in this test")

        return fail


class Rehearsal:
    """Stands in for the site's database: one connection, one transaction that never commits."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._connection: sa.Connection | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Whatever is written inside is taken back."""
        with self.engine.connect() as connection:
            whole = connection.begin()
            self._connection = connection
            try:
                yield
            finally:
                self._connection = None
                whole.rollback()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One step, as a savepoint. What is checked at a commit is checked at its end."""
        assert self._connection is not None, "a step outside a rehearsal"
        with (
            Session(self._connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session
            session.flush()
            session.execute(sa.text("set constraints all immediate"))
            session.execute(sa.text("set constraints all deferred"))

    reading = transaction  # What is only read is read inside the rehearsal, too.

    def fingerprint(self) -> dict[str, str]:
        """A digest of the whole content of each table as the visit left it."""
        return self._digests(TABLES)

    def touched(self) -> dict[str, str]:
        """The same, of the tables alone in which anything was written since the rehearsal began, taken back or not."""
        assert self._connection is not None
        written = self._connection.scalars(_WRITTEN).all()
        return self._digests([table for table in TABLES if table in set(written)])

    def _digests(self, tables: Sequence[str]) -> dict[str, str]:
        assert self._connection is not None
        return digests(self._connection, tables)

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


TABLES = sorted({*Base.metadata.tables, "procrastinate_jobs"})
_WRITTEN = sa.text("select relname from pg_stat_xact_user_tables where n_tup_ins + n_tup_upd + n_tup_del > 0")


class Stage:
    """The site, its market, and everybody signed in."""

    def __init__(self, site: Flask, rehearsal: Rehearsal, provider: NoProvider, world: World) -> None:
        self.site, self.rehearse, self.provider, self.world = site, rehearsal, provider, world
        self.things: dict[str, dict[str, Any]] = {}
        self.before: dict[str, str] = {}
        self._doors: dict[str | None, tuple[str, str]] = {}

    def settle(self) -> None:
        """The market is as it shall be: sign everybody in, and remember how the tables look."""
        for who in (None, *PEOPLE):
            client = self.site.test_client()
            with self.rehearse():
                if who is not None:
                    with client.session_transaction() as cookie:
                        cookie["_user_id"] = self.world.session_of(who)
                        cookie["_fresh"] = True
                found = TOKEN.search(client.get("/sign-up").text)
            assert found
            session = client.get_cookie("session")
            assert session is not None
            self._doors[who] = (session.value, found[1])
        with self.rehearse():
            self.before = self.rehearse.fingerprint()

    def visit(
        self,
        who: str | None,
        method: str,
        path: str,
        *,
        form: Mapping[str, Any] | None = None,
        token: bool = True,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> TestResponse:
        """One request of this person, with the token of their forms. Inside a rehearsal only."""
        cookie, csrf = self._doors[who]
        if method == "POST" and "json" not in more and "data" not in more:
            more["data"] = {**({"csrf_token": csrf} if token else {}), **(form or {})}
        limiter.enabled = False
        return self.site.test_client(use_cookies=False).open(
            path, method=method, headers={"Cookie": f"session={cookie}", **(headers or {})}, **more
        )

    def token_of(self, who: str | None) -> str:
        """The token in this person's forms."""
        return self._doors[who][1]

    def changed(self, before: Mapping[str, str] | None = None) -> set[str]:
        """The tables that the visit changed."""
        before, after = before or self.before, self.rehearse.touched()
        return {table for table in after if after[table] != before[table]}

    def withdraw_table(self) -> dict[str, str]:
        """Inside a rehearsal: the proposed price table is withdrawn. Returns how the tables look then."""
        with self.rehearse.transaction() as session:
            publishing.withdraw_table(session, self.world.stefan, self.things["own"]["price_table"], now=self.world.now)
        return self.rehearse.fingerprint()


def archive(files: Mapping[str, str]) -> bytes:
    """A bundle as a .zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


@pytest.fixture(scope="session")
def stage(cluster: Any, template: str, issuers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Built once for all who rehearse on it."""
    name = f"stage_{uuid4().hex[:8]}_{template}"  # One for the pages and one for the browser.
    cluster.create_database(name, template=template)
    url = cluster.url(name, APP_ROLE)
    with ExitStack() as last:
        last.callback(cluster.drop_database, name)
        database = Database(url, pool_size=2)
        last.callback(database.close)
        here, there = World(database, issuers, NOW), Elsewhere(database, issuers, NOW)
        patch = last.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(clock, "now", lambda: here.now)
        site = create_app(
            Config.from_env(
                {"DATABASE_URL": url, "EWASTE_SAMPLE": "accounts", "EWASTE_DATA": str(tmp_path_factory.mktemp("stage"))}
            )
        )
        site.config.update(TESTING=True, PROPAGATE_EXCEPTIONS=False)
        runtime = site.extensions["ewaste"]
        last.callback(runtime.database.close)
        rehearsal, provider = Rehearsal(sa.create_engine(url)), NoProvider()
        last.callback(rehearsal.close)
        stage = Stage(site, rehearsal, provider, here)
        pasts = [(world, buyer, *_past(world, buyer)) for world, buyer in ((here, "rita"), (there, "rosa"))]
        here.now = there.now = max(here.now, there.now)
        bought = [devices["bought"] for *_, devices in pasts]  # Nobody buys back what they sold: each buys the other's.
        presents = [_present(*past, shelf) for past, shelf in zip(pasts, reversed(bought), strict=True)]
        stage.things = dict(zip(("own", "other"), presents, strict=True))
        stage.things["own"] |= _desk(here) | _log(here, tmp_path_factory.mktemp("log"))
        site.extensions["ewaste"] = dataclasses.replace(runtime, issuers=issuers, gateway=provider, database=rehearsal)
        stage.settle()
        yield stage


def _past(world: World, buyer: str) -> tuple[dict[str, Any], dict[str, UUID]]:
    """What needed days: devices that were cleared, lots that were sold."""
    made = {
        name: world.cleared(serial=f"PF{number:05d}{buyer[:2].upper()}", serials=(f"DRIVE-{buyer}-{number}",))
        for number, name in enumerate(("due", "paid", "won", "for_sale", "listed", "bought", "lot", "uncleared"))
    }
    for number, name in enumerate(("disputed", "overdue", "offered"), start=20):
        made[name] = world.cleared(serial=f"PF{number:05d}{buyer[:2].upper()}", serials=(f"DRIVE-{buyer}-{number}",))
    ordered, order = world.ordered(serial=f"PF5{buyer[:2].upper()}", serials=(f"DRIVE-5-{buyer}",))
    codes = {name: world.lot_of([made[name]]) for name in ("due", "disputed", "overdue", "paid", "won")}
    for code in codes.values():
        world.bid(buyer, code, 60)
    offered = world.lot_of([made["offered"]])
    world.bid("rosa" if buyer == "rita" else "rita", offered, 80)
    world.bid(buyer, offered, 70)
    world.later(days=2)
    things: dict[str, Any] = {
        "won_lot": codes["won"],
        "paid_lot": codes["paid"],
        "files": world.bundle(order),
        "work_order": order.digest,
    }
    for name, code in codes.items():
        order = world.close(code)
        assert order is not None
        things[f"order_{name}"] = order.code
        if name != "due":
            things["collection_code"] = order.collection_code
            _pay(world, buyer, order)
    unpaid = world.close(offered)
    assert unpaid is not None
    with world.transaction() as session:
        settlement.expire_order(session, WORKER, unpaid.id, now=unpaid.pay_by)
    things["offered_lot"] = offered
    return things, {**made, "ordered": ordered}


def _log(world: World, folder: Path) -> dict[str, Any]:
    """The log with what was certified so far, and the day's heads of chains, published."""
    with world.transaction() as session:
        witnessing.note_custody_heads(session, WORKER, now=world.now)
    publisher(world, NearSigner(Path(), store(folder))).once()
    with world.transaction() as session:
        statement = session.scalars(sa.select(LogStatement.digest)).first()
        certificate = session.scalars(sa.select(LogEntry.digest).where(LogEntry.kind == "wipe-certificate")).first()
        size = session.scalars(sa.select(LogCheckpoint.size)).one()
    return {
        "log_statement": statement,
        "log_certificate": certificate,
        "log_tile": f"entries/000.p/{size}",
        "log_level": f"0/000.p/{size}",
    }


PRICE_LINES = (
    "kind,device_class,name,value,source\r\ngrade,laptop,damaged,0.8,a study of our own\r\n"  # one factor of one class
)


def _desk(world: World) -> dict[str, Any]:
    """What the desk keeps: a proposed table, an incident, a job and a certificate that failed, a posting."""
    now = world.now
    with world.transaction() as session:
        table = publishing.propose_table(
            session,
            world.actor("sara"),
            read=lambda lines: price_changes.read_csv(PRICE_LINES, lines),
            valid_from=now.date(),
            reason="Damaged laptops sell for less.",
            now=now,
        )
        incident = attending.open_incident(
            session, world.stefan, kind="other", title="A door stood open", text="Over night.", exposed=False, now=now
        )
        refused = CertificateRefusal(
            digest="zStage",
            credential_id=None,
            station_id=world.station().station.id,
            centre_id=world.organisation("Rhein Datenpark"),
            device_code=None,
            reason="This is no certificate.",
            checks=[],
            bundle={"certificate.json": "{}"},
            at=now,
        )
        note = RefusalNote(
            at=now, kind="conflict", action="bench.weigh", actor_id=None, subject=None, field=None, message="Not now."
        )
        session.add_all([refused, note])
        session.flush()
        job = session.scalar(
            sa.text(
                "insert into procrastinate_jobs (queue_name, task_name, args, status)"
                " values ('default', 'market.close_lot', '{}', 'failed') returning id"
            )
        )
        return {
            **_accrediting(world, session),
            "price_table": table.version,
            "price_lines": PRICE_LINES,
            "incident": incident.code,
            "refused_certificate": refused.id,
            "refusal_key": hashlib.md5(b"conflict|bench.weigh|Not now.", usedforsecurity=False).hexdigest(),
            "failed_job": str(job),
            "posting": session.scalars(sa.select(Posting.id).limit(1)).one(),
        }


def _accrediting(world: World, session: Session) -> dict[str, Any]:
    """An audit that wants its conclusion, what Sara proposed, two certificates in doubt, accreditors of others."""
    sara, now = world.actor("sara"), world.now
    second = world.organisation("Elbe Prüfstelle")
    audit = accrediting.begin_audit(session, sara, second, now=now)
    met = {point.id: ("met", "Seen on the spot.") for point in checklist.load(audit.checklist).points}
    accrediting.answer_audit(session, sara, audit.id, met, now=now)
    decision = accrediting.propose(session, sara, second, "withdraw", reason="It closes down.", now=now)
    handed_over = session.scalars(
        sa.select(Certificate)
        .join(Device, Device.id == Certificate.device_id)
        .where(Device.state == State.DELIVERED)
        .order_by(Certificate.credential_id)
        .limit(2)
    ).all()
    doubts = rechecks.begin(
        session,
        handed_over,
        cause=rechecks.RecheckCause.KEY,
        because="A laptop was lost.",
        since=now - timedelta(days=30),
        by=sara,
        now=now,
    )
    rechecks.propose(session, doubts[1], "revoked", "Looked at by hand.", by=sara, now=now)
    named = [
        admitting.name_accreditor(
            session, sara, name=name, country="DE", city="Essen", slug=slug, did_document="",
            reason="It audits for the state.", issuers=world.issuers, now=now,
        )
        for name, slug in (
            ("Verband West", "verband-west"), ("Verband Ost", "verband-ost"), ("Verband Süd", "verband-sued"),
        )
    ]  # fmt: skip
    for admitted in (named[0], named[2]):
        admitting.confirm_accreditor(session, world.stefan, admitted.id, now=now)
    change = rekeying.propose_key(
        session, sara, named[2].id, old_method=f"{named[2].did}#key-1", reason="It has signed for three years.",
        issuers=world.issuers, now=now,
    )  # fmt: skip
    return {
        "audit": audit.id,
        "decision": decision.id,
        "recheck": doubts[0].id,
        "recheck_proposed": doubts[1].id,
        "accreditor": named[0].id,
        "accreditor_named": named[1].id,
        "key_change": change.id,
    }


def _pay(world: World, buyer: str, order: Order) -> None:
    with world.transaction() as session:
        errand = settlement.start_payment(session, world.actor(buyer), order.code, practice=True, now=world.now)
    with world.transaction() as session:
        settlement.note_payment(
            session, WORKER, errand.instruction_id, PaymentState.SUCCEEDED, f"cs_{order.code}", "", now=world.now
        )


def _disputed(world: World, buyer: str, order_code: str, device_id: UUID, *, at: datetime) -> str:
    """A dispute about the device of this order, which was handed over just before."""
    with world.transaction() as session:
        found = session.scalars(sa.select(Order).where(Order.code == order_code)).one()
        settlement.hand_over(session, world.olga, found.collection_code, now=at)
        code = session.get_one(Device, device_id).code
    with world.transaction() as session:
        return aftersales.open_dispute(
            session, world.actor(buyer), order_code, code, reason="not-as-graded", text="The lid has a crack.", now=at
        ).code


def _present(
    world: World, buyer: str, things: dict[str, Any], devices: dict[str, UUID], bought: UUID
) -> dict[str, Any]:
    """What is under way now, and the names under which the table speaks of it all."""
    side = buyer[:2].upper()
    now = world.now
    with world.transaction() as session:
        order_won = session.scalars(sa.select(Order).where(Order.code == things["order_won"])).one()
        settlement.hand_over(session, world.olga, order_won.collection_code, now=now)
        things["collection_code"] = session.scalars(
            sa.select(Order.collection_code).where(Order.code == things["order_paid"])
        ).one()
    things["dispute"] = _disputed(world, buyer, things["order_disputed"], devices["disputed"], at=now)
    long_ago = now - timedelta(days=40)
    things["overdue_dispute"] = _disputed(world, buyer, things["order_overdue"], devices["overdue"], at=long_ago)
    with world.transaction() as session:
        aftersales.decide_dispute(
            session, world.stefan, things["overdue_dispute"], outcome="return", amount_minor=None,
            text="It may well be so. Bring it back.", practice=True, now=long_ago,
        )  # fmt: skip
    things["lot"] = world.lot_of([devices["lot"]])
    with world.transaction() as session:
        things["listing"] = sale.list_device(session, world.stefan, devices["listed"], price_minor=12_000, now=now).code
        shelf = sale.list_device(session, world.stefan, bought, price_minor=12_500, now=now).code
    with world.transaction() as session:
        things["shop_order"] = sale.buy(session, world.cora, shelf, now=now).code
    with world.transaction() as session:
        payout = session.scalars(
            sa.select(PaymentInstruction.id).where(PaymentInstruction.subject_id == devices["listed"])
        ).one()
        settlement.note_payment(session, WORKER, payout, PaymentState.FAILED, "", "The account is closed.", now=now)
        things["failed_payout"] = payout
    uncleared = devices["uncleared"]
    with world.transaction() as session:
        certificate = session.scalars(sa.select(Certificate).where(Certificate.device_id == uncleared)).one()
        hold = bench.place_hold(session, world.stefan, uncleared, kind="ownership", reason="Whose is it?", now=now)
        clearing.revoke_certificate(session, world.stefan, certificate.id, reason="The station was faulty.", now=now)
        bench.lift_hold(session, world.stefan, uncleared, hold.id, reason="It is ours.", now=now)

    expected = world.expected(serial=f"PF1{side}")
    received = world.with_media(serial=f"PF2{side}", serials=(f"DRIVE-2-{side}",))
    inspected = world.inspected(serial=f"PF3{side}", serials=(f"DRIVE-3-{side}",))
    waiting = world.clearing(serial=f"PF4{side}", serials=(f"DRIVE-4-{side}",))
    held = world.with_media(serial=f"PF6{side}", serials=(f"DRIVE-6-{side}",))
    with world.transaction() as session:
        hold = bench.place_hold(session, world.olga, held, kind="ownership", reason="Whose is it?", now=now)
        things["hold"] = hold.id
        enrolment = bench.new_enrolment_code(session, world.olga, now=now)
        made, _ = tokens.make(session, world.cora, name="stock system", scopes=["read"], days=9, now=now)
        things["token"] = made.id
        for name, actor in (("quote", world.cora), ("free_quote", None)):
            things[name] = trade_in.quote(
                session, actor or ANONYMOUS, model_code=LAPTOP, storage_gb=256, answers=GOOD_ANSWERS, now=now
            ).code
    named = {
        **devices, "expected": expected, "received": received, "inspected": inspected, "clearing": waiting,
        "held": held,
    }  # fmt: skip
    centre = world.organisation("Rhein Datenpark")
    with world.transaction() as session:
        things = {name: session.get_one(Device, device_id).code for name, device_id in named.items()} | things
        things |= {
            "medium": world.media(waiting)[0].id,
            "offer": session.scalars(sa.select(Offer.id).where(Offer.device_id == inspected)).one(),
            "certificate": session.scalars(
                sa.select(Certificate.id).where(Certificate.device_id == devices["for_sale"])
            ).one(),
            "re_audit": session.scalars(
                sa.select(ReAudit.id)
                .where(ReAudit.centre_id == centre, ReAudit.because != Because.NOT)
                .order_by(ReAudit.number.desc())
                .limit(1)
            ).one(),
            "slug": session.get_one(Centre, centre).did.rpartition(":")[2],
            "status_list": session.scalars(sa.select(StatusList).order_by(StatusList.number).limit(1)).one().name,
        }
        picture = [photographs.encode(JPEG)]
        own = trade_in.add_photographs(session, world.cora, expected, pictures=picture, now=now)
        shelf_photos = bench.add_photographs(
            session, world.olga, devices["listed"], kind="listing", pictures=picture, now=now
        )
        things |= {"photograph": own[0].id, "listing_photograph": shelf_photos[0].id, "jpeg": JPEG}
        stations.new_code(session, world.olga, world.station().station.centre_id, now=now)
        codes = sa.select(EnrolmentCode.id).where(EnrolmentCode.centre_id == world.station().station.centre_id)
        code = session.scalars(codes.order_by(EnrolmentCode.made_at.desc()).limit(1)).one()
    return (
        things
        | entering_stage.things(world, side)
        | {
            "station": world.station().station.id,
            "enrolment_code": code,
            "station_key": world.station(),
            "centre": centre,
            "recycler": world.organisation({"rita": "Werk Zwei", "rosa": "Neu & Gut"}[buyer]),
            "bundle": archive(things["files"]),
            "findings": {name: str(value) for name, value in {**good_findings(), "identity": "differs"}.items()},
            "answers": GOOD_ANSWERS,
            "model": LAPTOP,
            "quote_asked": {"model": LAPTOP, "storage_gb": 256, "answers": GOOD_ANSWERS},
            "enrolment": _enrolment(enrolment),
            "starts_at": f"{now:%Y-%m-%dT%H:%M}",
            "ends_at": f"{now + timedelta(days=2):%Y-%m-%dT%H:%M}",
            "next_week": f"{now + timedelta(days=7):%Y-%m-%d}",
            "just_now": f"{now:%Y-%m-%dT%H:%M}",
            "next_year": f"{now + timedelta(days=365):%Y-%m-%d}",
        }
    )


def _enrolment(code: str) -> dict[str, str]:
    """What a new station sends with its centre's code."""
    key = Ed25519PrivateKey.generate()
    public = wipe.public_key_multibase(key.public_key())
    proof = base64.b64encode(key.sign(f"ewaste-enrol-v1\n{code}\n{public}".encode())).decode()
    return {"code": code, "station_name": "Bench 2", "public_key_multibase": public, "proof": proof}
