"""The policy against a table of expectations of its own, written from what each role is for, not from the code."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from ewaste.accounts import policy
from ewaste.accounts.models import ANONYMOUS, SELLERS, WORKER, Actor, Role
from ewaste.accounts.policy import Action
from ewaste.core.refusals import NotAllowed, NotFound

# One letter a role: anonymous, consumer, operator, recycler, staff, auditor, accreditor
# (K), station (T), worker. A company (M) and a
# collector (L) may what a consumer may, and are named only where they differ.
# Capital: any thing. Small: only the actor's own (a consumer's device, an operator's centre, a recycler's firm).
EXPECTED = {
    "change an account": "c o r s u k",
    "apply for an organisation": "C O R",
    "see the people of a firm": "o r m l s u k",
    "change the people of a firm": "o r m l s u k",
    "see a document of a firm": "o r m l S U k",
    "decide an application": "S",
    "quote": "A C O R S",
    "accept a quote": "C",
    "see a device": "c o S U",
    "cancel a device": "c S",
    "answer an offer": "c",
    "say where a device goes back to": "c",
    "receive a device": "o",
    "inspect a device": "o",
    "issue a work order": "o",
    "place or lift a hold": "o S",
    "send a device back": "o W",
    "send a device to be destroyed": "o",
    "report a device lost": "o S",
    "confirm what another person did": "o",
    "look again at what another person wiped": "o",
    "correct a record": "o",
    "add a photograph": "c o",
    "hide a photograph": "c o S",
    "see the bench": "o",
    "enrol a station": "o",
    "revoke a station": "o S",
    "fetch work orders": "t",
    "submit a certificate": "t",
    "see what a centre’s stations issued": "o t",
    "note that a wipe began": "t",
    "cosign the log": "t",
    "revoke a certificate": "S",
    "accredit or suspend a centre": "S k",
    "see audits and decisions about centres": "S U k",
    "admit or end an accreditor": "S",
    "settle a certificate in doubt": "S",
    "verify a recycler": "S",
    "form a lot": "S",
    "list a device": "S",
    "bid on a lot": "r",
    "watch a lot": "R",
    "answer an offer of a lot": "r",
    "buy from the storefront": "C",
    "see an order": "c r S U",
    "pay an order": "c r",
    "refund an order": "S",
    "dispute a device": "c r",
    "see a dispute": "c o r S U",
    "answer a dispute": "c o r S",
    "decide a dispute": "S",
    "write a failed payment anew": "S",
    "hand a sold device over": "o",
    "report what became of a device": "r",
    "see the desk": "S U",
    "see the ledger": "S U",
    "see refusals": "S U",
    "propose or publish a price table": "S",
    "open, note or close an incident": "S",
    "run a failed job again": "S",
    "run a job": "W",
    "see metrics": "W",
    "let a program act in one’s own name": "C O R",
}
LETTER = {
    "a": Role.ANONYMOUS,
    "c": Role.CONSUMER,
    "o": Role.OPERATOR,
    "r": Role.RECYCLER,
    "m": Role.COMPANY,
    "l": Role.COLLECTOR,
    "s": Role.STAFF,
    "u": Role.AUDITOR,
    "k": Role.ACCREDITOR,
    "t": Role.STATION,
    "w": Role.WORKER,
}
ME, MY_FIRM, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
ACTORS = {
    Role.ANONYMOUS: ANONYMOUS,
    Role.WORKER: WORKER,
    Role.CONSUMER: Actor(ME, Role.CONSUMER, "Cora"),
    **{
        role: Actor(ME, role, role.value, MY_FIRM)
        for role in (
            *SELLERS - {Role.CONSUMER},
            *(Role.OPERATOR, Role.RECYCLER, Role.STAFF, Role.AUDITOR, Role.ACCREDITOR, Role.STATION),
        )
    },
}
OWN = {
    **{role: {"owner": ME} for role in SELLERS},
    Role.OPERATOR: {"centre": MY_FIRM},
    Role.STATION: {"centre": MY_FIRM},
    Role.RECYCLER: {"organisation": MY_FIRM},
    Role.ACCREDITOR: {"organisation": MY_FIRM},
}
# Things of somebody else's, and things to which the actor stands in another way than the one that counts.
OTHERS = [
    {},
    {"owner": None, "centre": None, "organisation": None},
    {"owner": OTHER, "centre": OTHER, "organisation": OTHER},
]
SIDEWAYS = {
    **{role: [{"centre": ME, "organisation": ME}] for role in SELLERS},
    Role.OPERATOR: [{"owner": ME, "organisation": MY_FIRM}, {"owner": MY_FIRM, "centre": ME}],
    Role.STATION: [{"owner": ME, "organisation": MY_FIRM}],
    Role.RECYCLER: [{"owner": ME, "centre": MY_FIRM}],
    Role.ACCREDITOR: [{"owner": ME, "centre": MY_FIRM}],
}
# An account is its person's, and a firm's people and papers are the firm's, whatever the role.
BY_PERSON = {"change an account"}
BY_FIRM = {"see the people of a firm", "change the people of a firm", "see a document of a firm"}


def own(action: str, role: Role) -> dict[str, UUID]:
    """How what is this actor's own stands to them."""
    if action in BY_PERSON:
        return {"owner": ME}
    if action in BY_FIRM:
        return {"organisation": MY_FIRM}
    return OWN.get(role, {"owner": ME, "centre": MY_FIRM, "organisation": MY_FIRM})


