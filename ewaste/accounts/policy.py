"""Who may do what: one table of action × role × relation. Every step asks it before anything else.

A relation narrows a grant to things that are the actor's own: their own person (`OWN`), the centre the actor works
for (`CENTRE`), the organisation they trade for (`ORGANISATION`). What is not in the table is allowed to nobody.
"""

from __future__ import annotations

import enum
from uuid import UUID

from ewaste.accounts.models import SELLERS, Actor, Role
from ewaste.core.refusals import NotAllowed, NotFound


class Relation(enum.StrEnum):
    """How the actor must stand to the object."""

    ANY = "any"
    OWN = "own"
    CENTRE = "centre"
    ORGANISATION = "organisation"


class Action(enum.StrEnum):
    """What can be asked for, in the words of the trade."""

    CHANGE_ACCOUNT = "change an account"
    APPLY = "apply for an organisation"
    SEE_FIRM = "see the people of a firm"
    CHANGE_FIRM = "change the people of a firm"
    SEE_DOCUMENT = "see a document of a firm"
    REVIEW_APPLICATION = "decide an application"
    QUOTE = "quote"
    ACCEPT_QUOTE = "accept a quote"
    SEE_DEVICE = "see a device"
    CANCEL_DEVICE = "cancel a device"
    ANSWER_OFFER = "answer an offer"
    SAY_WHERE_BACK = "say where a device goes back to"
    RECEIVE = "receive a device"
    INSPECT = "inspect a device"
    ORDER_WIPE = "issue a work order"
    HOLD = "place or lift a hold"
    SEND_BACK = "send a device back"
    DESTROY = "send a device to be destroyed"
    REPORT_LOST = "report a device lost"
    VALIDATE = "confirm what another person did"
    RE_AUDIT = "look again at what another person wiped"
    CORRECT_RECORD = "correct a record"
    ADD_PHOTOGRAPH = "add a photograph"
    HIDE_PHOTOGRAPH = "hide a photograph"
    SEE_BENCH = "see the bench"
    ENROL_STATION = "enrol a station"
    REVOKE_STATION = "revoke a station"
    FETCH_ORDERS = "fetch work orders"
    SUBMIT_CERTIFICATE = "submit a certificate"
    SEE_ISSUED = "see what a centre’s stations issued"
    NOTE_START = "note that a wipe began"
    COSIGN_LOG = "cosign the log"
    REVOKE_CERTIFICATE = "revoke a certificate"
    ACCREDIT = "accredit or suspend a centre"
    SEE_ACCREDITING = "see audits and decisions about centres"
    ADMIT_ACCREDITOR = "admit or end an accreditor"
    RECHECK = "settle a certificate in doubt"
    VERIFY_BUYER = "verify a recycler"
    FORM_LOT = "form a lot"
    LIST_DEVICE = "list a device"
    BID = "bid on a lot"
    WATCH_LOT = "watch a lot"
    ANSWER_SECOND_OFFER = "answer an offer of a lot"
    BUY = "buy from the storefront"
    SEE_ORDER = "see an order"
    PAY_ORDER = "pay an order"
    REFUND_ORDER = "refund an order"
    DISPUTE = "dispute a device"
    SEE_DISPUTE = "see a dispute"
    ANSWER_DISPUTE = "answer a dispute"
    DECIDE_DISPUTE = "decide a dispute"
    PAY_AGAIN = "write a failed payment anew"
    HAND_OVER = "hand a sold device over"
    REPORT_OUTCOME = "report what became of a device"
    SEE_DESK = "see the desk"
    SEE_LEDGER = "see the ledger"
    SEE_REFUSALS = "see refusals"
    PUBLISH_PRICES = "propose or publish a price table"
    HANDLE_INCIDENT = "open, note or close an incident"
    RETRY_JOB = "run a failed job again"
    RUN_JOBS = "run a job"
    SEE_METRICS = "see metrics"
    LET_ACT = "let a program act in one’s own name"


