"""The rooms of those who accredit: audits, proposals and their second person, accreditors, certificates in doubt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import flask
from flask import Blueprint, request, url_for
from sqlalchemy.orm import Session

from ewaste.accounts import firms
from ewaste.accounts.models import Role
from ewaste.centres.accreditation import CREDENTIAL
from ewaste.centres.accreditors import DOCUMENT
from ewaste.centres.checklist import EVIDENCE
from ewaste.centres.kept_lists import LARGEST as LIST
from ewaste.journey import accrediting as steps
from ewaste.journey import admitting, rechecking, rekeying
from ewaste.views import accrediting, partners
from ewaste.web import filters
from ewaste.web.edge import actor, now, page, require_account, runtime, transaction
from ewaste.web.forms import FREE_TEXT, end_of_day, moment, options, typed
from ewaste.web.staff_base import number, paging, stepped

METHOD = 400
"""The most characters of the name of a key: a DID, # and a word."""

pages = Blueprint("accrediting", __name__)
pages.before_request(require_account)


@pages.get("/staff/accreditation")
def queue() -> flask.Response:
    """What waits for a second person, audits under way, centres that applied."""
    with transaction() as session:
        told = accrediting.queue(session, actor())
    return page("staff/accrediting.html", **told)


# ---- audits ----


