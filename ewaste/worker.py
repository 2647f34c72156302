"""The worker: carries out what was written down. Payments, closings, expiries; each job may run twice and acts once.

Jobs are deferred in the transaction of the step that asks for them (`ewaste.core.jobs`) and run here. A job whose
worker died is found by its missing heartbeat and run again.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import procrastinate
import sqlalchemy as sa
from procrastinate.connector import BaseConnector
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from ewaste import keeper
from ewaste.accounts.models import WORKER
from ewaste.core import clock, job_errors, jobs, logs, mail
from ewaste.core.config import Config
from ewaste.core.database import Database
from ewaste.core.mailer import Mailer, NotTakenError
from ewaste.core.refusals import Refusal
from ewaste.journey import aftersales, clearing, founding, sale, settlement, trade_in
from ewaste.payments.gateway import (
    Declined,
    Gateway,
    InsufficientBalance,
    Kind,
    Payment,
    PaymentState,
    Refused,
)
from ewaste.payments.models import GatewayEventRow, InstructionKind
from ewaste.payments.stripe_gateway import open_gateway

log = logging.getLogger("ewaste.worker")

POLL_SECONDS = 1.0
STALLED_AFTER_SECONDS = 60
FUNDED_AGAIN = timedelta(minutes=15)
PAYEE_ASKED_AGAIN = timedelta(hours=1)
KIND_OF = {InstructionKind.PAY_OUT: Kind.TRANSFER, InstructionKind.REFUND: Kind.REFUND}


class NotReadyError(Exception):
    """The payee has not given bank details yet."""


class Work:
    """The jobs, each a method; they stand on a database and a gateway and can be called one by one in tests."""

    def __init__(self, database: Database, gateway: Gateway, *, practice: bool, mailer: Mailer | None = None) -> None:
        self.mailer = mailer
        self.database = database
        self.gateway = gateway
        self.practice = practice

    def send_mail(self, letter: str) -> None:
        """Hand a message to the mail server. One that it does not take now is tried again."""
        letter_id = UUID(letter)
        if self.mailer is None:
            raise LookupError("This worker has no mail server to hand messages to.")
        with self.database.transaction() as session:
            written = mail.take(session, letter_id)
        if written is None:
            return
        try:
            self.mailer.send(written)
        except NotTakenError as problem:
            with self.database.transaction() as session:
                mail.note_failed(session, letter_id, str(problem), for_good=problem.for_good)
            if problem.for_good:
                log.warning("message %s was refused for good", letter_id)
                return
            raise
        with self.database.transaction() as session:
            mail.note_sent(session, letter_id, now=clock.now())

    def send_payment(self, instruction: str) -> None:
        """Send a payout or refund. When the answer is lost the job fails and is tried again under the same id."""
        instruction_id = UUID(instruction)
        with self.database.transaction() as session:
            errand = settlement.prepare_payment(session, WORKER, instruction_id, now=clock.now())
        if errand is None:
            return
        try:
            payment = self._known(errand) or self._send(errand)
        except InsufficientBalance as problem:
            now = clock.now()
            with self.database.transaction() as session:
                settlement.pay_later(
                    session, WORKER, instruction_id, problem.message, not_before=now + FUNDED_AGAIN, now=now
                )
            log.warning("payment %s waits: our balance does not reach", instruction_id)
            return
        except NotReadyError as problem:
            # No trouble, and no end of tries: the money waits until the seller has said where it shall go.
            now = clock.now()
            with self.database.transaction() as session:
                settlement.send_later(session, WORKER, instruction_id, str(problem), at=now + PAYEE_ASKED_AGAIN)
            return
        except (Declined, Refused) as problem:
            self._note(instruction_id, PaymentState.FAILED, problem.reference, problem.message)
            log.warning("payment %s failed", instruction_id)  # Why stands beside it; the words may name somebody.
            return
        with self.database.transaction() as session:
            settlement.require_asked(session, instruction_id, payment)
        self._note(instruction_id, payment.state, payment.reference, payment.reason)

    def apply_event(self, event: str) -> None:
        """Read the object of a provider's event again and apply what follows from it."""
        with self.database.transaction() as session:
            row = session.get(GatewayEventRow, event)
            reference = row.object_reference if row is not None and row.applied_at is None else None
        if reference is None:
            return
        try:
            payment = self.gateway.payment_status(reference)
        except Refused as problem:
            with self.database.transaction() as session:
                settlement.dismiss_event(session, WORKER, event, problem.message, now=clock.now())
            return
        with self.database.transaction() as session:
            settlement.apply_event(session, WORKER, event, payment, now=clock.now())

    def close_lot(self, lot: str) -> None:
        """Close a lot whose time has come. If a late bid moved the end, ask again then."""
        with self.database.transaction() as session:
            sale.close_lot(session, WORKER, UUID(lot), now=clock.now())
        with self.database.transaction() as session:
            ends_at = sale.still_open_until(session, UUID(lot))
            if ends_at is not None:
                jobs.defer(session, jobs.CLOSE_LOT, at=ends_at, key=f"close lot {lot}", lot=lot)

    def expire_offer(self, offer: str) -> None:
        """An offer was not answered in time."""
        with self.database.transaction() as session:
            trade_in.expire_offer(session, WORKER, UUID(offer), now=clock.now())

    def expire_order(self, order: str) -> None:
        """An order was not paid in time. Its payment page is closed first; if it was paid meanwhile, that counts."""
        order_id = UUID(order)
        with self.database.transaction() as session:
            errand = settlement.prepare_expiry(session, WORKER, order_id, now=clock.now())
        if errand is not None and errand.reference is not None:
            try:
                payment = self.gateway.abandon(errand.reference)
            except Refused:
                payment = self.gateway.payment_status(errand.reference)
            self._note(errand.instruction_id, payment.state, payment.reference, payment.reason)
        with self.database.transaction() as session:
            settlement.expire_order(session, WORKER, order_id, now=clock.now())

    def remind_watcher(self, lot: str, person: str) -> None:
        """A lot that somebody watches closes in an hour."""
        with self.database.transaction() as session:
            sale.remind_watcher(session, WORKER, UUID(lot), UUID(person), now=clock.now())

    def tell_outbid(self, lot: str) -> None:
        """The lead of a lot changed."""
        with self.database.transaction() as session:
            sale.tell_outbid(session, WORKER, UUID(lot), now=clock.now())

    def lapse_second_offer(self, offer: str) -> None:
        """A runner-up did not answer in time."""
        with self.database.transaction() as session:
            sale.lapse_second_offer(session, WORKER, UUID(offer), now=clock.now())

    def refund_returned(self, dispute: str) -> None:
        """The device of a dispute is back at its centre."""
        with self.database.transaction() as session:
            aftersales.refund_returned(session, WORKER, UUID(dispute), practice=self.practice, now=clock.now())

    def pay_seller_at_latest(self, offer: str) -> None:
        """The day has come on which the seller is paid, whatever the wipe does."""
        with self.database.transaction() as session:
            clearing.pay_seller_at_latest(session, WORKER, UUID(offer), practice=self.practice, now=clock.now())

    def sample_bid(self, lot: str, person: str, maximum: int, bid: str) -> None:
        """Training only: a sample bidder bids by itself. The lot may be over by then, or too dear."""
        try:
            with self.database.transaction() as session:
                bidder = founding.sample_bidder(session, WORKER, UUID(person))
                sale.place_bid(session, bidder, lot, max_minor=maximum, key=bid, now=clock.now())
        except Refusal as refusal:
            log.info("a sample bidder placed no bid: %s", refusal.message)

    def _known(self, errand: settlement.Errand) -> Payment | None:
        """What the provider holds from an earlier try. It forgets our key after a day, so we ask before retrying."""
        if errand.attempts < 2:
            return None
        found = self.gateway.find(errand.instruction_id, KIND_OF[errand.kind], since=errand.written_at)
        return found[0] if found else None

    def _send(self, errand: settlement.Errand) -> Payment:
        if errand.kind is InstructionKind.REFUND:
            return self.gateway.refund(errand.instruction_id, errand.of_reference or "", errand.amount)
        payee = errand.payee
        if payee is None:
            if not self.practice:  # The account's country is the seller's to say; practice takes the first.
                raise NotReadyError(f"Person {errand.party_id} has not told us where to pay.")
            payee = self.gateway.open_payee(errand.party_id, errand.party_email, errand.party_country)
            with self.database.transaction() as session:
                settlement.note_payee(session, errand.party_id, payee, practice=self.practice, now=clock.now())
        if not self.gateway.payee_ready(payee):
            raise NotReadyError(f"Payee {payee} has not given bank details yet.")
        return self.gateway.transfer(
            errand.instruction_id, errand.amount, payee, group=errand.group, description=errand.description
        )

    def _note(self, instruction_id: UUID, state: PaymentState, reference: str, why: str) -> None:
        with self.database.transaction() as session:
            settlement.note_payment(session, WORKER, instruction_id, state, reference, why, now=clock.now())