R, X = Role, Relation
_PEOPLE = (R.CONSUMER, R.OPERATOR, R.RECYCLER, R.STAFF, R.AUDITOR, R.ACCREDITOR)
_FIRMS = (R.OPERATOR, R.RECYCLER, R.COMPANY, R.COLLECTOR, R.STAFF, R.AUDITOR, R.ACCREDITOR)
TABLE: dict[Action, dict[Role, Relation]] = {
    Action.CHANGE_ACCOUNT: dict.fromkeys(_PEOPLE, X.OWN),
    Action.APPLY: dict.fromkeys((R.CONSUMER, R.OPERATOR, R.RECYCLER), X.ANY),
    Action.SEE_FIRM: dict.fromkeys(_FIRMS, X.ORGANISATION),
    Action.CHANGE_FIRM: dict.fromkeys(_FIRMS, X.ORGANISATION),
    Action.SEE_DOCUMENT: dict.fromkeys(_FIRMS, X.ORGANISATION) | dict.fromkeys((R.STAFF, R.AUDITOR), X.ANY),
    Action.REVIEW_APPLICATION: {R.STAFF: X.ANY},
    Action.QUOTE: dict.fromkeys((R.ANONYMOUS, R.CONSUMER, R.OPERATOR, R.RECYCLER, R.STAFF), X.ANY),
    Action.ACCEPT_QUOTE: {R.CONSUMER: X.ANY},
    Action.SEE_DEVICE: {R.CONSUMER: X.OWN, R.OPERATOR: X.CENTRE, R.STAFF: X.ANY, R.AUDITOR: X.ANY},
    Action.CANCEL_DEVICE: {R.CONSUMER: X.OWN, R.STAFF: X.ANY},
    Action.ANSWER_OFFER: {R.CONSUMER: X.OWN},
    Action.SAY_WHERE_BACK: {R.CONSUMER: X.OWN},
    Action.RECEIVE: {R.OPERATOR: X.CENTRE},
    Action.INSPECT: {R.OPERATOR: X.CENTRE},
    Action.ORDER_WIPE: {R.OPERATOR: X.CENTRE},
    Action.HOLD: {R.OPERATOR: X.CENTRE, R.STAFF: X.ANY},
    Action.SEND_BACK: {R.OPERATOR: X.CENTRE, R.WORKER: X.ANY},
    Action.DESTROY: {R.OPERATOR: X.CENTRE},
    Action.REPORT_LOST: {R.OPERATOR: X.CENTRE, R.STAFF: X.ANY},
    Action.VALIDATE: {R.OPERATOR: X.CENTRE},
    Action.RE_AUDIT: {R.OPERATOR: X.CENTRE},
    Action.CORRECT_RECORD: {R.OPERATOR: X.CENTRE},
    Action.ADD_PHOTOGRAPH: {R.CONSUMER: X.OWN, R.OPERATOR: X.CENTRE},
    Action.HIDE_PHOTOGRAPH: {R.CONSUMER: X.OWN, R.OPERATOR: X.CENTRE, R.STAFF: X.ANY},
    Action.SEE_BENCH: {R.OPERATOR: X.CENTRE},
    Action.ENROL_STATION: {R.OPERATOR: X.CENTRE},
    Action.REVOKE_STATION: {R.OPERATOR: X.CENTRE, R.STAFF: X.ANY},
    Action.FETCH_ORDERS: {R.STATION: X.CENTRE},
    Action.SUBMIT_CERTIFICATE: {R.STATION: X.CENTRE},
    Action.SEE_ISSUED: {R.OPERATOR: X.CENTRE, R.STATION: X.CENTRE},
    Action.NOTE_START: {R.STATION: X.CENTRE},
    Action.COSIGN_LOG: {R.STATION: X.CENTRE},
    Action.REVOKE_CERTIFICATE: {R.STAFF: X.ANY},
    # The desk accredits for the house, and may suspend anybody; an accreditor acts for itself.
    Action.ACCREDIT: {R.STAFF: X.ANY, R.ACCREDITOR: X.ORGANISATION},
    Action.SEE_ACCREDITING: {R.STAFF: X.ANY, R.AUDITOR: X.ANY, R.ACCREDITOR: X.ORGANISATION},
    Action.ADMIT_ACCREDITOR: {R.STAFF: X.ANY},
    Action.RECHECK: {R.STAFF: X.ANY},
    Action.VERIFY_BUYER: {R.STAFF: X.ANY},
    Action.FORM_LOT: {R.STAFF: X.ANY},
    Action.LIST_DEVICE: {R.STAFF: X.ANY},
    Action.BID: {R.RECYCLER: X.ORGANISATION},
    Action.WATCH_LOT: {R.RECYCLER: X.ANY},
    Action.ANSWER_SECOND_OFFER: {R.RECYCLER: X.ORGANISATION},
    Action.BUY: {R.CONSUMER: X.ANY},
    Action.SEE_ORDER: {R.CONSUMER: X.OWN, R.RECYCLER: X.ORGANISATION, R.STAFF: X.ANY, R.AUDITOR: X.ANY},
    Action.PAY_ORDER: {R.CONSUMER: X.OWN, R.RECYCLER: X.ORGANISATION},
    Action.REFUND_ORDER: {R.STAFF: X.ANY},
    Action.DISPUTE: {R.CONSUMER: X.OWN, R.RECYCLER: X.ORGANISATION},
    Action.SEE_DISPUTE: {
        R.CONSUMER: X.OWN,
        R.RECYCLER: X.ORGANISATION,
        R.OPERATOR: X.CENTRE,
        R.STAFF: X.ANY,
        R.AUDITOR: X.ANY,
    },
    Action.ANSWER_DISPUTE: {
        R.CONSUMER: X.OWN,
        R.RECYCLER: X.ORGANISATION,
        R.OPERATOR: X.CENTRE,
        R.STAFF: X.ANY,
    },
    Action.DECIDE_DISPUTE: {R.STAFF: X.ANY},
    Action.PAY_AGAIN: {R.STAFF: X.ANY},
    Action.HAND_OVER: {R.OPERATOR: X.CENTRE},
    Action.REPORT_OUTCOME: {R.RECYCLER: X.ORGANISATION},
    Action.SEE_DESK: {R.STAFF: X.ANY, R.AUDITOR: X.ANY},
    Action.SEE_LEDGER: {R.STAFF: X.ANY, R.AUDITOR: X.ANY},
    Action.SEE_REFUSALS: {R.STAFF: X.ANY, R.AUDITOR: X.ANY},
    Action.PUBLISH_PRICES: {R.STAFF: X.ANY},
    Action.HANDLE_INCIDENT: {R.STAFF: X.ANY},
    Action.RETRY_JOB: {R.STAFF: X.ANY},
    Action.RUN_JOBS: {R.WORKER: X.ANY},
    Action.SEE_METRICS: {R.WORKER: X.ANY},
    Action.LET_ACT: dict.fromkeys((R.CONSUMER, R.OPERATOR, R.RECYCLER), X.ANY),
}

