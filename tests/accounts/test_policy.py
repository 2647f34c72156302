"""The policy against a table of expectations of its own, written from what each role is for, not from the code."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from ewaste.accounts import policy
from ewaste.accounts.models import ANONYMOUS, WORKER, Actor, Role
from ewaste.accounts.policy import Action
from ewaste.core.refusals import NotAllowed, NotFound

# One letter a role: anonymous, consumer, operator, recycler, staff, auditor, station (T), worker.
# Capital: any thing. Small: only the actor's own (a consumer's device, an operator's centre, a recycler's firm).
EXPECTED = {
    "quote": "A C O R S",
    "accept a quote": "C",
    "see a device": "c o S U",
    "cancel a device": "c S",
    "answer an offer": "c",
    "receive a device": "o",
    "inspect a device": "o",
    "issue a work order": "o",
    "place or lift a hold": "o S",
    "send a device back": "o W",
    "send a device to be destroyed": "o",
    "report a device lost": "o S",
    "see the bench": "o",
    "enrol a station": "o",
    "revoke a station": "o S",
    "fetch work orders": "t",
    "submit a certificate": "t",
    "revoke a certificate": "S",
    "accredit or suspend a centre": "S",
    "verify a recycler": "S",
    "form a lot": "S",
    "list a device": "S",
    "bid on a lot": "r",
    "buy from the storefront": "C",
    "see an order": "c r S U",
    "pay an order": "c r",
    "refund an order": "S",
    "write a failed payment anew": "S",
    "hand a sold device over": "o",
    "report what became of a device": "r",
    "see the desk": "S U",
    "see the ledger": "S U",
    "see refusals": "S U",
    "run a job": "W",
}
LETTER = {
    "a": Role.ANONYMOUS,
    "c": Role.CONSUMER,
    "o": Role.OPERATOR,
    "r": Role.RECYCLER,
    "s": Role.STAFF,
    "u": Role.AUDITOR,
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
        for role in (Role.OPERATOR, Role.RECYCLER, Role.STAFF, Role.AUDITOR, Role.STATION)
    },
}
OWN = {
    Role.CONSUMER: {"owner": ME},
    Role.OPERATOR: {"centre": MY_FIRM},
    Role.STATION: {"centre": MY_FIRM},
    Role.RECYCLER: {"organisation": MY_FIRM},
}
# Things of somebody else's, and things to which the actor stands in another way than the one that counts.
OTHERS = [
    {},
    {"owner": None, "centre": None, "organisation": None},
    {"owner": OTHER, "centre": OTHER, "organisation": OTHER},
]
SIDEWAYS = {
    Role.CONSUMER: [{"centre": ME, "organisation": ME}],
    Role.OPERATOR: [{"owner": ME, "organisation": MY_FIRM}, {"owner": MY_FIRM, "centre": ME}],
    Role.STATION: [{"owner": ME, "organisation": MY_FIRM}],
    Role.RECYCLER: [{"owner": ME, "centre": MY_FIRM}],
}


def granted(action: str, role: Role) -> str:
    """What the expectations grant: "any", "own" or nothing."""
    letters = {LETTER[letter.lower()]: "any" if letter.isupper() else "own" for letter in EXPECTED[action].split()}
    return letters.get(role, "")


def test_every_action_has_its_expectations_and_every_role_its_actor() -> None:
    assert {action.value for action in Action} == set(EXPECTED)
    assert set(policy.TABLE) == set(Action)
    assert set(ACTORS) == set(Role) == set(LETTER.values())


@pytest.mark.parametrize("action", Action, ids=lambda action: action.value)
def test_each_role_may_do_what_it_is_for_and_nothing_else(action: Action) -> None:
    for role, actor in ACTORS.items():
        expected = granted(action.value, role)
        for thing in [*OTHERS, *SIDEWAYS.get(role, [])]:
            assert policy.allows(actor, action, **thing) is (expected == "any"), role
        everything_mine = {"owner": ME, "centre": MY_FIRM, "organisation": MY_FIRM}
        assert policy.allows(actor, action, **OWN.get(role, everything_mine)) is bool(expected), role


@pytest.mark.parametrize("action", Action, ids=lambda action: action.value)
def test_a_refusal_does_not_tell_whether_somebody_elses_thing_exists(action: Action) -> None:
    stranger = {"owner": uuid4(), "centre": uuid4(), "organisation": uuid4()}
    for role, actor in ACTORS.items():
        expected = granted(action.value, role)
        if expected == "any":
            policy.require(actor, action, **stranger)
        elif expected == "own":
            policy.require(actor, action, **OWN[role])
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
