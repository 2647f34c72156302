"""What the stage holds of accounts: a link of each kind, a colleague, a paper, an application, on either side."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ewaste.accounts import firms, kept_forms, mailed, people, second_factor, sessions
from ewaste.accounts.firms import Paper
from ewaste.accounts.mailed import Purpose
from ewaste.accounts.models import Membership, Organisation, Person, Rank, Role
from ewaste.accounts.passkeys import Passkey
from ewaste.journey import entering
from tests.world import World

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def things(world: World, side: str) -> dict[str, Any]:
    """The things of one side: `world` knows whose they are, `side` keeps their names apart."""
    with world.transaction() as session:
        seller = session.get_one(Person, world.cora.id)
        centre = world.olga.organisation_id
        assert centre is not None
        token = sessions.begin(session, seller.id, agent="another browser", now=world.now, second_factor=True)
        passkey = Passkey(
            person_id=seller.id, credential_id=side.encode(), public_key=b"key", sign_count=0, name="phone",
            made_at=world.now,
        )  # fmt: skip
        session.add(passkey)
        step = second_factor.matching_step(SECRET, "000000", now=world.now) or 0
        session.add(
            second_factor.Authenticator(
                person_id=seller.id,
                sealed_secret=second_factor.seal(SECRET, "another key", seller.id),
                last_step=step,
                made_at=world.now,
            )
        )
        colleague = people.open_account(
            session, email=f"mia@{side.lower()}.example", name="Mia", password="long enough 5", now=world.now,
            confirmed=True,
        )  # fmt: skip
        session.add(
            Membership(
                person_id=colleague.id,
                organisation_id=centre,
                role=Role.OPERATOR,
                rank=Rank.MEMBER,
                created_at=world.now,
            )
        )
        paper = firms.add_document(
            session, centre, colleague.id, Paper("extract.pdf", "application/pdf", b"%PDF-1.4 %%EOF"), now=world.now
        )
        confirm, _ = mailed.make(session, Purpose.CONFIRM, colleague, email=colleague.email, now=world.now)
        reset, _ = mailed.make(session, Purpose.RESET, colleague, email=colleague.email, now=world.now)
        invited, invitation = firms.invite(
            session,
            session.get_one(Organisation, centre),
            email=f"ines@{side.lower()}.example",
            name="Ines",
            rank=Rank.MEMBER,
            by=world.olga.id,
            now=world.now,
        )
        session.flush()
        told = {
            "session": session.scalars(
                sa.select(sessions.SignIn.id).where(sessions.SignIn.token_hash == sessions.hashed(token))
            ).one(),
            "passkey": passkey.id,
            "kept_form": kept_forms.keep(
                session, seller.id, path="/account/name", fields=[["name", "Nobody"]], now=world.now
            ),
            "colleague": colleague.id,
            "document": paper.id,
            "confirm_token": confirm,
            "reset_token": reset,
            "invitation": invitation.id,
            "invitation_token": invited,
        }
    with world.transaction() as session:
        wish = entering.wish(
            kind="collector", name=f"Sammler {side}", country="DE", city="Bonn", registration_number="HRB 1",
            group_name="", related_firms="", licences=[],
        )  # fmt: skip
        applicant = sessions.actor_of(session, colleague.id)
        told["application"] = entering.apply(
            session, applicant, wish, papers=[], issuers=world.issuers, now=world.now
        ).id
    return told
