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
POST /devices/<code>/photographs                         sign-in in     hidden hidden hidden no     no     no     no
# A photograph for a sale is everybody's; any other is the seller's, the centre's and the desk's.
GET  /photographs/<uuid:id>                              hidden  in     hidden in     hidden hidden hidden in     in
GET  /photographs/<uuid:id>/small                        hidden  in     hidden in     hidden hidden hidden in     in
GET  /photographs/<uuid:id> (for sale)                   in      in     in     in     in     in     in     in     in
POST /photographs/<uuid:id>/hide                         sign-in in     hidden in     hidden no     no     in     no
POST /devices/<code>/cancel                              sign-in in     hidden no     hidden no     no     in     no
POST /offers/<uuid:id>/confirm                           sign-in in     hidden no     hidden no     no     no     no
GET  /offers/<uuid:id>/decline                           sign-in in     hidden no     hidden no     no     no     no
POST /offers/<uuid:id>/decline                           sign-in in     hidden no     hidden no     no     no     no
POST /devices/<code>/return-address                      sign-in in     hidden no     hidden no     no     no     no

# Orders: the buyer pays. The centre has no business with their pages; the collection code is the buyer's alone.
GET  /orders/<code> (of a lot)                           sign-in hidden hidden no     no     in     hidden in     in
GET  /orders/<code> (from the shop)                      sign-in in     hidden no     no     hidden hidden in     in
POST /orders/<code>/pay (of a lot)                       sign-in hidden hidden no     no     in     hidden no     no
POST /orders/<code>/pay (from the shop)                  sign-in in     hidden no     no     hidden hidden no     no
GET  /orders/<code>/invoice                              sign-in hidden hidden no     no     in     hidden in     in
POST /orders/<code>/withdraw                             sign-in in     hidden no     no     hidden hidden no     no

# Disputes: the buyer opens them, the centre that graded and the desk answer, the desk decides, an auditor reads.
POST /orders/<code>/disputes                             sign-in hidden hidden no     no     in     hidden no     no
GET  /disputes/<code>                                    sign-in hidden hidden in     hidden in     hidden in     in
POST /disputes/<code>/answer                             sign-in hidden hidden in     hidden in     hidden in     no
POST /staff/disputes/<code>/decide                       sign-in no     no     no     no     no     no     in     no
POST /staff/disputes/<code>/lapse                        sign-in no     no     no     no     no     no     in     no