def sideways(action: str, role: Role) -> list[dict[str, UUID]]:
    """Things to which the actor stands in another way than the one that counts."""
    if action in BY_PERSON:
        return [{"centre": MY_FIRM, "organisation": MY_FIRM}, {"owner": MY_FIRM}]
    if action in BY_FIRM:
        return [{"owner": ME, "centre": MY_FIRM}, {"organisation": ME}]
    return SIDEWAYS.get(role, [])


def granted(action: str, role: Role) -> str:
    """What the expectations grant: "any", "own" or nothing."""
    letters = {LETTER[letter.lower()]: "any" if letter.isupper() else "own" for letter in EXPECTED[action].split()}
    if Role.CONSUMER in letters:
        letters = dict.fromkeys(SELLERS, letters[Role.CONSUMER]) | letters
    return letters.get(role, "")


def test_every_action_has_its_expectations_and_every_role_its_actor() -> None:
    assert {action.value for action in Action} == set(EXPECTED)
    assert set(policy.TABLE) == set(Action)
    assert set(ACTORS) == set(Role) == set(LETTER.values())


@pytest.mark.parametrize("action", Action, ids=lambda action: action.value)
def test_each_role_may_do_what_it_is_for_and_nothing_else(action: Action) -> None:
    for role, actor in ACTORS.items():
        expected = granted(action.value, role)
        for thing in [*OTHERS, *sideways(action.value, role)]:
            assert policy.allows(actor, action, **thing) is (expected == "any"), role
        assert policy.allows(actor, action, **own(action.value, role)) is bool(expected), role


@pytest.mark.parametrize("action", Action, ids=lambda action: action.value)
def test_a_refusal_does_not_tell_whether_somebody_elses_thing_exists(action: Action) -> None:
    stranger = {"owner": uuid4(), "centre": uuid4(), "organisation": uuid4()}
    for role, actor in ACTORS.items():
        expected = granted(action.value, role)
        if expected == "any":
            policy.require(actor, action, **stranger)
        elif expected == "own":
            policy.require(actor, action, **own(action.value, role))
            with pytest.raises(NotFound, match="or it is not yours to see"):
                policy.require(actor, action, **stranger)
        else:
            with pytest.raises(NotAllowed, match="Sign in first" if role is Role.ANONYMOUS else "Your account may not"):
                policy.require(actor, action, **stranger)


def test_a_thing_without_an_owner_is_not_that_of_somebody_without_an_id() -> None:
    nobody = Actor(None, Role.CONSUMER, "nobody")
    nowhere = Actor(ME, Role.OPERATOR, "nowhere", None)
    firmless = Actor(ME, Role.RECYCLER, "firmless", None)
    assert not policy.allows(nobody, Action.SEE_DEVICE, owner=None)
    assert not policy.allows(nowhere, Action.RECEIVE, centre=None)
    assert not policy.allows(firmless, Action.BID, organisation=None)


def test_whoever_has_not_confirmed_the_address_neither_sells_nor_buys_nor_bids() -> None:
    claimed = Actor(ME, Role.CONSUMER, "Cora", confirmed=False)
    assert policy.allows(claimed, Action.QUOTE)
    assert policy.allows(claimed, Action.SEE_DEVICE, owner=ME)
    for action in (Action.ACCEPT_QUOTE, Action.BUY, Action.BID, Action.RECEIVE, Action.FORM_LOT):
        assert not policy.allows(claimed, action, owner=ME, centre=MY_FIRM, organisation=MY_FIRM)
        with pytest.raises(NotAllowed, match="Confirm your e-mail address first"):
            policy.require(claimed, action, owner=ME, centre=MY_FIRM, organisation=MY_FIRM)
