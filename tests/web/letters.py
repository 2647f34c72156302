"""What the site wrote to somebody, and the links in it."""

from __future__ import annotations

import re

import sqlalchemy as sa

from ewaste.core.mail import Mail
from tests.world import World


def letters(world: World, address: str) -> list[tuple[str, str]]:
    """(subject, text) of every message to this address, in the order in which they were written."""
    with world.transaction() as session:
        rows = session.execute(
            sa.select(Mail.subject, Mail.text).where(Mail.to_address == address).order_by(Mail.written_at, Mail.key)
        )
        return [(row.subject, row.text) for row in rows]


def link(world: World, address: str, kind: str) -> str:
    """The path of the newest link of this kind (confirm, reset, invitations) to this address."""
    found = [each for _, text in letters(world, address) for each in re.findall(rf"{{site}}(/{kind}/\S+)", text)]
    assert found, f"no link to {kind} went to {address}"
    return str(found[-1])
