"""Who may do what: every address of the site, against everybody who may come to it.

The table was written from the promises of the market, before and apart from `ewaste/accounts/policy.py`, so that each
of the two checks the other. `test_matrix.py` tries every cell.

The words: `in` the permission is given (whatever the form's content then leads to); `sign-in` nobody is signed in, and
is asked to; `no` this role never does this (403); `hidden` somebody else's, answered as if it did not exist (404);
`unsigned` a program's message that its sender did not sign.

The columns: nobody; a consumer with their own and with another's; an operator with their own centre's and another's;
a recycler with their own firm's and another's; staff; an auditor. Where nothing belongs to anybody, the table is
narrower: nobody, consumer, operator, recycler, staff, auditor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Column(NamedTuple):
    """One kind of visitor, and whose things they ask for."""

    who: str | None
    whose: str

    def __str__(self) -> str:
        return f"{self.who or 'nobody'} with {self.whose}"


WIDE = (
    Column(None, "own"),
    Column("cora", "own"), Column("cora", "other"),
    Column("olga", "own"), Column("olga", "other"),
    Column("rita", "own"), Column("rita", "other"),
    Column("stefan", "own"),
    Column("ada", "own"),
)  # fmt: skip
NARROW = tuple(column for column in WIDE if column.whose == "own")

THINGS = """
#                                                        nobody  consumer      operator      recycler      staff auditor
# Quotes: whose it is, and the desk; one that nobody made is for everybody who has its code.
GET  /quotes/<code>                                      hidden  in     hidden hidden hidden hidden hidden in     in
GET  /quotes/<code> (nobody's)                           in      in     in     in     in     in     in     in     in
POST /quotes/<code>/accept                               sign-in in     hidden no     no     no     no     no     no
POST /quotes/<code>/accept (nobody's)                    sign-in in     in     no     no     no     no     no     no

# A seller's device and offer: the seller alone answers. Its centre, the desk and the auditor read; the desk may call a
# sale off for a seller who asks for it.
GET  /devices/<code>                                     sign-in in     hidden in     hidden no     no     in     in
GET  /devices/<code>/prepare                             sign-in in     hidden in     hidden no     no     in     in
POST /devices/<code>/cancel                              sign-in in     hidden no     hidden no     no     in     no
POST /offers/<uuid:id>/confirm                           sign-in in     hidden no     hidden no     no     no     no
POST /offers/<uuid:id>/decline                           sign-in in     hidden no     hidden no     no     no     no

# Orders: the buyer pays. The centre has no business with their pages; the collection code is the buyer's alone.
GET  /orders/<code> (of a lot)                           sign-in hidden hidden no     no     in     hidden in     in
GET  /orders/<code> (from the shop)                      sign-in in     hidden no     no     hidden hidden in     in
POST /orders/<code>/pay (of a lot)                       sign-in hidden hidden no     no     in     hidden no     no
POST /orders/<code>/pay (from the shop)                  sign-in in     hidden no     no     hidden hidden no     no

# The shop and the lots: consumers buy in the one, firms bid on the other.
POST /shop/<code>/buy                                    sign-in in     in     no     no     no     no     no     no
POST /lots/<code>/bids                                   sign-in no     no     no     no     in     in     no     no
# A lot that was won is its buyer's; whoever may see orders at all reads that there is none of theirs.
GET  /my-lots/<code>                                     sign-in hidden hidden no     no     in     hidden hidden hidden
POST /my-lots/<code>/devices/<device_code>/outcome       sign-in no     no     no     no     in     hidden no     no

# The bench: operators, with what lies at their own centre.
GET  /bench/find                                         sign-in no     no     in     hidden no     no     no     no
GET  /bench/devices/<code>                               sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/receive                       sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/weigh                         sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/media                         sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/media/<uuid:medium_id>/failed sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/media/<uuid:medium_id>/apart  sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/inspect                       sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/work-order                    sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/certificate                   sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/clear-again                   sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/hold                          sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/holds/<uuid:hold_id>/lift     sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/return                        sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/lost                          sign-in no     no     in     hidden no     no     no     no
POST /bench/collections                                  sign-in no     no     in     hidden no     no     no     no
# A station is retired by its centre, or by the desk that accredits the centre.
POST /bench/stations/<uuid:id>/retire                    sign-in no     no     in     hidden no     no     in     no

# The desk: staff act, the auditor reads.
GET  /staff/devices/<code>                               sign-in no     no     no     no     no     no     in     in
POST /staff/devices/<code>/list                          sign-in no     no     no     no     no     no     in     no
POST /staff/devices/<code>/unlist                        sign-in no     no     no     no     no     no     in     no
POST /staff/devices/<code>/lost                          sign-in no     no     no     no     no     no     in     no
POST /staff/devices/<code>/hold                          sign-in no     no     no     no     no     no     in     no
POST /staff/devices/<code>/holds/<uuid:hold_id>/lift     sign-in no     no     no     no     no     no     in     no
POST /staff/certificates/<uuid:id>/revoke                sign-in no     no     no     no     no     no     in     no
POST /staff/lots                                         sign-in no     no     no     no     no     no     in     no
GET  /staff/orders/<code>                                sign-in no     no     no     no     no     no     in     in
POST /staff/orders/<code>/refund                         sign-in no     no     no     no     no     no     in     no
POST /staff/payouts/<uuid:id>/again                      sign-in no     no     no     no     no     no     in     no
POST /staff/centres/<uuid:id>/accredit                   sign-in no     no     no     no     no     no     in     no
POST /staff/centres/<uuid:id>/suspend                    sign-in no     no     no     no     no     no     in     no
POST /staff/centres/<uuid:id>/reinstate                  sign-in no     no     no     no     no     no     in     no
POST /staff/recyclers/<uuid:id>/verify                   sign-in no     no     no     no     no     no     in     no
POST /staff/recyclers/<uuid:id>/suspend                  sign-in no     no     no     no     no     no     in     no

# What proves something, or is for sale, is for everybody.
GET  /certificates/<uuid:id>                             in      in     in     in     in     in     in     in     in
GET  /certificates/<uuid:id>/bundle.zip                  in      in     in     in     in     in     in     in     in
GET  /lots/<code>                                        in      in     in     in     in     in     in     in     in
GET  /lots/<code>/manifest.csv                           in      in     in     in     in     in     in     in     in
GET  /shop/<code>                                        in      in     in     in     in     in     in     in     in
GET  /centres/<slug>/did.json                            in      in     in     in     in     in     in     in     in
"""

PLACES = """
#                                                        nobody   consumer operator recycler staff    auditor
GET  /                                                   in       in       in       in       in       in
GET  /quote                                              in       in       in       in       in       in
GET  /quote/<model_code>                                 in       in       in       in       in       in
POST /quote/<model_code>                                 in       in       in       in       in       no
GET  /verify                                             in       in       in       in       in       in
POST /verify                                             in       in       in       in       in       in
GET  /lots                                               in       in       in       in       in       in
GET  /shop                                               in       in       in       in       in       in

# Accounts.
GET  /sign-in                                            in       in       in       in       in       in
POST /sign-in                                            in       in       in       in       in       in
GET  /sign-up                                            in       in       in       in       in       in
POST /sign-up                                            in       in       in       in       in       in
POST /sign-out                                           in       in       in       in       in       in
GET  /account                                            sign-in  in       in       in       in       in
POST /account/sign-out-everywhere                        sign-in  in       in       in       in       in
POST /account/payout                                     sign-in  in       no       no       no       no
GET  /whoami                                             sign-in  in       in       in       in       in

# Each role's own rooms. "My devices" of the desk and the auditor is an empty list.
GET  /devices                                            sign-in  in       hidden   no       in       in
GET  /bench                                              sign-in  no       in       no       no       no
GET  /bench/stations                                     sign-in  no       in       no       no       no
POST /bench/stations/codes                               sign-in  no       in       no       no       no
GET  /my-lots                                            sign-in  no       no       in       no       no
GET  /staff                                              sign-in  no       no       no       in       in
GET  /staff/devices                                      sign-in  no       no       no       in       in
GET  /staff/lots/new                                     sign-in  no       no       no       in       no
GET  /staff/orders                                       sign-in  no       no       no       in       in
GET  /staff/centres                                      sign-in  no       no       no       in       in
GET  /staff/recyclers                                    sign-in  no       no       no       in       in
GET  /staff/ledger                                       sign-in  no       no       no       in       in
GET  /staff/refusals                                     sign-in  no       no       no       in       in

# What programs ask.
GET  /livez                                              in       in       in       in       in       in
GET  /readyz                                             in       in       in       in       in       in
GET  /trust.json                                         in       in       in       in       in       in
GET  /.well-known/did.json                               in       in       in       in       in       in
GET  /accreditation/did.json                             in       in       in       in       in       in
GET  /favicon.ico                                        in       in       in       in       in       in

# Signed by their senders: a person's session is worth nothing here. The enrolment code is its own permission.
POST /api/agent/enrol                                    in       in       in       in       in       in
GET  /api/agent/orders                                   sign-in  no       no       no       no       no
POST /api/agent/certificates                             sign-in  no       no       no       no       no
POST /webhooks/stripe                                    unsigned unsigned unsigned unsigned unsigned unsigned
"""


@dataclass(frozen=True)
class Sent:
    """What is sent to an address, so that permission alone decides: `$name` stands for a thing of the market."""

    path: dict[str, str] = field(default_factory=dict)
    form: dict[str, str | list[str]] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    file: str | None = None
    json: dict[str, str] | None = None


def _sent(*, form: dict[str, str | list[str]] | None = None, file: str | None = None, **path: str) -> Sent:
    return Sent(path=path, form=form or {}, file=file)


_ACCEPT: dict[str, str | list[str]] = {
    "serial": "PF7TABLE",
    "owner": "yes",
    "centre_id": "$centre",
    "silence": "send-back",
}
_WHY: dict[str, str | list[str]] = {"reason": "Somebody has to try it."}
_HOLD: dict[str, str | list[str]] = {"kind": "ownership", **_WHY}
_HOURS: dict[str, str | list[str]] = {"starts_at": "$starts_at", "ends_at": "$ends_at"}

SENT = {
    "GET /quotes/<code>": _sent(code="$quote"),
    "GET /quotes/<code> (nobody's)": _sent(code="$free_quote"),
    "POST /quotes/<code>/accept": _sent(code="$quote", form=_ACCEPT),
    "POST /quotes/<code>/accept (nobody's)": _sent(code="$free_quote", form=_ACCEPT),
    "GET /devices/<code>": _sent(code="$inspected"),
    "GET /devices/<code>/prepare": _sent(code="$expected"),
    "POST /devices/<code>/cancel": _sent(code="$expected"),
    "POST /offers/<uuid:id>/confirm": _sent(id="$offer"),
    "POST /offers/<uuid:id>/decline": _sent(id="$offer"),
    "GET /orders/<code> (of a lot)": _sent(code="$order_due"),
    "GET /orders/<code> (from the shop)": _sent(code="$shop_order"),
    "POST /orders/<code>/pay (of a lot)": _sent(code="$order_due"),
    "POST /orders/<code>/pay (from the shop)": _sent(code="$shop_order"),
    "POST /shop/<code>/buy": _sent(code="$listing"),
    "POST /lots/<code>/bids": _sent(code="$lot", form={"maximum": "40", "key": "a-key-of-one-form"}),
    "GET /my-lots/<code>": _sent(code="$won_lot"),
    "POST /my-lots/<code>/devices/<device_code>/outcome": _sent(
        code="$won_lot", device_code="$won", form={"outcome": "dismantled", "mass_residue_g": "100"}
    ),
    "GET /bench/find": Sent(query={"code": "$received"}),
    "GET /bench/devices/<code>": _sent(code="$received"),
    "POST /bench/devices/<code>/receive": _sent(
        code="$expected", form={"seal": "S-7", "seal_state": "intact", "mass_g": "1500"}
    ),
    "POST /bench/devices/<code>/weigh": _sent(code="$received", form={"mass_g": "1500"}),
    "POST /bench/devices/<code>/media": _sent(
        code="$received", form={"kind": "ssd", "manufacturer": "Samsung", "model": "PM981", "serial": "DRIVE-NEW"}
    ),
    "POST /bench/devices/<code>/media/<uuid:medium_id>/failed": _sent(code="$clearing", medium_id="$medium", form=_WHY),
    "POST /bench/devices/<code>/media/<uuid:medium_id>/apart": _sent(
        code="$clearing", medium_id="$medium", form={"seal": "S-9", **_WHY}
    ),
    "POST /bench/devices/<code>/inspect": _sent(
        code="$received", form={"observed_serial": "PF1ABC", "mass_g": "1500", "*": "$findings"}
    ),
    "POST /bench/devices/<code>/work-order": _sent(code="$clearing"),
    "POST /bench/devices/<code>/certificate": _sent(code="$ordered", file="$bundle"),
    "POST /bench/devices/<code>/clear-again": _sent(code="$uncleared"),
    "POST /bench/devices/<code>/hold": _sent(code="$received", form=_HOLD),
    "POST /bench/devices/<code>/holds/<uuid:hold_id>/lift": _sent(code="$held", hold_id="$hold", form=_WHY),
    "POST /bench/devices/<code>/return": _sent(code="$received", form={"mass_g": "1500", "seal": "S-8", **_WHY}),
    "POST /bench/devices/<code>/lost": _sent(code="$received", form=_WHY),
    "POST /bench/collections": _sent(form={"collection_code": "$collection_code"}),
    "POST /bench/stations/<uuid:id>/retire": _sent(id="$station", form=_WHY),
    "GET /staff/devices/<code>": _sent(code="$received"),
    "POST /staff/devices/<code>/list": _sent(code="$for_sale", form={"price": "120"}),
    "POST /staff/devices/<code>/unlist": _sent(code="$listed"),
    "POST /staff/devices/<code>/lost": _sent(code="$received", form=_WHY),
    "POST /staff/devices/<code>/hold": _sent(code="$received", form=_HOLD),
    "POST /staff/devices/<code>/holds/<uuid:hold_id>/lift": _sent(code="$held", hold_id="$hold", form=_WHY),
    "POST /staff/certificates/<uuid:id>/revoke": _sent(id="$certificate", form=_WHY),
    "POST /staff/lots": _sent(form={"title": "One laptop", "devices": ["$for_sale"], "start": "10", **_HOURS}),
    "GET /staff/orders/<code>": _sent(code="$order_paid"),
    "POST /staff/orders/<code>/refund": _sent(code="$order_paid", form=_WHY),
    "POST /staff/payouts/<uuid:id>/again": _sent(id="$failed_payout"),
    "POST /staff/centres/<uuid:id>/accredit": _sent(
        id="$centre", form={"methods": ["clear"], "media_kinds": ["ssd", "hdd"], "valid_until": "$next_year"}
    ),
    "POST /staff/centres/<uuid:id>/suspend": _sent(id="$centre", form=_WHY),
    "POST /staff/centres/<uuid:id>/reinstate": _sent(id="$centre", form=_WHY),
    "POST /staff/recyclers/<uuid:id>/verify": _sent(id="$recycler", form={"licences": ["resale"]}),
    "POST /staff/recyclers/<uuid:id>/suspend": _sent(id="$recycler"),
    "GET /certificates/<uuid:id>": _sent(id="$certificate"),
    "GET /certificates/<uuid:id>/bundle.zip": _sent(id="$certificate"),
    "GET /lots/<code>": _sent(code="$lot"),
    "GET /lots/<code>/manifest.csv": _sent(code="$lot"),
    "GET /shop/<code>": _sent(code="$listing"),
    "GET /centres/<slug>/did.json": _sent(slug="$slug"),
    "GET /quote/<model_code>": _sent(model_code="$model"),
    "POST /quote/<model_code>": _sent(model_code="$model", form={"storage_gb": "256", "*": "$answers"}),
    "POST /verify": _sent(file="$bundle"),
    "POST /sign-in": _sent(form={"email": "ben@example.org", "password": "practice-makes-perfect"}),
    "POST /sign-up": _sent(
        form={"name": "Nina New", "email": "nina@example.org", "password": "long enough 1", "adult": "yes"}
    ),
    "POST /account/payout": _sent(form={"country": "DE"}),
    "POST /api/agent/enrol": Sent(json={"*": "$enrolment"}),
    "POST /api/agent/certificates": Sent(json={"files": "$files"}),
}
# What must have happened before, where the market as it stands is not enough: a method of the stage.
FIRST = {"POST /staff/centres/<uuid:id>/reinstate": "suspend_centre"}

# Where even the right person gets no further here, and why.
NEVER_DONE = {
    "POST /orders/<code>/pay (of a lot)": "no payment provider answers in this test",
    "POST /orders/<code>/pay (from the shop)": "no payment provider answers in this test",
    "POST /account/payout": "no payment provider answers in this test",
    "GET /api/agent/orders": "a person is no station; `test_matrix.py` signs as one",
    "POST /api/agent/certificates": "a person is no station; `test_matrix.py` signs as one",
    "POST /webhooks/stripe": "the provider's signature is tested with the payments",
}


@dataclass(frozen=True)
class Row:
    """One address with one method, what is sent to it, and what everybody gets."""

    name: str
    method: str
    rule: str
    sent: Sent
    expected: dict[Column, str]


def rows() -> list[Row]:
    """The whole table."""
    return [*_rows(THINGS, WIDE), *_rows(PLACES, NARROW)]


def _rows(text: str, columns: tuple[Column, ...]) -> list[Row]:
    found = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split()
        address, cells = words[: -len(columns)], words[-len(columns) :]
        name = " ".join(address)
        method, rule = address[:2]
        found.append(Row(name, method, rule, SENT.get(name, Sent()), dict(zip(columns, cells, strict=True))))
    return found