def tasks(work: Work) -> dict[str, Callable[..., None]]:
    """Job name → what runs it. Every name in `ewaste.core.jobs` has one; a test sees to that."""
    return {
        jobs.SEND_MAIL: work.send_mail,
        jobs.SEND_PAYMENT: work.send_payment,
        jobs.APPLY_GATEWAY_EVENT: work.apply_event,
        jobs.CLOSE_LOT: work.close_lot,
        jobs.EXPIRE_OFFER: work.expire_offer,
        jobs.EXPIRE_ORDER: work.expire_order,
        jobs.REMIND_WATCHER: work.remind_watcher,
        jobs.TELL_OUTBID: work.tell_outbid,
        jobs.LAPSE_SECOND_OFFER: work.lapse_second_offer,
        jobs.REFUND_RETURNED: work.refund_returned,
        jobs.PAY_SELLER_AT_LATEST: work.pay_seller_at_latest,
        jobs.SAMPLE_BID: work.sample_bid,
    }


def procrastinate_app(connector: BaseConnector, work: Work) -> procrastinate.App:
    """The job queue with every task registered. A failed job is tried again, each time after half a minute more."""
    app = procrastinate.App(connector=connector)
    for name, function in tasks(work).items():
        retry = procrastinate.RetryStrategy(max_attempts=60, wait=5, linear_wait=30)
        run = _kept(name, logs.per_job(name, function, log), work.database)
        app.task(name=name, queue="default", retry=retry, pass_context=True)(run)
    return app