# A token for a program is its person's alone; the desk has none.
# An account and its sessions are its person's; a firm's people and papers are the firm's, and the desk reads papers.
POST /account/sessions/<uuid:id>/end                     sign-in in     hidden hidden hidden hidden hidden hidden hidden
POST /account/passkeys/<uuid:id>/remove                  sign-in in     hidden hidden hidden hidden hidden hidden hidden
GET  /send-again/<uuid:id>                               sign-in in     hidden hidden hidden hidden hidden hidden hidden
POST /account/firms/<uuid:id>/documents                  sign-in hidden hidden in     hidden hidden hidden no     no
POST /account/firm/invitations/<uuid:id>/withdraw        sign-in no     no     in     hidden hidden hidden hidden hidden
POST /account/firm/people/<uuid:id>/rank                 sign-in no     no     in     hidden hidden hidden hidden hidden
POST /account/firm/people/<uuid:id>/remove               sign-in no     no     in     hidden hidden hidden hidden hidden
GET  /documents/<uuid:id>                                sign-in no     no     in     hidden hidden hidden in     in
GET  /staff/applications/<uuid:id>                       sign-in no     no     no     no     no     no     in     in
POST /staff/applications/<uuid:id>/decide                sign-in no     no     no     no     no     no     in     no
POST /account/tokens/<uuid:id>/revoke                    sign-in in     hidden hidden hidden hidden hidden no     no
# Programs: a session counts for nothing. A quote that a person made is read with that person's token.
GET  /api/v1/quotes/<code>                               hidden  hidden hidden hidden hidden hidden hidden hidden hidden
GET  /api/v1/quotes/<code> (nobody's)                    in      in     in     in     in     in     in     in     in

# The shop and the lots: consumers buy in the one, firms bid on the other.
POST /shop/<code>/buy                                    sign-in in     in     no     no     no     no     no     no
POST /lots/<code>/bids                                   sign-in no     no     no     no     in     in     no     no
POST /lots/<code>/watch                                  sign-in no     no     no     no     in     in     no     no
POST /lots/<code>/unwatch                                sign-in no     no     no     no     in     in     no     no
# A lot that was won is its buyer's; whoever may see orders at all reads that there is none of theirs.
GET  /my-lots/<code>                                     sign-in hidden hidden no     no     in     hidden hidden hidden
GET  /my-lots/<code>/results.csv                         sign-in hidden hidden no     no     in     hidden hidden hidden
# A lot whose winner did not pay: the runner-up alone answers.
POST /my-lots/<code>/second-offer/accept                 sign-in no     no     no     no     in     hidden no     no
POST /my-lots/<code>/second-offer/decline                sign-in no     no     no     no     in     hidden no     no
POST /my-lots/<code>/devices/<device_code>/outcome       sign-in no     no     no     no     in     hidden no     no

# The bench: operators, with what lies at their own centre.
GET  /bench/find                                         sign-in no     no     in     hidden no     no     no     no
GET  /bench/devices/<code>                               sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/receive                       sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/weigh                         sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/media                         sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/media/<uuid:medium_id>/failed sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/media/<uuid:medium_id>/apart  sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/media/<uuid:medium_id>/withdraw sign-in no   no     in     hidden no     no     no     no
POST /bench/devices/<code>/inspect                       sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/reinspect                     sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/media/<uuid:medium_id>/validate sign-in no   no     in     hidden no     no     no     no
POST /bench/devices/<code>/correct                       sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/photographs                   sign-in no     no     in     hidden no     no     no     no
GET  /bench/devices/<code>/live                          sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/work-order                    sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/certificate                   sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/clear-again                   sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/hold                          sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/holds/<uuid:hold_id>/lift     sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/return                        sign-in no     no     in     hidden no     no     no     no
POST /bench/devices/<code>/lost                          sign-in no     no     in     hidden no     no     no     no
POST /bench/collections                                  sign-in no     no     in     hidden no     no     no     no
# A station is retired by its centre, or by the desk that accredits the centre.
POST /bench/re-audits/<uuid:id>                          sign-in no     no     in     hidden no     no     no     no
POST /bench/stations/<uuid:id>/retire                    sign-in no     no     in     hidden no     no     in     no
# A new key for a station is the centre's business alone; that one was stolen, the desk may say as well.
POST /bench/stations/codes/<uuid:id>/withdraw            sign-in no     no     in     hidden no     no     no     no
POST /bench/stations/<uuid:id>/replace                   sign-in no     no     in     hidden no     no     no     no
POST /bench/stations/<uuid:id>/compromised               sign-in no     no     in     hidden no     no     in     no

# The desk: staff act, the auditor reads.
GET  /staff/devices/<code>                               sign-in no     no     no     no     no     no     in     in
POST /staff/devices/<code>/list                          sign-in no     no     no     no     no     no     in     no
POST /staff/devices/<code>/unlist                        sign-in no     no     no     no     no     no     in     no
POST /staff/devices/<code>/lost                          sign-in no     no     no     no     no     no     in     no
POST /staff/devices/<code>/hold                          sign-in no     no     no     no     no     no     in     no
POST /staff/devices/<code>/holds/<uuid:hold_id>/lift     sign-in no     no     no     no     no     no     in     no
GET  /staff/certificates/<uuid:id>/revoke                sign-in no     no     no     no     no     no     in     no
POST /staff/certificates/<uuid:id>/revoke                sign-in no     no     no     no     no     no     in     no
POST /staff/lots                                         sign-in no     no     no     no     no     no     in     no
GET  /staff/orders/<code>                                sign-in no     no     no     no     no     no     in     in
POST /staff/orders/<code>/refund                         sign-in no     no     no     no     no     no     in     no
POST /staff/payouts/<uuid:id>/again                      sign-in no     no     no     no     no     no     in     no
POST /staff/centres/<uuid:id>/suspend                    sign-in no     no     no     no     no     no     in     no
POST /staff/recyclers/<uuid:id>/verify                   sign-in no     no     no     no     no     no     in     no
POST /staff/recyclers/<uuid:id>/suspend                  sign-in no     no     no     no     no     no     in     no

# What proves something, or is for sale, is for everybody.
GET  /certificates/<uuid:id>                             in      in     in     in     in     in     in     in     in
GET  /certificates/<uuid:id>/bundle.zip                  in      in     in     in     in     in     in     in     in
GET  /certificates/<uuid:id>/code                        in      in     in     in     in     in     in     in     in
GET  /lots/<code>                                        in      in     in     in     in     in     in     in     in
GET  /lots/<code>/manifest.csv                           in      in     in     in     in     in     in     in     in
GET  /lots/<code>/live                                   in      in     in     in     in     in     in     in     in
GET  /shop/<code>                                        in      in     in     in     in     in     in     in     in
GET  /centres/<slug>/did.json                            in      in     in     in     in     in     in     in     in
GET  /status/<name>                                      in      in     in     in     in     in     in     in     in
GET  /centres/<slug>                                     in      in     in     in     in     in     in     in     in
GET  /centres/<slug>/accreditation.json                  in      in     in     in     in     in     in     in     in
GET  /centres/<slug>/statements.json                     in      in     in     in     in     in     in     in     in
GET  /accreditors/<slug>/did.json                        in      in     in     in     in     in     in     in     in
"""

PLACES = """
#                                                        nobody   consumer operator recycler staff    auditor
GET  /                                                   in       in       in       in       in       in
GET  /quote                                              in       in       in       in       in       in
GET  /quote/<model_code>                                 in       in       in       in       in       in
POST /quote/<model_code>                                 in       in       in       in       in       no
GET  /search                                             in       in       in       in       in       in
GET  /prices                                             in       in       in       in       in       in
GET  /prices.csv                                         in       in       in       in       in       in
GET  /prices/tables.json                                 in       in       in       in       in       in
GET  /centres                                            in       in       in       in       in       in
GET  /centres.csv                                        in       in       in       in       in       in
GET  /centres.json                                       in       in       in       in       in       in
GET  /checklists/audit                                   in       in       in       in       in       in
GET  /checklists/audit.json                              in       in       in       in       in       in
GET  /open                                               in       in       in       in       in       in
GET  /open.csv                                           in       in       in       in       in       in
GET  /open.json                                          in       in       in       in       in       in
GET  /help                                               in       in       in       in       in       in
GET  /privacy                                            in       in       in       in       in       in
GET  /terms                                              in       in       in       in       in       in
GET  /imprint                                            in       in       in       in       in       in
GET  /accessibility                                      in       in       in       in       in       in
GET  /verify                                             in       in       in       in       in       in
POST /verify                                             in       in       in       in       in       in
GET  /verify/offline                                     in       in       in       in       in       in
GET  /wipe-agent.zip                                     in       in       in       in       in       in
GET  /lots                                               in       in       in       in       in       in
GET  /shop                                               in       in       in       in       in       in

# Accounts.
GET  /sign-in                                            in       in       in       in       in       in
POST /sign-in                                            in       in       in       in       in       in
GET  /sign-up                                            in       in       in       in       in       in
POST /sign-up                                            in       in       in       in       in       in
POST /sign-out                                           in       in       in       in       in       in
GET  /account                                            sign-in  in       in       in       in       in
GET  /sign-up/firm                                       in       in       in       in       in       in
GET  /sign-up/firm/<kind>                                in       in       in       in       in       in
POST /sign-up/firm/<kind>                                in       in       in       in       no       no
GET  /confirm/<token>                                    in       in       in       in       in       in
POST /confirm/<token>                                    in       in       in       in       in       in
GET  /reset                                              in       in       in       in       in       in
POST /reset                                              in       in       in       in       in       in
GET  /reset/<token>                                      in       in       in       in       in       in
POST /reset/<token>                                      in       in       in       in       in       in
GET  /invitations/<token>                                in       in       in       in       in       in
POST /invitations/<token>                                in       in       in       in       in       in
# Who has not given a password has no second step to take.
GET  /sign-in/second                                     sign-in  in       in       in       in       in
POST /sign-in/second                                     sign-in  in       in       in       in       in
POST /sign-in/passkey/options                            in       in       in       in       in       in
POST /sign-in/passkey                                    in       in       in       in       in       in
GET  /account/security                                   sign-in  in       in       in       in       in
GET  /account/second-factor                              sign-in  in       in       in       in       in
GET  /account/second-factor/app                          sign-in  in       in       in       in       in
POST /account/second-factor/app                          sign-in  in       in       in       in       in
POST /account/second-factor/app/remove                   sign-in  in       in       in       in       in
POST /account/second-factor/codes                        sign-in  in       in       in       in       in
POST /account/passkeys/options                           sign-in  in       in       in       in       in
POST /account/passkeys                                   sign-in  in       in       in       in       in
POST /account/confirm                                    sign-in  in       in       in       in       in
GET  /account/address                                    sign-in  in       in       in       in       in
POST /account/address                                    sign-in  in       in       in       in       in
GET  /account/password                                   sign-in  in       in       in       in       in
POST /account/password                                   sign-in  in       in       in       in       in
GET  /account/again                                      sign-in  in       in       in       in       in
POST /account/again                                      sign-in  in       in       in       in       in
POST /account/name                                       sign-in  in       in       in       in       in
GET  /account/what-we-hold.json                          sign-in  in       in       in       in       in
GET  /account/close                                      sign-in  in       in       in       in       in
POST /account/close                                      sign-in  in       in       in       in       in
GET  /account/firms                                      sign-in  in       in       in       in       in
# Who works for a centre, for us or for an auditor does not act for themselves here.
POST /account/act-for                                    sign-in  in       no       in       no       no
GET  /account/firm                                       sign-in  no       in       in       in       in
POST /account/firm/invitations                           sign-in  no       in       in       in       in
POST /account/firm/address                               sign-in  no       in       in       in       in
GET  /staff/applications                                 sign-in  no       no       no       in       in
GET  /account/tokens                                     sign-in  in       in       in       in       in
POST /account/tokens                                     sign-in  in       in       in       no       no
POST /account/sign-out-everywhere                        sign-in  in       in       in       in       in
POST /account/payout                                     sign-in  in       no       no       no       no
GET  /whoami                                             sign-in  in       in       in       in       in

# Each role's own rooms. "My devices" of the desk and the auditor is an empty list.
GET  /devices                                            sign-in  in       hidden   no       in       in
GET  /devices.csv                                        sign-in  in       hidden   no       in       in
GET  /bench                                              sign-in  no       in       no       no       no
GET  /bench/queue.csv                                    sign-in  no       in       no       no       no
GET  /bench/labels                                       sign-in  no       in       no       no       no
GET  /bench/re-audits                                    sign-in  no       in       no       no       no
GET  /bench/stations                                     sign-in  no       in       no       no       no
GET  /bench/stations/issued.txt                          sign-in  no       in       no       no       no
POST /bench/stations/codes                               sign-in  no       in       no       no       no
GET  /my-lots                                            sign-in  no       no       in       no       no
GET  /watch-list                                         sign-in  no       no       in       no       no
GET  /staff                                              sign-in  no       no       no       in       in
GET  /staff/devices                                      sign-in  no       no       no       in       in
GET  /staff/lots/new                                     sign-in  no       no       no       in       no
GET  /staff/orders                                       sign-in  no       no       no       in       in
GET  /bench/disputes                                     sign-in  no       in       no       no       no
GET  /staff/disputes                                     sign-in  no       no       no       in       in
GET  /staff/centres                                      sign-in  no       no       no       in       in
GET  /staff/recyclers                                    sign-in  no       no       no       in       in
GET  /staff/accreditation                                sign-in  no       no       no       in       in
GET  /staff/rechecks                                     sign-in  no       no       no       in       in
GET  /staff/accreditors                                  sign-in  no       no       no       in       in
POST /staff/accreditors                                  sign-in  no       no       no       in       no
GET  /staff/ledger                                       sign-in  no       no       no       in       in
GET  /staff/refusals                                     sign-in  no       no       no       in       in

# What the desk keeps: staff act, an auditor reads all of it, and nobody else sees it.
GET  /staff/devices.csv                                  sign-in  no       no       no       in       in
POST /staff/lots/preview                                 sign-in  no       no       no       in       no
GET  /staff/ledger.csv                                   sign-in  no       no       no       in       in
GET  /staff/ledger/<uuid:id>                             sign-in  no       no       no       in       in
GET  /staff/payments                                     sign-in  no       no       no       in       in
GET  /staff/centres/<uuid:id>                            sign-in  no       no       no       in       in
POST /staff/centres/<uuid:id>/stations/<uuid:station_id>/retire sign-in no no      no       in       no
POST /staff/centres/<uuid:id>/stations/<uuid:station_id>/compromised sign-in no no no       in       no
# Accrediting: staff audit, propose and confirm for the house; the auditor reads.
POST /staff/centres/<uuid:id>/audits                     sign-in  no       no       no       in       no
POST /staff/centres/<uuid:id>/propose                    sign-in  no       no       no       in       no
POST /staff/centres/<uuid:id>/credential                 sign-in  no       no       no       in       no
GET  /staff/audits/<uuid:id>                             sign-in  no       no       no       in       in
POST /staff/audits/<uuid:id>/answers                     sign-in  no       no       no       in       no
POST /staff/audits/<uuid:id>/conclude                    sign-in  no       no       no       in       no
GET  /staff/decisions/<uuid:id>                          sign-in  no       no       no       in       in
POST /staff/decisions/<uuid:id>/confirm                  sign-in  no       no       no       in       no
POST /staff/decisions/<uuid:id>/undo                     sign-in  no       no       no       in       no
POST /staff/rechecks/<uuid:id>/propose                   sign-in  no       no       no       in       no
POST /staff/rechecks/<uuid:id>/confirm                   sign-in  no       no       no       in       no
POST /staff/rechecks/<uuid:id>/undo                      sign-in  no       no       no       in       no
POST /staff/accreditors/<uuid:id>/confirm                sign-in  no       no       no       in       no
POST /staff/accreditors/<uuid:id>/undo                   sign-in  no       no       no       in       no
POST /staff/accreditors/<uuid:id>/end                    sign-in  no       no       no       in       no
POST /staff/accreditors/<uuid:id>/invite                 sign-in  no       no       no       in       no
POST /staff/accreditors/<uuid:id>/keys                   sign-in  no       no       no       in       no
POST /staff/key-changes/<uuid:id>/confirm                sign-in  no       no       no       in       no
POST /staff/key-changes/<uuid:id>/undo                   sign-in  no       no       no       in       no
POST /staff/status-lists                                 sign-in  no       no       no       in       no
GET  /staff/recyclers/<uuid:id>                          sign-in  no       no       no       in       in
GET  /staff/prices                                       sign-in  no       no       no       in       in
GET  /staff/prices/propose                               sign-in  no       no       no       in       no
POST /staff/prices                                       sign-in  no       no       no       in       no
GET  /staff/prices/<version>                             sign-in  no       no       no       in       in
GET  /staff/prices/<version>/lines.csv                   sign-in  no       no       no       in       in
POST /staff/prices/<version>/publish                     sign-in  no       no       no       in       no
POST /staff/prices/<version>/withdraw                    sign-in  no       no       no       in       no
GET  /staff/rules                                        sign-in  no       no       no       in       in
GET  /staff/rules/<name>                                 sign-in  no       no       no       in       in
GET  /staff/jobs                                         sign-in  no       no       no       in       in
POST /staff/jobs/<int:id>/again                          sign-in  no       no       no       in       no
GET  /staff/refusals/<key>                               sign-in  no       no       no       in       in
GET  /staff/certificates/refused                         sign-in  no       no       no       in       in
GET  /staff/certificates/refused/<uuid:id>               sign-in  no       no       no       in       in
GET  /staff/certificates/refused/<uuid:id>/bundle.zip    sign-in  no       no       no       in       in
GET  /staff/incidents                                    sign-in  no       no       no       in       in
POST /staff/incidents                                    sign-in  no       no       no       in       no
GET  /staff/incidents/<code>                             sign-in  no       no       no       in       in
POST /staff/incidents/<code>/notes                       sign-in  no       no       no       in       no
POST /staff/incidents/<code>/close                       sign-in  no       no       no       in       no
GET  /staff/trail                                        sign-in  no       no       no       in       in
GET  /staff/trail.csv                                    sign-in  no       no       no       in       in

# What programs ask.
GET  /livez                                              in       in       in       in       in       in
GET  /readyz                                             in       in       in       in       in       in
# From the machine itself, as these visits are; from elsewhere a token decides, and no role (tests/operate).
GET  /metrics                                            in       in       in       in       in       in
GET  /vocab/wipe/v1/<name>                               in       in       in       in       in       in
GET  /trust.json                                         in       in       in       in       in       in
GET  /.well-known/did.json                               in       in       in       in       in       in
GET  /accreditation/did.json                             in       in       in       in       in       in
# The log is everybody's.
GET  /log                                                in       in       in       in       in       in
GET  /log/checkpoint                                     in       in       in       in       in       in
GET  /log/tile/<path:name>                               in       in       in       in       in       in
GET  /log/tile/<path:name> (hashes)                      in       in       in       in       in       in
GET  /log/proof/<digest>                                 in       in       in       in       in       in
GET  /log/statement/<digest>                             in       in       in       in       in       in
GET  /favicon.ico                                        in       in       in       in       in       in

# The API: what is everybody's is there for programs too, and for the rest a session counts for nothing
# (tests/api/test_scopes.py comes with tokens).
GET  /api                                                in       in       in       in       in       in
GET  /api/openapi.json                                   in       in       in       in       in       in
GET  /api/v1/catalogue                                   in       in       in       in       in       in
GET  /api/v1/catalogue/<model>                           in       in       in       in       in       in
POST /api/v1/quotes                                      in       in       in       in       in       in
GET  /api/v1/lots                                        in       in       in       in       in       in
GET  /api/v1/lots/<code>                                 in       in       in       in       in       in
GET  /api/v1/shop                                        in       in       in       in       in       in
GET  /api/v1/shop/<code>                                 in       in       in       in       in       in
GET  /api/v1/certificates/<uuid:id>                      in       in       in       in       in       in
POST /api/v1/verify                                      in       in       in       in       in       in
POST /api/v1/lots/<code>/bids                            sign-in  no       no       no       no       no
POST /api/v1/shop/<code>/orders                          sign-in  no       no       no       no       no
GET  /api/v1/orders                                      sign-in  no       no       no       no       no
GET  /api/v1/orders/<code>                               sign-in  no       no       no       no       no
POST /api/v1/orders/<code>/devices/<device>/outcome      sign-in  no       no       no       no       no
GET  /api/v1/devices                                     sign-in  no       no       no       no       no
GET  /api/v1/devices/<code>                              sign-in  no       no       no       no       no
GET  /api/v1/my-lots                                     sign-in  no       no       no       no       no
GET  /api/v1/my-lots/<code>                              sign-in  no       no       no       no       no
GET  /api/v1/bench/queue                                 sign-in  no       no       no       no       no
GET  /api/v1/bench/devices/<code>                        sign-in  no       no       no       no       no

# Signed by their senders: a person's session is worth nothing here. The enrolment code is its own permission.
POST /api/agent/enrol                                    in       in       in       in       in       in
GET  /api/agent/orders                                   sign-in  no       no       no       no       no
POST /api/agent/certificates                             sign-in  no       no       no       no       no
POST /api/agent/starts                                   sign-in  no       no       no       no       no
POST /api/agent/standings                                sign-in  no       no       no       no       no
POST /api/agent/issued                                   sign-in  no       no       no       no       no
POST /api/agent/cosignatures                             sign-in  no       no       no       no       no
POST /webhooks/stripe                                    unsigned unsigned unsigned unsigned unsigned unsigned
"""


@dataclass(frozen=True)
class Sent:
    """What is sent to an address, so that permission alone decides: `$name` stands for a thing of the market."""

    path: dict[str, str] = field(default_factory=dict)
    form: dict[str, str | list[str]] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    file: str | None = None
    uploads: dict[str, str] = field(default_factory=dict)
    json: dict[str, str] | None = None


def _sent(*, form: dict[str, str | list[str]] | None = None, file: str | None = None, **path: str) -> Sent:
    return Sent(path=path, form=form or {}, file=file)


_ACCEPT: dict[str, str | list[str]] = {
    "serial": "PF7TABLE",
    "owner": "yes",
    "centre_id": "$centre",
    "silence": "send-back",
}
_UNHEARD: dict[str, str | list[str]] = {"unheard": "yes"}
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
    "POST /devices/<code>/photographs": Sent(path={"code": "$expected"}, uploads={"photographs": "$jpeg"}),
    "GET /photographs/<uuid:id>": _sent(id="$photograph"),
    "GET /photographs/<uuid:id>/small": _sent(id="$photograph"),
    "GET /photographs/<uuid:id> (for sale)": _sent(id="$listing_photograph"),
    "POST /photographs/<uuid:id>/hide": _sent(id="$photograph"),
    "POST /offers/<uuid:id>/confirm": _sent(id="$offer"),
    "GET /offers/<uuid:id>/decline": _sent(id="$offer"),
    "POST /devices/<code>/return-address": _sent(
        code="$expected",
        form={
            "back_street": "Am Wall 3",
            "back_postcode": "28195",
            "back_city": "Bremen",
            "back_country": "DE",
        },
    ),
    "POST /offers/<uuid:id>/decline": _sent(id="$offer"),
    "GET /orders/<code> (of a lot)": _sent(code="$order_due"),
    "GET /orders/<code> (from the shop)": _sent(code="$shop_order"),
    "POST /orders/<code>/pay (of a lot)": _sent(code="$order_due"),
    "POST /orders/<code>/pay (from the shop)": _sent(code="$shop_order"),
    "GET /orders/<code>/invoice": _sent(code="$order_paid"),
    "POST /orders/<code>/withdraw": _sent(code="$shop_order"),
    "POST /orders/<code>/disputes": _sent(
        code="$order_won", form={"device": "$won", "reason": "does-not-work", "text": "It does not start at all."}
    ),
    "GET /disputes/<code>": _sent(code="$dispute"),
    "POST /disputes/<code>/answer": _sent(code="$dispute", form={"text": "We looked into it."}),
    "POST /staff/disputes/<code>/decide": _sent(
        code="$dispute",
        form={"outcome": "partial", "amount": "5", "reason": "One key is missing, as the photo shows.", **_UNHEARD},
    ),
    "POST /staff/disputes/<code>/lapse": _sent(code="$overdue_dispute", form={"reason": "It never came back to us."}),
    "POST /lots/<code>/watch": _sent(code="$lot"),
    "POST /lots/<code>/unwatch": _sent(code="$lot"),
    "GET /my-lots/<code>/results.csv": _sent(code="$won_lot"),
    "POST /my-lots/<code>/second-offer/accept": _sent(code="$offered_lot"),
    "POST /my-lots/<code>/second-offer/decline": _sent(code="$offered_lot"),
    "GET /lots/<code>/live": _sent(code="$lot"),
    "POST /shop/<code>/buy": _sent(code="$listing"),
    "POST /lots/<code>/bids": _sent(code="$lot", form={"maximum": "40", "key": "a-key-of-one-form", "sure": "yes"}),
    "GET /my-lots/<code>": _sent(code="$won_lot"),
    "POST /my-lots/<code>/devices/<device_code>/outcome": _sent(
        code="$won_lot", device_code="$won", form={"outcome": "dismantled", "mass_residue_g": "100", "sure": "yes"}
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
    "POST /bench/devices/<code>/media/<uuid:medium_id>/withdraw": _sent(
        code="$clearing", medium_id="$medium", form=_WHY
    ),
    "POST /bench/devices/<code>/inspect": _sent(
        code="$received",
        form={"observed_serial": "PF1ABC", "mass_g": "1500", "sure_storage": "yes", "*": "$findings"},
    ),
    "POST /bench/devices/<code>/reinspect": _sent(code="$received", form={"mass_g": "1500", "*": "$findings"}),
    "POST /bench/devices/<code>/media/<uuid:medium_id>/validate": _sent(
        code="$clearing", medium_id="$medium", form={"result": "confirmed"}
    ),
    "POST /bench/devices/<code>/correct": _sent(
        code="$received", form={"entry": "1", "correction": "The other centre was meant."}
    ),
    "POST /bench/devices/<code>/photographs": Sent(
        path={"code": "$received"}, form={"photograph_kind": "receipt"}, uploads={"photographs": "$jpeg"}
    ),
    "GET /bench/devices/<code>/live": _sent(code="$clearing"),
    "POST /bench/devices/<code>/work-order": _sent(code="$clearing"),
    "POST /bench/devices/<code>/certificate": _sent(code="$ordered", file="$bundle"),
    "POST /bench/devices/<code>/clear-again": _sent(code="$uncleared"),
    "POST /bench/devices/<code>/hold": _sent(code="$received", form=_HOLD),
    "POST /bench/devices/<code>/holds/<uuid:hold_id>/lift": _sent(code="$held", hold_id="$hold", form=_WHY),
    "POST /bench/devices/<code>/return": _sent(code="$received", form={"mass_g": "1500", "seal": "S-8", **_WHY}),
    "POST /bench/devices/<code>/lost": _sent(code="$received", form=_WHY),
    "POST /bench/collections": _sent(form={"collection_code": "$collection_code", "given": "yes"}),
    "POST /bench/re-audits/<uuid:id>": _sent(id="$re_audit", form={"outcome": "clean"}),
    "POST /bench/stations/<uuid:id>/retire": _sent(id="$station", form=_WHY),
    "GET /staff/devices/<code>": _sent(code="$received"),
    "POST /staff/devices/<code>/list": _sent(code="$for_sale", form={"price": "120"}),
    "POST /staff/devices/<code>/unlist": _sent(code="$listed"),
    "POST /staff/devices/<code>/lost": _sent(code="$received", form=_WHY),
    "POST /staff/devices/<code>/hold": _sent(code="$received", form=_HOLD),
    "POST /staff/devices/<code>/holds/<uuid:hold_id>/lift": _sent(code="$held", hold_id="$hold", form=_WHY),
    "GET /staff/certificates/<uuid:id>/revoke": _sent(id="$certificate"),
    "POST /staff/certificates/<uuid:id>/revoke": _sent(id="$certificate", form=_WHY),
    "POST /staff/lots": _sent(form={"title": "One laptop", "devices": ["$for_sale"], "start": "10", **_HOURS}),
    "GET /staff/orders/<code>": _sent(code="$order_paid"),
    "POST /staff/orders/<code>/refund": _sent(code="$order_paid", form=_WHY),
    "POST /staff/payouts/<uuid:id>/again": _sent(id="$failed_payout"),
    "POST /bench/stations/codes/<uuid:id>/withdraw": _sent(id="$enrolment_code"),
    "POST /bench/stations/<uuid:id>/replace": _sent(id="$station", form={"retires_at": "$next_week"}),
    "POST /bench/stations/<uuid:id>/compromised": _sent(id="$station", form={"since": "$just_now", **_WHY}),
    "POST /staff/centres/<uuid:id>/stations/<uuid:station_id>/compromised": _sent(
        id="$centre", station_id="$station", form={"since": "$just_now", **_WHY}
    ),
    "POST /staff/centres/<uuid:id>/audits": _sent(id="$centre"),
    "POST /staff/centres/<uuid:id>/propose": _sent(
        id="$centre",
        form={
            "kind": "scope",
            "methods": ["clear"],
            "media_kinds": ["ssd", "hdd"],
            "valid_until": "$next_year",
            **_WHY,
        },
    ),
    "POST /staff/centres/<uuid:id>/credential": _sent(id="$centre", form={"credential": "{}"}),
    "GET /staff/audits/<uuid:id>": _sent(id="$audit"),
    "POST /staff/audits/<uuid:id>/answers": _sent(
        id="$audit", form={"point": "read-back", "found": "not-met", "evidence": "Nobody reads back."}
    ),
    "POST /staff/audits/<uuid:id>/conclude": _sent(id="$audit"),
    "GET /staff/decisions/<uuid:id>": _sent(id="$decision"),
    "POST /staff/decisions/<uuid:id>/confirm": _sent(id="$decision"),
    "POST /staff/decisions/<uuid:id>/undo": _sent(id="$decision"),
    "POST /staff/rechecks/<uuid:id>/propose": _sent(
        id="$recheck", form={"outcome": "revoked", "note": "Looked at by hand."}
    ),
    "POST /staff/rechecks/<uuid:id>/confirm": _sent(id="$recheck_proposed"),
    "POST /staff/rechecks/<uuid:id>/undo": _sent(id="$recheck_proposed"),
    "POST /staff/accreditors": _sent(
        form={
            "name": "Prüfverband Nord",
            "country": "DE",
            "city": "Kiel",
            "slug": "pruefverband-nord",
            **_WHY,
        }
    ),
    "POST /staff/accreditors/<uuid:id>/confirm": _sent(id="$accreditor_named"),
    "POST /staff/accreditors/<uuid:id>/undo": _sent(id="$accreditor_named"),
    "POST /staff/accreditors/<uuid:id>/end": _sent(id="$accreditor", form=_WHY),
    "POST /staff/accreditors/<uuid:id>/keys": _sent(
        id="$accreditor", form={"old_method": "did:web:market.test:accreditors:verband-west#key-1", **_WHY}
    ),
    "POST /staff/key-changes/<uuid:id>/confirm": _sent(id="$key_change"),
    "POST /staff/key-changes/<uuid:id>/undo": _sent(id="$key_change"),
    "POST /staff/status-lists": _sent(form={"status_list": "{}", "note": ""}),
    "POST /staff/accreditors/<uuid:id>/invite": _sent(
        id="$accreditor", form={"name": "Ina Prüfer", "email": "ina@verband.example"}
    ),
    "POST /staff/centres/<uuid:id>/suspend": _sent(id="$centre", form=_WHY),
    "POST /staff/recyclers/<uuid:id>/verify": _sent(id="$recycler", form={"licences": ["resale"]}),
    "POST /staff/recyclers/<uuid:id>/suspend": _sent(id="$recycler", form=_WHY),
    "POST /staff/lots/preview": _sent(form={"devices": ["$for_sale"]}),
    "GET /staff/ledger/<uuid:id>": _sent(id="$posting"),
    "GET /staff/centres/<uuid:id>": _sent(id="$centre"),
    "POST /staff/centres/<uuid:id>/stations/<uuid:station_id>/retire": _sent(
        id="$centre", station_id="$station", form=_WHY
    ),
    "GET /staff/recyclers/<uuid:id>": _sent(id="$recycler"),
    "POST /staff/prices": _sent(form={"valid_from": "2099-01-01", "lines": "$price_lines", **_WHY}),
    "GET /staff/prices/<version>": _sent(version="$price_table"),
    "GET /staff/prices/<version>/lines.csv": _sent(version="$price_table"),
    "POST /staff/prices/<version>/publish": _sent(version="$price_table"),
    "POST /staff/prices/<version>/withdraw": _sent(version="$price_table"),
    "GET /staff/rules/<name>": _sent(name="routing"),
    "POST /staff/jobs/<int:id>/again": _sent(id="$failed_job"),
    "GET /staff/refusals/<key>": _sent(key="$refusal_key"),
    "GET /staff/certificates/refused/<uuid:id>": _sent(id="$refused_certificate"),
    "GET /staff/certificates/refused/<uuid:id>/bundle.zip": _sent(id="$refused_certificate"),
    "POST /staff/incidents": _sent(form={"kind": "other", "title": "A door was open", "text": "Nobody was inside."}),
    "GET /staff/incidents/<code>": _sent(code="$incident"),
    "POST /staff/incidents/<code>/notes": _sent(code="$incident", form={"kind": "note", "text": "It is looked into."}),
    "POST /staff/incidents/<code>/close": _sent(code="$incident", form=_WHY),
    "GET /certificates/<uuid:id>": _sent(id="$certificate"),
    "GET /certificates/<uuid:id>/bundle.zip": _sent(id="$certificate"),
    "GET /certificates/<uuid:id>/code": _sent(id="$certificate"),
    "GET /lots/<code>": _sent(code="$lot"),
    "GET /lots/<code>/manifest.csv": _sent(code="$lot"),
    "GET /shop/<code>": _sent(code="$listing"),
    "GET /centres/<slug>/did.json": _sent(slug="$slug"),
    "GET /status/<name>": _sent(name="$status_list"),
    "GET /vocab/wipe/v1/<name>": _sent(name="context.jsonld"),
    "GET /centres/<slug>": _sent(slug="$slug"),
    "GET /centres/<slug>/accreditation.json": _sent(slug="$slug"),
    "GET /centres/<slug>/statements.json": _sent(slug="$slug"),
    "GET /accreditors/<slug>/did.json": _sent(slug="verband-west"),
    "GET /quote/<model_code>": _sent(model_code="$model"),
    "POST /quote/<model_code>": _sent(model_code="$model", form={"storage_gb": "256", "*": "$answers"}),
    "POST /verify": _sent(file="$bundle"),
    "POST /sign-in": _sent(form={"email": "ravi@kreis.example", "password": "practice-makes-perfect"}),
    "POST /sign-up": _sent(form={"name": "Nina New", "email": "nina@example.org", "password": "long enough 1"}),
    "POST /account/payout": _sent(form={"country": "DE"}),
    "POST /account/sessions/<uuid:id>/end": _sent(id="$session"),
    "POST /account/passkeys/<uuid:id>/remove": _sent(id="$passkey"),
    "GET /send-again/<uuid:id>": _sent(id="$kept_form"),
    "POST /account/firms/<uuid:id>/documents": _sent(id="$centre"),
    "POST /account/firm/invitations/<uuid:id>/withdraw": _sent(id="$invitation"),
    "POST /account/firm/people/<uuid:id>/rank": _sent(id="$colleague", form={"rank": "owner"}),
    "POST /account/firm/people/<uuid:id>/remove": _sent(id="$colleague"),
    "GET /documents/<uuid:id>": _sent(id="$document"),
    "GET /staff/applications/<uuid:id>": _sent(id="$application"),
    "POST /staff/applications/<uuid:id>/decide": _sent(
        id="$application", form={"outcome": "declined", "reason": "The register knows no such firm."}
    ),
    "GET /sign-up/firm/<kind>": _sent(kind="company"),
    "POST /sign-up/firm/<kind>": _sent(
        kind="company",
        form={
            "name": "Nina New",
            "email": "nina@example.org",
            "password": "long enough 1",
            "organisation": "Neue Werke",
            "country": "DE",
            "city": "Ulm",
            "registration_number": "HRB 77",
        },
    ),
    "GET /confirm/<token>": _sent(token="$confirm_token"),
    "POST /confirm/<token>": _sent(token="$confirm_token"),
    "POST /reset": _sent(form={"email": "ben@example.org"}),
    "GET /reset/<token>": _sent(token="$reset_token"),
    "POST /reset/<token>": _sent(token="$reset_token", form={"password": "long enough 2"}),
    "GET /invitations/<token>": _sent(token="$invitation_token"),
    "POST /invitations/<token>": _sent(
        token="$invitation_token", form={"name": "Ines Invited", "password": "long enough 3"}
    ),
    "POST /account/second-factor/app": _sent(form={"code": "000000"}),
    "POST /account/address": _sent(form={"email": "elsewhere@example.org"}),
    "POST /account/password": _sent(form={"old_password": "practice-makes-perfect", "password": "long enough 4"}),
    "POST /account/again": _sent(form={"password": "practice-makes-perfect"}),
    "POST /account/name": _sent(form={"name": "Another Name"}),
    "POST /account/close": _sent(form={"password": "practice-makes-perfect"}),
    "POST /account/act-for": _sent(form={"organisation_id": ""}),
    "POST /account/firm/address": _sent(
        form={
            "street": "Musterweg 1",
            "postcode": "10115",
            "city": "Berlin",
            "country": "DE",
            "opening_hours": "Mondays",
        }
    ),
    "POST /account/firm/invitations": _sent(form={"name": "Ida Invited", "email": "ida@example.org", "rank": "member"}),
    "POST /account/tokens": _sent(form={"name": "stock system", "scopes": ["read"], "days": "30"}),
    "POST /account/tokens/<uuid:id>/revoke": _sent(id="$token"),
    "GET /api/v1/quotes/<code>": _sent(code="$quote"),
    "GET /api/v1/quotes/<code> (nobody's)": _sent(code="$free_quote"),
    "GET /api/v1/catalogue/<model>": _sent(model="$model"),
    "POST /api/v1/quotes": Sent(json={"*": "$quote_asked"}),
    "GET /api/v1/lots/<code>": _sent(code="$lot"),
    "GET /api/v1/shop/<code>": _sent(code="$listing"),
    "GET /api/v1/certificates/<uuid:id>": _sent(id="$certificate"),
    "POST /api/v1/verify": Sent(json={"files": "$files"}),
    "POST /api/v1/lots/<code>/bids": Sent(path={"code": "$lot"}, json={}),
    "POST /api/v1/shop/<code>/orders": Sent(path={"code": "$listing"}, json={}),
    "GET /api/v1/orders/<code>": _sent(code="$shop_order"),
    "POST /api/v1/orders/<code>/devices/<device>/outcome": Sent(path={"code": "$order_won", "device": "$won"}, json={}),
    "GET /api/v1/devices/<code>": _sent(code="$inspected"),
    "GET /api/v1/my-lots/<code>": _sent(code="$won_lot"),
    "GET /api/v1/bench/devices/<code>": _sent(code="$received"),
    "POST /api/agent/enrol": Sent(json={"*": "$enrolment"}),
    "POST /api/agent/certificates": Sent(json={"files": "$files"}),
    "POST /api/agent/starts": Sent(json={"work_orders": ["$log_certificate"]}),
    "POST /api/agent/standings": Sent(json={"work_orders": ["$log_certificate"]}),
    "POST /api/agent/issued": Sent(json={"after": "$log_certificate"}),
    "POST /api/agent/cosignatures": Sent(json={"checkpoint": "$log_certificate"}),
    "GET /log/tile/<path:name>": _sent(name="$log_tile"),
    "GET /log/tile/<path:name> (hashes)": _sent(name="$log_level"),
    "GET /log/proof/<digest>": _sent(digest="$log_certificate"),
    "GET /log/statement/<digest>": _sent(digest="$log_statement"),
}
# What must have happened before, where the market as it stands is not enough: a method of the stage.
FIRST = {
    "POST /staff/prices": "withdraw_table",
}

# Where even the right person gets no further here, and why.
NEVER_DONE = {
    "POST /sign-in/passkey": "no browser made a passkey here; `test_entering_factors.py` brings one",
    "POST /account/passkeys": "no browser made a passkey here; `test_entering_factors.py` brings one",
    "POST /account/second-factor/app": "the code is not the app's; `test_entering_factors.py` has one",
    "POST /account/confirm": "everybody here is confirmed",
    "POST /account/firms/<uuid:id>/documents": "no file is sent; `test_entering_firms.py` sends some",
    "POST /bench/devices/<code>/reinspect": "nothing waits for it; `test_bench_inspecting.py` brings one there",
    "POST /bench/devices/<code>/media/<uuid:medium_id>/validate": "nothing is recorded as destroyed there",
    "POST /staff/centres/<uuid:id>/credential": "we sign for the house; `test_other_accreditors.py` has one that signs",
    "POST /staff/status-lists": "we sign the lists of the house; `test_kept_lists.py` has one that signs",
    "POST /bench/re-audits/<uuid:id>": "who visits has worked on the device themselves; `test_reaudits.py` has another",
    "POST /orders/<code>/pay (of a lot)": "no payment provider answers in this test",
    "POST /orders/<code>/pay (from the shop)": "no payment provider answers in this test",
    "POST /orders/<code>/withdraw": "the order of this market is not paid; `test_aftersales.py` withdraws from one",
    "POST /account/payout": "no payment provider answers in this test",
    **dict.fromkeys(
        (
            "GET /api/v1/quotes/<code>",
            "POST /api/v1/lots/<code>/bids",
            "POST /api/v1/shop/<code>/orders",
            "GET /api/v1/orders",
            "GET /api/v1/orders/<code>",
            "POST /api/v1/orders/<code>/devices/<device>/outcome",
            "GET /api/v1/devices",
            "GET /api/v1/devices/<code>",
            "GET /api/v1/my-lots",
            "GET /api/v1/my-lots/<code>",
            "GET /api/v1/bench/queue",
            "GET /api/v1/bench/devices/<code>",
        ),
        "a session counts for nothing here; `tests/api/test_scopes.py` comes with tokens",
    ),
    "GET /api/agent/orders": "a person is no station; `test_matrix.py` signs as one",
    "POST /api/agent/certificates": "a person is no station; `test_matrix.py` signs as one",
    "POST /api/agent/starts": "a person is no station; `tests/transparency` signs as one",
    "POST /api/agent/standings": "a person is no station; `test_matrix.py` signs as one",
    "POST /api/agent/issued": "a person is no station; `tests/transparency` signs as one",
    "POST /api/agent/cosignatures": "a person is no station; `tests/transparency` signs as one",
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
