"""Phones and tablets: what they say of themselves, how they are reset, and what they say afterwards.

A phone's storage cannot be read from outside, so nothing here is proof by looking. What the agent can do is to direct
the reset for one identified phone, note what the phone reports before and after, and name the two people who watched.
`judge` (pure) says what that amounts to. A phone that this machine does not see on its own USB bus is practice: an
emulator, a phone over the network, or a stand-in of the tests.
"""

from wipe_agent.phones.facts import PhoneFacts, is_imei
from wipe_agent.phones.finding import open_phone, phones_here
from wipe_agent.phones.judge import SCREENS, Verdict, judge, why_not_begin
from wipe_agent.phones.tools import Phone, Seen, fresh_mark

__all__ = [
    "SCREENS",
    "Phone",
    "PhoneFacts",
    "Seen",
    "Verdict",
    "fresh_mark",
    "is_imei",
    "judge",
    "open_phone",
    "phones_here",
    "why_not_begin",
]