def _kept(name: str, function: Callable[..., None], database: Database) -> Callable[..., None]:
    """The job's function; what it raises is kept for the desk before it goes on upwards."""

    def run(context: procrastinate.JobContext, **arguments: Any) -> None:
        try:
            function(**arguments)
        except Exception as problem:
            try:
                with database.transaction() as session:
                    job_errors.note(session, context.job.id or 0, name, problem, now=clock.now())
            except SQLAlchemyError:
                log.warning("why job %s failed could not be kept", context.job.id)
            raise

    run.__name__ = run.__qualname__ = name
    return run


def _rescue_stalled(database: Database, stop: threading.Event) -> None:
    """Put jobs back whose worker died in the middle: they are made to run twice."""
    while not stop.wait(STALLED_AFTER_SECONDS / 2):
        try:
            _put_back_stalled(database)
        except SQLAlchemyError:
            log.exception("looking for jobs of dead workers failed; it is tried again soon")


def _put_back_stalled(database: Database) -> None:
    with database.transaction() as session:
        session.execute(
            sa.text(
                "update procrastinate_jobs j set status = 'todo', worker_id = null"
                " where status = 'doing' and not exists"
                " (select 1 from procrastinate_workers w where w.id = j.worker_id"
                " and w.last_heartbeat > now() - make_interval(secs => :age))"
            ),
            {"age": STALLED_AFTER_SECONDS},
        )


def main() -> int:
    """Run until told to stop. Exit code 2 when the settings cannot be used."""
    try:
        config = Config.from_env(os.environ)
        logs.configure(config.log)
        url = config.require_database_url()
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    database = Database(url, pool_size=7)  # two jobs, the queue, and the three who keep the log
    work = Work(database, open_gateway(config), practice=config.training, mailer=Mailer(config))
    conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    app = procrastinate_app(procrastinate.PsycopgConnector(conninfo=conninfo, min_size=1, max_size=3), work)
    stop = threading.Event()
    threading.Thread(target=_rescue_stalled, args=(database, stop), name="rescue", daemon=True).start()
    keeper.start(database, config, stop)
    options: dict[str, Any] = {
        "concurrency": 2,
        "fetch_job_polling_interval": POLL_SECONDS,
        "delete_jobs": "successful",
    }
    log.info("the worker is ready")
    try:
        with app.open():
            app.run_worker(install_signal_handlers=True, **options)
    except KeyboardInterrupt:
        log.info("stopped by %s", signal.Signals.SIGINT.name)
    finally:
        stop.set()
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