@pages.post("/staff/centres/<uuid:id>/audits")
def begin_audit(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """Somebody goes there with the checklist."""
    begun: list[UUID] = []

    def step(session: Session) -> str:
        begun.append(steps.begin_audit(session, actor(), id, now=now()).id)
        return "The audit is begun. Answer point by point; each answer is kept with your name."

    return stepped(step, show_centre(id), lambda: url_for(".audit", id=begun[0]), open_form="audit")


@pages.get("/staff/audits/<uuid:id>")
def audit(id: UUID) -> flask.Response:  # noqa: A002 - the address says id
    """One audit, point by point."""
    return _audit(id)()


@pages.post("/staff/audits/<uuid:id>/answers")
def answer(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """What was found of one point, and by what evidence."""
    point = request.form.get("point", "")[:60]

    def step(session: Session) -> str:
        found = {typed("point", 60): (typed("found", 20), typed("evidence", EVIDENCE))}
        new = steps.answer_audit(session, actor(), id, found, now=now())
        return "The answer is kept." if new else "It stood so already; nothing changed."

    return stepped(step, _audit(id), lambda: url_for(".audit", id=id, _anchor="next"), open_form=point)


@pages.post("/staff/audits/<uuid:id>/conclude")
def conclude(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """Every point is answered; the audit stands from now on."""

    def step(session: Session) -> str:
        passed = steps.conclude_audit(session, actor(), id, now=now()).passed
        return (
            "The audit is passed. You can propose an accreditation on it."
            if passed
            else "The audit is concluded, and not passed. Audit the centre again when it has mended what was found."
        )

    return stepped(step, _audit(id), lambda: url_for(".audit", id=id))


# ---- decisions ----


@pages.post("/staff/centres/<uuid:id>/propose")
def propose(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """One person proposes; nothing is in force by it."""
    made: list[UUID] = []

    def step(session: Session) -> str:
        kind = typed("kind", 20)
        scoped = kind in ("grant", "scope")
        made.append(
            steps.propose(
                session,
                actor(),
                id,
                kind,
                reason=typed("reason", FREE_TEXT),
                methods=[method[:40] for method in request.form.getlist("methods")[:20]] if scoped else (),
                media_kinds=[medium[:40] for medium in request.form.getlist("media_kinds")[:40]] if scoped else (),
                valid_until=end_of_day(typed("valid_until"), "valid_until") if scoped else None,
                since=moment(typed("since"), "since") if kind == "fraud" else None,
                now=now(),
            ).id
        )
        return "Proposed. Somebody else confirms it; until then anybody of you can take it back."

    form = request.form.get("kind", "")[:20]
    return stepped(step, show_centre(id), lambda: url_for(".decision", id=made[0]), open_form=form)


@pages.get("/staff/decisions/<uuid:id>")
def decision(id: UUID) -> flask.Response:  # noqa: A002 - the address says id
    """One proposal, with what it brings about."""
    return _decision(id)()


@pages.post("/staff/decisions/<uuid:id>/confirm")
def confirm(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """The second person: it is in force."""

    def step(session: Session) -> str:
        steps.confirm(session, actor(), id, issuers=runtime().issuers, now=now())
        return "Confirmed, and in force. The centre has been told."

    return stepped(step, _decision(id), lambda: url_for(".decision", id=id))


@pages.post("/staff/decisions/<uuid:id>/undo")
def undo(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """The proposal comes to nothing."""

    def step(session: Session) -> str:
        steps.undo(session, actor(), id, now=now())
        return "Taken back. It stays on record and counts for nothing."

    return stepped(step, _decision(id), lambda: url_for(".decision", id=id))


@pages.post("/staff/centres/<uuid:id>/credential")
def hand_in(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """An accreditor hands in the credential that it signed with its own key."""

    def step(session: Session) -> str:
        text = typed("credential", CREDENTIAL)
        steps.hand_in(session, actor(), id, text, issuers=runtime().issuers, now=now())
        return "The credential is verified and in force. Stations get it with their next orders."

    return stepped(step, show_centre(id), lambda: url_for("staff.centre", id=id), open_form="credential")


# ---- keys and certificates in doubt ----


@pages.post("/staff/centres/<uuid:id>/stations/<uuid:station_id>/compromised")
def compromised(id: UUID, station_id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """The key of a station may be in other hands."""

    opened: list[UUID] = []

    def step(session: Session) -> str:
        since = moment(typed("since"), "since")
        found = rechecking.report_key(
            session, actor(), station_id, since=since, reason=typed("reason", FREE_TEXT),
            issuers=runtime().issuers, centre_id=id, now=now(),
        )  # fmt: skip
        opened.extend(recheck.id for recheck in found)
        if not found:
            return "The key is revoked. No certificate is in doubt."
        certificates = filters.plural(len(found), "certificate")
        return f"The key is revoked. In doubt: {certificates}. Their devices are in no sale until two people looked."

    def onward() -> str:
        """To the certificates in doubt, for those who settle them; an accreditor's people do not."""
        settles = opened and actor().role is Role.STAFF
        return url_for(".rechecks") if settles else url_for("staff.centre", id=id)

    return stepped(step, show_centre(id), onward, open_form=f"compromised-{station_id}")


@pages.get("/staff/rechecks")
def rechecks() -> flask.Response:
    """Certificates in doubt."""
    return _rechecks()


@pages.post("/staff/rechecks/<uuid:id>/propose")
def propose_end(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """Somebody looked, and says how it should end."""

    def step(session: Session) -> str:
        rechecking.propose_end(
            session,
            actor(),
            id,
            outcome=typed("outcome", 20),
            note=typed("note", FREE_TEXT),
            issuers=runtime().issuers,
            now=now(),
        )
        return "Proposed. Somebody else confirms it."

    return stepped(step, _rechecks, lambda: url_for(".rechecks"), open_form=str(id))


@pages.post("/staff/rechecks/<uuid:id>/confirm")
def confirm_end(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """The second person: it stands, or it is revoked."""

    def step(session: Session) -> str:
        rechecking.confirm_end(session, actor(), id, issuers=runtime().issuers, now=now())
        return "Confirmed. Whoever bought the device is told by mail."

    return stepped(step, _rechecks, lambda: url_for(".rechecks"), open_form=str(id))


@pages.post("/staff/rechecks/<uuid:id>/undo")
def undo_end(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """What was proposed is taken back."""

    def step(session: Session) -> str:
        rechecking.undo_end(session, actor(), id)
        return "Taken back. The certificate stays in doubt."

    return stepped(step, _rechecks, lambda: url_for(".rechecks"), open_form=str(id))


# ---- accreditors ----


@pages.get("/staff/accreditors")
def accreditors() -> flask.Response:
    """Who may accredit centres here."""
    return _accreditors()


@pages.post("/staff/accreditors")
def name_accreditor() -> flask.typing.ResponseReturnValue:
    """One of our people names an accreditor."""

    def step(session: Session) -> str:
        made = admitting.name_accreditor(
            session,
            actor(),
            name=typed("name"),
            country=typed("country", 2),
            city=typed("city"),
            slug=typed("slug", 60),
            did_document=typed("did_document", DOCUMENT),
            reason=typed("reason", FREE_TEXT),
            issuers=runtime().issuers,
            now=now(),
        )
        return f"{made.name} is named. Somebody else of the desk admits it."

    return stepped(step, _accreditors, lambda: url_for(".accreditors"), open_form="name")


@pages.post("/staff/accreditors/<uuid:id>/confirm")
def confirm_accreditor(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """The second person: the trust file lists it from now on."""

    def step(session: Session) -> str:
        made = admitting.confirm_accreditor(session, actor(), id, now=now())
        return f"{made.name} is admitted, and stands in the trust file."

    return stepped(step, _accreditors, lambda: url_for(".accreditors"))


@pages.post("/staff/accreditors/<uuid:id>/undo")
def undo_accreditor(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """It is taken back before it was admitted."""

    def step(session: Session) -> str:
        return f"{admitting.undo_accreditor(session, actor(), id, now=now()).name} is taken back."

    return stepped(step, _accreditors, lambda: url_for(".accreditors"))


@pages.post("/staff/accreditors/<uuid:id>/end")
def end_accreditor(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """The trust file says at once that it ended."""

    def step(session: Session) -> str:
        ended = admitting.end_accreditor(session, actor(), id, reason=typed("reason", FREE_TEXT), now=now())
        return f"{ended.name} accredits nobody any more, and the trust file says so."

    return stepped(step, _accreditors, lambda: url_for(".accreditors"), open_form=f"end-{id}")


@pages.post("/staff/accreditors/<uuid:id>/invite")
def invite(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """Somebody is asked to act for it."""

    def step(session: Session) -> str:
        firm = admitting.invite(session, actor(), id, email=typed("email"), name=typed("name"), now=now())
        return f"An invitation to act for {firm.name} is on its way."

    return stepped(step, _accreditors, lambda: url_for(".accreditors"), open_form=f"invite-{id}")


@pages.post("/staff/accreditors/<uuid:id>/keys")
def propose_key(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """Somebody proposes another key for it; nothing is in force by it."""

    def step(session: Session) -> str:
        rekeying.propose_key(
            session,
            actor(),
            id,
            old_method=typed("old_method", METHOD),
            did_document=typed("did_document", DOCUMENT),
            ends_at=end_of_day(typed("ends_at"), "ends_at") if typed("ends_at") else None,
            compromised_since=moment(typed("since"), "since") if typed("since") else None,
            reason=typed("reason", FREE_TEXT),
            issuers=runtime().issuers,
            now=now(),
        )
        return "Proposed. Somebody else of our desk confirms it; until then it can be taken back."

    return stepped(step, _accreditors, lambda: url_for(".accreditors"), open_form=f"key-{id}")


@pages.post("/staff/key-changes/<uuid:id>/confirm")
def confirm_key(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """The second person: the trust file tells of both keys from now on."""

    def step(session: Session) -> str:
        rekeying.confirm_key(session, actor(), id, issuers=runtime().issuers, now=now())
        return "Confirmed. The trust file tells of both keys. Ask whoever verifies to pin it anew."

    return stepped(step, _accreditors, lambda: url_for(".accreditors"))


@pages.post("/staff/key-changes/<uuid:id>/undo")
def undo_key(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """The other key comes to nothing."""

    def step(session: Session) -> str:
        rekeying.undo_key(session, actor(), id, now=now())
        return "Taken back. The keys stay as they are."

    return stepped(step, _accreditors, lambda: url_for(".accreditors"))


@pages.post("/staff/status-lists")
def hand_in_list() -> flask.typing.ResponseReturnValue:
    """An accreditor hands in a status list that it signed with its own key."""

    def step(session: Session) -> str:
        kept = steps.hand_in_list(
            session,
            actor(),
            typed("status_list", LIST),
            typed("note", FREE_TEXT),
            issuers=runtime().issuers,
            now=now(),
        )
        return f"The list is verified and kept. Bundles carry it; it is fresh until {kept.fresh_until:%d %B %Y}."

    return stepped(step, _accreditors, lambda: url_for(".accreditors"), open_form="status_list")


# ---- pages ----


def show_centre(centre_id: UUID) -> Callable[..., flask.Response]:
    """The desk's page of a centre, with what was typed into one of its forms."""

    def show(
        status: int = 200, *, form: Any = None, errors: dict[str, str] | None = None, open_form: str | None = None
    ) -> flask.Response:
        with transaction() as session:
            told = partners.centre(session, actor(), centre_id, now=now())
        told["media_kinds"] = options(told["media_kinds"], filters.medium_word)
        return page("staff/centre.html", status, form=form or {}, errors=errors or {}, open_form=open_form, **told)

    return show


def _audit(audit_id: UUID) -> Callable[..., flask.Response]:
    def show(
        status: int = 200, *, form: Any = None, errors: dict[str, str] | None = None, open_form: str | None = None
    ) -> flask.Response:
        with transaction() as session:
            told = accrediting.audit(session, actor(), audit_id)
        return page("staff/audit.html", status, form=form or {}, errors=errors or {}, open_form=open_form, **told)

    return show


def _decision(decision_id: UUID) -> Callable[..., flask.Response]:
    def show(status: int = 200, *, errors: dict[str, str] | None = None, **_: Any) -> flask.Response:
        with transaction() as session:
            told = accrediting.decision(session, actor(), decision_id)
        return page("staff/decision.html", status, errors=errors or {}, **told)

    return show


def _rechecks(
    status: int = 200, *, form: Any = None, errors: dict[str, str] | None = None, open_form: str | None = None
) -> flask.Response:
    with transaction() as session:
        told = accrediting.list_rechecks(session, actor(), runtime().issuers.log, page=number())
    return page(
        "staff/rechecks.html",
        status,
        form=form or {},
        errors=errors or {},
        open_form=open_form,
        paging=paging(told["total"], ".rechecks"),
        **told,
    )


def _accreditors(
    status: int = 200, *, form: Any = None, errors: dict[str, str] | None = None, open_form: str | None = None
) -> flask.Response:
    with transaction() as session:
        told = accrediting.list_accreditors(session, actor(), now=now())
    return page(
        "staff/accreditors.html",
        status,
        form=form or {},
        errors=errors or {},
        open_form=open_form,
        countries=firms.country_choices(),
        **told,
    )
