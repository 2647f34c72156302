"""Firms at the site: applying with papers, the desk's review, and the people who act for a firm."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image

from ewaste.accounts.models import Organisation
from ewaste.accounts.samples import PASSWORD
from ewaste.centres.models import Centre
from tests.web.letters import letters, link
from tests.web.visitors import Visitor, words
from tests.world import World

Come = Callable[[str | None], Visitor]
PDF = b"%PDF-1.7\n1 0 obj\n<< >>\nendobj\n%%EOF\n"
PERSON = {"name": "Petra Wolf", "email": "petra@werke.example", "password": "long enough 1"}
FIRM = {"organisation": "Neue Werke GmbH", "country": "AT", "city": "Linz", "registration_number": "FN 123456 a"}

REACHED = {"street": "Landstraße 9", "postcode": "4020", "opening_hours": "Monday to Friday, 9:00 to 15:00"}


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (60, 40), "green").save(out, "PNG")
    return out.getvalue()


def files(*contents: tuple[bytes, str]) -> list[tuple[io.BytesIO, str]]:
    return [(io.BytesIO(data), name) for data, name in contents]


def apply(visitor: Visitor, kind: str, **changes: Any) -> Any:
    reached = REACHED if kind == "centre" else {}
    form = {**PERSON, **FIRM, **reached, **changes}
    return visitor.post(f"/sign-up/firm/{kind}", form, content_type="multipart/form-data")


def application(staff: Visitor, name: str = "Neue Werke GmbH") -> str:
    found = re.search(rf'href="(/staff/applications/[^"]+)"><bdi[^>]*>{name}', staff.get("/staff/applications").text)
    assert found
    return found[1]


def confirmed(visitor: Visitor, world: World, address: str = PERSON["email"]) -> Visitor:
    assert visitor.post(link(world, address, "confirm")).status_code in (200, 303)
    return visitor


def recycler(visitor: Come, world: World) -> Visitor:
    """A recycler that applied, whose person has confirmed the address and signed in anew."""
    petra = visitor(None)
    papers = files((PDF, "licence.pdf"), (png(), "register.png"))
    assert apply(petra, "recycler", licences=["resale"], documents=papers).status_code == 303
    return confirmed(petra, world)


def test_a_recycler_applies_with_papers_and_bids_once_it_is_verified(visitor: Come, world: World) -> None:
    petra, staff = recycler(visitor, world), visitor("stefan")
    waiting = petra.text("/account/firms")
    assert "We are looking at it" in waiting
    assert "within three business days" in waiting
    assert "You sent no papers yet" not in waiting
    code, _ = world.listed_lot()
    bid = {"maximum": "60", "key": "k" * 16, "sure": "yes"}
    assert petra.post(f"/lots/{code}/bids", bid).status_code == 403
    told = [subject for subject, _ in letters(world, PERSON["email"])]
    assert "We have the application of Neue Werke GmbH" in told
    assert letters(world, "stefan@clearhand.example")[-1][0] == "To review: Neue Werke GmbH"
    at = application(staff)
    assert "FN 123456 a" in staff.text(at)
    assert not re.search(r'value="resale"[^>]*checked', staff.get(at).text)  # Nobody saw the papers yet.
    assert staff.post(f"{at}/decide", {"outcome": "verified"}).status_code == 422  # No licence ticked.
    assert staff.post(f"{at}/decide", {"outcome": "verified", "licences": ["resale"]}).status_code == 303
    assert staff.post(f"{at}/decide", {"outcome": "declined", "reason": "Too late."}).status_code == 409
    assert "You may bid on: Resale. {site}/lots" in letters(world, PERSON["email"])[-1][1]
    assert petra.post(f"/lots/{code}/bids", bid).status_code == 303


def test_a_firm_that_was_declined_reads_why_and_applies_again(visitor: Come, world: World) -> None:
    petra, staff = recycler(visitor, world), visitor("stefan")
    at = application(staff)
    assert staff.post(f"{at}/decide", {"outcome": "declined"}).status_code == 422
    staff.post(f"{at}/decide", {"outcome": "declined", "reason": "The licence ended in 2024."})
    assert "The licence ended in 2024." in letters(world, PERSON["email"])[-1][1]
    assert "The licence ended in 2024." in petra.text("/account/firms")
    assert "Neue Werke" not in petra.text("/account").partition("Organisation")[0]
    again = petra.get("/sign-up/firm/recycler").text
    assert 'value="Neue Werke GmbH"' in again
    assert 'value="FN 123456 a"' in again
    assert re.search(r'value="resale"[^>]*checked', again)
    assert apply(petra, "company").status_code == 422
    assert apply(petra, "recycler", licences=["dismantling"]).status_code == 303
    assert application(staff) != at


def test_sending_the_application_twice_makes_one(visitor: Come, world: World) -> None:
    petra = recycler(visitor, world)
    again = apply(petra, "recycler", licences=["resale"])
    assert again.status_code == 409
    assert "You have applied for this organisation already." in words(again.text)
    stranger = apply(visitor(None), "company", email="other@example.org", organisation="NEUE WERKE GMBH")
    assert stranger.status_code == 409
    assert "known to us already" in words(stranger.text)
    assert world.raw("select count(*) from applications") == 1


def test_a_firm_whose_application_waits_gets_its_answer_before_it_is_verified_or_accredited(
    visitor: Come, world: World
) -> None:
    recycler(visitor, world)
    apply(visitor(None), "centre", email="other@example.org", organisation="Prüfhaus Süß")
    staff, before = visitor("stefan"), world.fingerprint()
    firm = world.raw("select id from organisations where name = 'Neue Werke GmbH'")
    refused = staff.post(f"/staff/recyclers/{firm}/verify", {"licences": ["resale"]})
    assert refused.status_code == 409
    assert "The application of Neue Werke GmbH waits for an answer. Decide it first" in words(refused.text)
    centre = world.raw("select id from organisations where name = 'Prüfhaus Süß'")
    refused = staff.post(f"/staff/centres/{centre}/audits")
    assert refused.status_code == 409
    assert "The application of Prüfhaus Süß waits for an answer." in words(refused.text)
    changed = {table for table, rows in world.fingerprint().items() if rows != before[table]}
    assert changed == {"refusals"}


def test_a_centre_that_applied_is_accredited_by_staff(visitor: Come, world: World) -> None:
    otto = visitor(None)
    apply(otto, "centre", organisation="Prüfhaus Süß")
    assert world.raw("select standing from centres where did like :did", did="%:prufhaus-suss") == "applied"
    staff = visitor("stefan")
    answer = staff.post(f"{application(staff, 'Prüfhaus Süß')}/decide", {"outcome": "verified"})
    assert answer.headers["Location"] == "/staff/centres"
    assert "Prüfhaus Süß" in staff.text("/staff/centres")
    assert "Prüfhaus Süß" in staff.text("/staff/accreditation").partition("not accredited yet")[2]


def test_a_centre_that_confirms_its_address_is_led_to_its_second_factor(visitor: Come, world: World) -> None:
    otto = visitor(None)
    apply(otto, "centre", organisation="Prüfhaus Süß")
    answer = otto.post(link(world, PERSON["email"], "confirm"))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/second-factor")
    assert "One more step: your work needs a second factor." in otto.text("/account/second-factor")


def test_a_centre_that_waits_sees_no_scanner(visitor: Come, world: World) -> None:
    centre_id = world.organisation("Rhein Datenpark")
    with world.transaction() as session:
        session.execute(sa.update(Organisation).values(state="applied").where(Organisation.id == centre_id))
        session.execute(sa.update(Centre).values(standing="applied").where(Centre.organisation_id == centre_id))
    olga = visitor("olga")
    said = olga.text("/bench")
    assert "Your application is being looked at" in said
    assert "Until then no device comes to you." in said
    assert 'id="scan"' not in said
    with world.transaction() as session:
        session.execute(sa.update(Organisation).values(state="verified").where(Organisation.id == centre_id))
    assert "Your firm is verified; accreditation is next" in olga.text("/bench")


def test_an_unconfirmed_applicant_acts_for_nobody_yet(visitor: Come, world: World) -> None:
    petra = visitor(None)
    apply(petra, "recycler", licences=["resale"])
    assert petra.get("/account/firm").status_code == 403
    assert petra.get("/my-lots").status_code == 403
    assert confirmed(petra, world).get("/account/firm").status_code == 200


def test_a_refused_application_opens_no_account(visitor: Come, world: World) -> None:
    before = world.fingerprint()["people"]
    for changes in ({"city": ""}, {"country": "XX"}, {"licences": []}, {"documents": files((b"<svg>", "x.svg"))}):
        answer = apply(visitor(None), "recycler", **{"licences": ["resale"], **changes})
        assert answer.status_code == 422
        assert 'value="Neue Werke GmbH"' in answer.text
    assert world.fingerprint()["people"] == before


# ---- papers ----


def test_a_paper_is_a_file_to_save_for_staff_auditor_and_its_own_firm(visitor: Come, world: World) -> None:
    petra, staff = recycler(visitor, world), visitor("stefan")
    papers = re.findall(r'href="(/documents/[^"]+)"', staff.get(application(staff)).text)
    assert len(papers) == 2
    for who in (staff, visitor("ada"), petra):
        answer = who.get(papers[0])
        assert answer.data == PDF
        assert answer.headers["Content-Disposition"] == "attachment; filename=licence.pdf"
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert staff.get(papers[1]).mimetype == "image/jpeg"
    assert [visitor(who).get(papers[0]).status_code for who in ("rita", "olga", "cora")] == [404, 404, 403]
    assert visitor(None).get(papers[0]).status_code == 303


def test_five_papers_are_kept_and_the_same_one_once(visitor: Come, world: World) -> None:
    petra = recycler(visitor, world)
    form = re.search(r'action="(/account/firms/[^"]+/documents)"', petra.get("/account/firms").text)
    assert form

    def add(*contents: tuple[bytes, str]) -> int:
        return petra.post(form[1], {"documents": files(*contents)}, content_type="multipart/form-data").status_code

    assert add((PDF, "again.pdf")) == 303
    assert world.raw("select count(*) from documents") == 2
    assert add(*[(PDF + b"%%EOF" + bytes([number]) + b"%%EOF", f"{number}.pdf") for number in range(48, 51)]) == 303
    assert world.raw("select count(*) from documents") == 5
    assert add((PDF + b"one more %%EOF", "six.pdf")) in (409, 404)
    assert world.raw("select count(*) from documents") == 5


def test_a_hundred_megabytes_are_refused_by_what_the_request_says_of_itself(visitor: Come) -> None:
    answer = visitor(None).client.post(
        "/sign-up/firm/company",
        data=b"--x\r\n",
        content_type="multipart/form-data; boundary=x",
        environ_overrides={"CONTENT_LENGTH": "100000000"},
    )
    assert answer.status_code == 413
    assert "too large" in words(answer.text)


# ---- people of a firm ----


def joined(visitor: Come, world: World, owner: Visitor, email: str = "mia@werk.example") -> Visitor:
    assert owner.post("/account/firm/invitations", {"name": "Mia", "email": email, "rank": "member"}).status_code == 303
    mia = visitor(None)
    answer = mia.post(link(world, email, "invitations"), {"name": "Mia", "password": "long enough 2"})
    assert answer.status_code == 303, words(answer.text)
    return mia


def ids(page: str) -> list[str]:
    return re.findall(r'action="/account/firm/people/([^/]+)/remove"', page)


def test_an_owner_invites_somebody_who_acts_for_the_firm_until_removed(visitor: Come, world: World) -> None:
    rita = visitor("rita")
    mia = joined(visitor, world, rita)
    assert "recycler" in mia.get("/whoami").text
    assert mia.get("/my-lots").status_code == 200
    invitation = {"name": "X", "email": "x@y.example", "rank": "owner"}
    assert mia.post("/account/firm/invitations", invitation).status_code == 403
    (person,) = ids(rita.get("/account/firm").text)  # The last owner has no such button.
    assert rita.post(f"/account/firm/people/{person}/remove").status_code == 303
    assert mia.get("/whoami").status_code == 403
    mia.post("/sign-in", {"email": "mia@werk.example", "password": "long enough 2"})
    assert "consumer" in mia.get("/whoami").text
    told = [subject for subject, _ in letters(world, "mia@werk.example")]
    assert "You do not act for Werk Zwei any more" in told
    world.later(minutes=1)
    rita.post("/account/firm/invitations", {"name": "Mia", "email": "mia@werk.example", "rank": "member"})
    assert mia.post(link(world, "mia@werk.example", "invitations")).status_code == 303  # Who left may come back.
    assert "recycler" in mia.get("/whoami").text


def test_the_last_owner_can_neither_leave_nor_become_a_member(visitor: Come, world: World) -> None:
    rita = visitor("rita")
    me = world.actor("rita").id
    for way, form in (("remove", {}), ("rank", {"rank": "member"})):
        answer = rita.post(f"/account/firm/people/{me}/{way}", form)
        assert answer.status_code == 409
        assert "last owner" in words(answer.text)
    joined(visitor, world, rita)
    (person,) = ids(rita.get("/account/firm").text)
    assert rita.post(f"/account/firm/people/{person}/rank", {"rank": "owner"}).status_code == 303
    assert rita.post(f"/account/firm/people/{me}/remove").status_code == 303
    assert rita.get("/whoami").status_code == 403


def test_an_invitation_counts_once_for_its_address_and_for_seven_days(visitor: Come, world: World) -> None:
    rita = visitor("rita")
    form = {"name": "Mia", "email": "mia@werk.example", "rank": "member"}
    rita.post("/account/firm/invitations", form)
    first = link(world, "mia@werk.example", "invitations")
    assert visitor("cora").post(first).status_code == 409
    world.later(minutes=1)
    rita.post("/account/firm/invitations", form)
    second = link(world, "mia@werk.example", "invitations")
    assert visitor(None).get(first).status_code == 409
    withdraw = re.search(r'action="(/account/firm/invitations/[^"]+/withdraw)"', rita.get("/account/firm").text)
    assert withdraw
    assert rita.post(withdraw[1]).status_code == 303
    assert visitor(None).get(second).status_code == 409
    rita.post("/account/firm/invitations", form)
    third = link(world, "mia@werk.example", "invitations")
    world.later(days=7, seconds=1)
    assert visitor(None).get(third).status_code == 409


def test_somebody_of_several_firms_chooses_for_which_one_to_act(visitor: Come, world: World) -> None:
    cora = visitor("cora")
    for owner in ("rita", "ravi"):
        form = {"name": "Cora", "email": "cora@example.org", "rank": "member"}
        assert visitor(owner).post("/account/firm/invitations", form).status_code == 303
        assert cora.post(link(world, "cora@example.org", "invitations")).status_code == 303
        world.later(minutes=1)
    assert "Kreislauf Kontor" in cora.text("/account/firm")
    assert cora.post("/account/act-for", {"organisation_id": str(world.organisation("Werk Zwei"))}).status_code == 303
    assert "Werk Zwei" in cora.text("/account/firm")
    assert cora.post("/account/act-for", {"organisation_id": str(world.organisation("Neu & Gut"))}).status_code == 404
    assert cora.post("/account/act-for", {"organisation_id": ""}).status_code == 303
    assert "consumer" in cora.get("/whoami").text
    elsewhere = visitor(None)
    elsewhere.post("/sign-in", {"email": "cora@example.org", "password": PASSWORD})
    assert "Werk Zwei" in elsewhere.text("/account/firm")


@pytest.mark.parametrize("kind", ["company", "collector"])
def test_a_company_and_a_collector_sell_as_a_consumer_does(kind: str, visitor: Come, world: World) -> None:
    petra = visitor(None)
    assert apply(petra, kind).status_code == 303
    confirmed(petra, world)
    assert kind in petra.get("/whoami").text
    from tests.web.test_selling import accepted

    assert accepted(petra, world).endswith("/prepare")
    assert petra.get("/devices").status_code == 200
    assert "Where we pay you" in petra.text("/account")
