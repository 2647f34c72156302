"""What the journal of a phone's storage tells. It lies where the journals of drives lie, with lines of its own:

phone-planned      facts before, the two people, technique; the marker's name
phone-begun        the phone was sent to its reset, and may be sent again; from here its data may be gone
phone-ended        what the two people saw on the screen, what the phone answered, whether the marker is left
phone-finished     the judgement, which follows from the lines before it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wipe_agent.errors import JournalDamaged
from wipe_agent.journal import Line
from wipe_agent.phones import PhoneFacts, Verdict, judge


@dataclass
class PhoneAttempt:
    """One reset of one phone."""

    planned: Line
    begun: Line | None = None
    ended: Line | None = None
    finished: Line | None = None

    @property
    def before(self) -> PhoneFacts:
        return PhoneFacts.from_dict(self.planned["before"])

    @property
    def host(self) -> dict[str, str]:
        """The phone as its own host, for `hostObserved`. The serial is the one by which the order knows it."""
        host: dict[str, str] = self.planned["host"]
        return {name: value for name, value in host.items() if value}

    @property
    def marker(self) -> str | None:
        """The file that was put into the phone's user data before its reset; None where the phone did not take it."""
        name: str | None = self.planned["marker"] if self.begun and self.begun["marked"] else None
        return name

    @property
    def wiped(self) -> bool:
        return self.finished is not None and self.finished["result"] == "wiped"

    def say(self) -> str:
        """Where the phone stands, in words."""
        if self.finished is not None:
            return "reset and judged" if self.wiped else f"not wiped: {self.finished['reason']}"
        if self.ended is not None:
            return "reset, not judged yet"
        return "sent to its reset, not looked at yet" if self.begun else "looked at, not reset yet"


def phone_attempts(lines: Sequence[Line]) -> list[PhoneAttempt]:
    """The attempts in order. Raises JournalDamaged if the lines make no sense in this order, or KeyError, TypeError."""
    attempts: list[PhoneAttempt] = []
    for line in lines:
        event = line["event"]
        if event == "phone-planned":
            PhoneFacts.from_dict(line["before"])
            attempts.append(PhoneAttempt(line))
            continue
        if not attempts or attempts[-1].finished is not None:
            raise JournalDamaged(f"“{event}” is part of no reset")
        last = attempts[-1]
        if event == "phone-begun":
            last.begun = last.begun or line
        elif event == "phone-ended" and last.begun is not None:
            last.ended = line
        elif event == "phone-finished" and last.ended is not None:
            last.finished = line
        else:
            raise JournalDamaged(f"“{event}” makes no sense there")
    return attempts


def judged(attempt: PhoneAttempt) -> Verdict:
    """The judgement of what the journal says. Raises KeyError or TypeError if it lacks something."""
    ended: dict[str, Any] = attempt.ended or {}
    after = ended["after"]
    return judge(
        attempt.before,
        None if after is None else PhoneFacts.from_dict(after),
        marker_left=ended["marker_left"],
        screen=ended["screen"],
        witnesses=len({attempt.planned["operator"], attempt.planned["witness"]}),
    )