# A company and a collector sell, and buy in the shop, as a consumer does.
for _grants in TABLE.values():
    for _seller in SELLERS - {R.CONSUMER}:
        if R.CONSUMER in _grants:
            _grants.setdefault(_seller, _grants[R.CONSUMER])

# What binds somebody waits until we know that the address is theirs. (Without it nobody acts for a firm either.)
CONFIRMED_ONLY = frozenset({Action.ACCEPT_QUOTE, Action.BUY, Action.BID, Action.LET_ACT})


def allows(
    actor: Actor,
    action: Action,
    *,
    owner: UUID | None = None,
    centre: UUID | None = None,
    organisation: UUID | None = None,
) -> bool:
    """Whether this actor may do this to a thing with this owner, centre and organisation."""
    relation = TABLE[action].get(actor.role)
    if relation is None or (action in CONFIRMED_ONLY and not actor.confirmed):
        return False
    if relation is Relation.OWN:
        return actor.id is not None and actor.id == owner
    if relation is Relation.CENTRE:
        return actor.organisation_id is not None and actor.organisation_id == centre
    if relation is Relation.ORGANISATION:
        return actor.organisation_id is not None and actor.organisation_id == organisation
    return True


def require(
    actor: Actor,
    action: Action,
    *,
    owner: UUID | None = None,
    centre: UUID | None = None,
    organisation: UUID | None = None,
) -> None:
    """Refuse unless the table allows it.

    Raises `NotFound` for a thing of somebody else's (its existence is not told), `NotAllowed` when this role
    never may.
    """
    if allows(actor, action, owner=owner, centre=centre, organisation=organisation):
        return
    if not actor.confirmed and (action in CONFIRMED_ONLY or actor.role not in TABLE[action]):
        raise NotAllowed(
            "Confirm your e-mail address first: use the link that we sent you. Your account page sends a new one."
        )
    if actor.role in TABLE[action]:
        raise NotFound("There is nothing here under this address, or it is not yours to see.")
    if actor.role is Role.ANONYMOUS:
        raise NotAllowed(f"Sign in first: only people with an account may {action.value}.")
    raise NotAllowed(f"Your account may not {action.value}. Ask your organisation or our desk if it should.")
