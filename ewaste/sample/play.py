"""The filling itself: people and firms, then the bench, then wipes in batches, and after each batch what it sold.

The site is up all along. A step that a visitor's own doing has made impossible is passed over, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts.firms import Paper
from ewaste.accounts.models import Actor, Organisation, Person, Role
from ewaste.centres.credentials import Issuers
from ewaste.centres.models import Centre, WorkOrder
from ewaste.certificates.models import CertificateRefusal
from ewaste.core import clock
from ewaste.core.refusals import Refusal
from ewaste.devices.models import Medium
from ewaste.journey import accrediting, bench, clearing, entering, founding, settlement
from ewaste.payments.gateway import Gateway
from ewaste.sample import cast, drives, papers, plan
from ewaste.sample.bench import Bench, Way, code_of, device_of, drive_of, operator_of, order_of
from ewaste.sample.plan import Planned
from ewaste.sample.station import AgentFailed, Station
from ewaste.sample.steps import Made, Steps
from ewaste.sample.trade import Trade

AT_ONCE = 2  # Agents that work side by side.
# What the agent cannot overwrite from outside ends in the shredder here, before two people: there is no phone to reset.
SHREDDED = frozenset({"phone-storage", "sim", "other"})
SECOND = {plan.RHEIN: "otto", plan.ELBE: "petra"}
CLOSED_ACCOUNT = "acct_closed_by_its_owner"


class Play:
    """Fills one market. Made anew after a crash, it goes on where the steps say."""

    def __init__(
        self,
        steps: Steps,
        planned: Sequence[Planned],
        *,
        issuers: Issuers,
        gateway: Gateway,
        market_url: str,
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        """`folder` holds the stations and, while they are wiped, the images."""
        self.steps, self.planned, self.issuers, self.say = steps, planned, issuers, say
        self.market_url, self.folder = market_url, folder
        self.actor = cache(self._actor)
        self.trade = Trade(steps, gateway, self.actor, lambda one: self.actor(operator_of(one.centre)))
        self.lots = {lot.name: [one for one in planned if one.lot == lot.name] for lot in plan.LOTS}
        self.stations: dict[str, Station] = {}

    def fill(self) -> None:
        """From nothing, or from where it stood, to the whole market."""
        self._people()
        stage = Bench(self.steps, self.issuers, self.actor, self._centres())
        stage.quotes()
        for one in self.planned:
            self._unless_refused(one.key, lambda one=one: stage.bring(one))  # type: ignore[misc] # bound for the loop
            if not one.wiped:
                self._stands(one)
        wiped = [one for one in self.planned if one.wiped]
        lots_closed = [one for one in wiped if one.lot and self._closed(one.lot)]
        refused = [one for one in wiped if one.end in ("half", "suspended")]
        lots_open = [one for one in wiped if one.lot and not self._closed(one.lot)]
        shop = [one for one in wiped if one not in (*lots_closed, *lots_open, *refused)]
        for batch, then in (
            (lots_closed, self._sell_lots),
            (lots_open, self._sell_lots),
            (shop, self._sell_devices),
            (refused, self._refused),
        ):
            self._wipe(batch)
            then(batch)
        self.steps.finish()

    def where_to_look(self) -> list[str]:
        """For whoever started the market: who finds what where."""
        at = {lot.name: f"/lots/{self.steps[f'lot {lot.name} formed']['lot']}" for lot in plan.LOTS
              if f"lot {lot.name} formed" in self.steps}  # fmt: skip
        offered = next((one for one in self.planned if one.seller == "cora" and one.end == "offered"), None)
        answer = f"/devices/{code_of(self.steps, offered)}" if offered else "/devices"
        lines = [
            ("anyone", "an auction that ends in three minutes, and sample bidders at it", at.get("soon")),
            ("cora", "an offer below its quote waits for her answer", answer),
            ("ben", "a laptop reserved for half an hour waits for his payment", "/account"),
            ("olga", "her bench: something in each state, a refused certificate among it", "/bench"),
            ("otto", "a shredded phone waits for the second person", "/bench"),
            ("rita", "leads here", at.get("quarter")),
            ("rita", "is outbid here", at.get("hours")),
            ("rita", "has won a lot to pay, and one to report", "/my-lots"),
            ("stefan", "the desk: a failed payout, a dispute, devices that are in no sale", "/staff"),
        ]
        return [f"  {who:7} {place}  {what}" for who, what, place in lines if place]

    # People ---------------------------------------------------------------------------------------------------------

    def _people(self) -> None:
        at = self.steps.now - founding.ESTABLISHED
        for somebody in cast.CONSUMERS:
            self._person(somebody)
        for firm in cast.FIRMS:

            def open_firm(session: Session, firm: cast.Firm = firm) -> None:
                founding.sample_firm(
                    session, name=firm.name, role=Role.RECYCLER, country=firm.country, city=firm.city,
                    licences=firm.licences, group=firm.group, now=at,
                )  # fmt: skip

            self.steps.once(f"firm {firm.name}", open_firm)
        for trader in cast.TRADERS:
            self._person(trader, Role.RECYCLER)
        for seller in cast.SELLERS:

            def open_seller(session: Session, seller: cast.Seller = seller) -> None:
                founding.sample_firm(
                    session, name=seller.name, role=seller.role, country="DE", city=seller.city, licences=(),
                    group=None, now=at,
                )  # fmt: skip

            self.steps.once(f"firm {seller.name}", open_seller)
            self._person(seller.person._replace(firm=seller.name), seller.role)
        for applicant in cast.APPLICANTS:
            self._apply(applicant)
        self._third_centre()
        self._person(cast.OPERATOR, Role.OPERATOR)
        with self.steps.database.transaction() as session:
            closed = session.scalars(sa.select(Person.id).where(Person.email == cast.CLOSED_PAYEE)).one()
        self.steps.once(
            "payee closed",
            lambda session: settlement.note_payee(session, closed, CLOSED_ACCOUNT, practice=True, now=at),
        )

    def _person(self, somebody: cast.Somebody, role: Role | None = None) -> None:
        at = self.steps.now - timedelta(days=45)

        def step(session: Session) -> None:
            person = founding.sample_person(session, email=somebody.email, name=somebody.name, now=at)
            if somebody.firm is not None and role is not None:
                firm = session.scalars(sa.select(Organisation).where(Organisation.name == somebody.firm)).one()
                founding.sample_member(session, person, firm, role, now=at)

        self.steps.once(f"person {somebody.email}", step)

    def _apply(self, applicant: cast.Applicant) -> None:
        """A firm asks to take part, with a paper; the desk has declined it, or has not looked yet."""
        self._person(applicant.person)
        who = applicant.person.email.partition("@")[0]
        at = self.steps.now - timedelta(days=2, hours=len(applicant.firm))
        paper = Paper("registration.pdf", "application/pdf", papers.registration(applicant.firm, applicant.city))

        street, postcode, hours = applicant.reached

        def step(session: Session) -> Made:
            wish = entering.wish(
                kind=applicant.kind, name=applicant.firm, country="DE", city=applicant.city,
                registration_number=f"HRB {10_000 + len(applicant.firm) * 137}", group_name="", related_firms="",
                licences=applicant.licences, street=street, postcode=postcode, opening_hours=hours,
            )  # fmt: skip
            application = entering.apply(session, self.actor(who), wish, papers=[paper], issuers=self.issuers, now=at)
            if applicant.declined:
                entering.decide(
                    session, self.actor("stefan"), application.id, outcome="declined", reason=applicant.declined,
                    licences=(), now=at + timedelta(hours=20),
                )  # fmt: skip
            return {"application": str(application.id)}

        self.steps.once(f"{applicant.firm} applied", step)

    def _third_centre(self) -> None:
        at = self.steps.now - founding.ESTABLISHED

        def found(session: Session) -> None:
            organisation = founding.sample_firm(
                session, name=cast.CENTRE, role=Role.OPERATOR, country="DE", city=cast.CENTRE_CITY, licences=(),
                group=None, now=at,
            )  # fmt: skip
            centre = founding.sample_centre(session, organisation, cast.CENTRE_SLUG, issuers=self.issuers)
            founding.sample_accreditation(
                session, centre, ("clear", "destroy"), ("hdd", "ssd", "nvme"), issuers=self.issuers, now=at
            )

        def narrow(session: Session) -> None:
            centre = session.get_one(Centre, self._centres()[cast.NARROW])
            founding.sample_accreditation(
                session, centre, cast.NARROW_METHODS, cast.NARROW_KINDS, issuers=self.issuers, now=at
            )

        self.steps.once("third centre", found)
        self.steps.once("second centre narrowed", narrow)

    def _actor(self, name: str) -> Actor:
        with self.steps.database.transaction() as session:
            like = sa.or_(Person.email.like(f"{name}@%"), Person.email.like(f"{name}+%"))
            return founding.sample_actor(
                session, session.scalars(sa.select(Person.email).where(Person.sample, like)).one()
            )

    @cache  # noqa: B019 - a play lives as long as its process
    def _centres(self) -> dict[str, UUID]:
        with self.steps.database.transaction() as session:
            names = (plan.RHEIN, plan.ELBE, plan.ISAR)
            rows = session.execute(
                sa.select(Organisation.name, Organisation.id).where(Organisation.name.in_(names))
            ).all()
        return dict(rows)

    # Wipes ----------------------------------------------------------------------------------------------------------

    def _wipe(self, batch: Sequence[Planned]) -> None:
        """Have the agent wipe and certify what this batch holds, and send it in."""
        waiting = [one for one in batch if f"{one.key} certified" not in self.steps and self._has_order(one)]
        if waiting:
            centres = sorted({one.centre for one in waiting})
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(lambda centre: self._station(centre).fetch(), centres))
                list(pool.map(self._work, waiting))
        for one in batch:
            if one.end == "half":
                self._second_drive(one)
        self._send(batch)
        for one in batch:
            if one.end != "cleared" and any(self._is_shredded(one, kind) for kind in one.media):
                self._unless_refused(one.key, lambda one=one: self._validate(one))  # type: ignore[misc]

    def _is_shredded(self, one: Planned, kind: str) -> bool:
        return kind in SHREDDED or one.end == "destroyed"

    def _validate(self, one: Planned) -> None:
        """A second person of the centre confirms what went into the shredder."""
        device_id = device_of(self.steps, one)
        second = self.actor(SECOND[one.centre])
        serials = [drive_of(one, number)[2] for number, kind in enumerate(one.media) if self._is_shredded(one, kind)]

        def step(session: Session) -> None:
            media = session.scalars(
                sa.select(Medium.id).where(Medium.device_id == device_id, Medium.serial.in_(serials))
            ).all()
            for medium_id in media:
                clearing.validate(session, second, device_id, medium_id, result="confirmed", note="", now=clock.now())

        self.steps.once(f"{one.key} validated", step)

    def _work(self, one: Planned) -> None:
        """One device: its images, each wiped and read back, and the certificate."""
        station, order = self._station(one.centre), order_of(self.steps, one)
        media = one.media[:1] if one.end == "half" else one.media
        for number, kind in enumerate(media):
            serial = drive_of(one, number)[2]
            if self._is_shredded(one, kind):
                operator, witness = self.actor(operator_of(one.centre)), self.actor(SECOND[one.centre])
                station.destroyed(order, serial, operator.name, witness.name)
                continue
            image = self.folder / "images" / f"{one.key.replace(' ', '-')}-{number}.img"
            image.parent.mkdir(parents=True, exist_ok=True)
            drives.make(image, seed=f"{one.key} {number}")
            station.wipe(order, serial, image)
        station.certify(order)
        for image in (self.folder / "images").glob(f"{one.key.replace(' ', '-')}-*.img"):
            image.unlink()
        self.steps.note(f"{one.key} certified")

    def _send(self, batch: Sequence[Planned]) -> None:
        """Send the outboxes, and look at what the market answered. Raises `AgentFailed` for one without an answer."""
        suspended = any(one.end == "suspended" for one in batch)
        if suspended:
            self._suspend_isar()
        unsent = [one for one in batch if f"{one.key} answered" not in self.steps and self._has_order(one)]
        if not unsent:
            return
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda centre: self._station(centre).sync(), sorted({one.centre for one in unsent})))
        with self.steps.database.transaction() as session:
            accepted = set(session.scalars(sa.select(WorkOrder.code).where(WorkOrder.consumed_at.isnot(None))))
            refused = set(session.scalars(sa.select(CertificateRefusal.device_code)))
        for one in unsent:
            answered = order_of(self.steps, one) in accepted or self.steps[f"{one.key} announced"]["code"] in refused
            if not answered:
                raise AgentFailed(f"The market holds no answer to the certificate of {one.key}.")
            self.steps.note(f"{one.key} answered")

    def _second_drive(self, one: Planned) -> None:
        """After the order was issued and carried out, another drive is found: the certificate will cover too little."""
        way = Way(Bench(self.steps, self.issuers, self.actor, self._centres()), one)
        for number in range(1, len(one.media)):
            way.note_medium(device_of(self.steps, one), number, clock.now())

    def _suspend_isar(self) -> None:
        def step(session: Session) -> None:
            accrediting.suspend(
                session,
                self.actor("stefan"),
                self._centres()[plan.ISAR],
                reason=cast.SUSPENDED_BECAUSE,
                now=clock.now(),
            )

        self.steps.once("third centre suspended", step)

    def _station(self, centre: str) -> Station:
        """The station of a centre, enrolled at first use."""
        known = self.stations.get(centre)
        if known is not None:
            return known
        operator = self.actor(operator_of(centre))
        station = Station(self.folder / "stations" / operator_of(centre), operator.name)
        if not station.enrolled:
            with self.steps.database.transaction() as session:
                code = bench.new_enrolment_code(session, operator, now=clock.now())
            station.enrol(self.market_url, code, "Bench 1")
        self.stations[centre] = station
        return station

    def _has_order(self, one: Planned) -> bool:
        return f"{one.key} ordered" in self.steps

    # What follows ---------------------------------------------------------------------------------------------------

    def _sell_lots(self, batch: Sequence[Planned]) -> None:
        names = {one.lot for one in batch}
        lots = [lot for lot in plan.LOTS if lot.name in names]
        for lot in lots:
            self._unless_refused(f"lot {lot.name}", lambda lot=lot: self.trade.form(lot, self.lots[lot.name]))  # type: ignore[misc]
        for lot in lots:
            if lot.closed:
                self._unless_refused(
                    f"lot {lot.name}",
                    lambda lot=lot: self.trade.close(lot, self.lots[lot.name]),  # type: ignore[misc]
                )
        for one in batch:
            self._stands(one)

    def _sell_devices(self, batch: Sequence[Planned]) -> None:
        for one in batch:
            self._unless_refused(one.key, lambda one=one: self.trade.end(one))  # type: ignore[misc] # bound for the loop
            self._stands(one)

    def _refused(self, batch: Sequence[Planned]) -> None:
        for one in batch:
            self._stands(one)

    def _closed(self, name: str) -> bool:
        return next(lot for lot in plan.LOTS if lot.name == name).closed is not None

    def _stands(self, one: Planned) -> None:
        if f"{one.key} stands" not in self.steps:
            count = self.steps.stands(one.key)
            if count % 10 == 0 or count == self.steps.of_devices:
                self.say(f"{count} of {self.steps.of_devices} devices")

    def _unless_refused(self, what: str, act: Callable[[], object]) -> None:
        """The market is open: somebody may have answered or bought in the meantime. Then that is how it is."""
        try:
            act()
        except (Refusal, KeyError) as problem:
            self.say(f"The sample does not go on with {what}, as somebody was faster: {problem}")
