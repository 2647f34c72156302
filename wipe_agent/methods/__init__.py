"""How a medium can be sanitised: a table of methods, a planner that chooses, and the drive commands themselves.

`plan` picks the best method that the drive can do and the policy admits, and says why. An overwrite is done here, a
drive command by the drive itself (`carry_through`). What a method cannot reach is listed as exclusions, which go onto
the certificate. Nothing that reports success is believed: the read-back judges.
"""

from __future__ import annotations

from wipe_agent.methods.answers import Answer, Command, State, carry_through
from wipe_agent.methods.hidden import Opening, open_hidden, opening
from wipe_agent.methods.overwrite import Outcome, overwrite_with, overwrite_zeros
from wipe_agent.methods.planner import CANNOT, Plan, plan
from wipe_agent.methods.policies import POLICIES, Policy, named
from wipe_agent.methods.spread import Spread, left_of, write_spread
from wipe_agent.methods.stream import ZEROS, Pattern, new_stream, pattern_from
from wipe_agent.methods.table import METHODS, Method

__all__ = [
    "CANNOT",
    "METHODS",
    "POLICIES",
    "ZEROS",
    "Answer",
    "Command",
    "Method",
    "Opening",
    "Outcome",
    "Pattern",
    "Plan",
    "Policy",
    "Spread",
    "State",
    "carry_through",
    "left_of",
    "named",
    "new_stream",
    "open_hidden",
    "opening",
    "overwrite_with",
    "overwrite_zeros",
    "pattern_from",
    "plan",
    "write_spread",
]
