"""Is the data gone? Look before, read everything back after, and show that the looking works.

`survey` notes what was on the drive before the wipe, `plant` puts known marks on it, `read_back` reads it after the
wipe, in full or in samples, and compares with what was written, `marks_left` looks for the marks, and `residue` looks
once more with other eyes. `self_test` plants in memory what must be found. `BlockMap` draws what was seen.
"""

from __future__ import annotations

from typing import Any

from wipe_agent.check import signatures, tools
from wipe_agent.check.before import Survey, file_systems, survey
from wipe_agent.check.blockmap import BlockMap
from wipe_agent.check.control import Marks, Planted, choose_marks, marks_left, plant
from wipe_agent.check.readback import ReadBack, read_back
from wipe_agent.check.sampling import SamplePlan, plan_sample
from wipe_agent.check.selftest import self_test
from wipe_agent.media import Target

__all__ = [
    "BlockMap",
    "Marks",
    "Planted",
    "ReadBack",
    "SamplePlan",
    "Survey",
    "choose_marks",
    "marks_left",
    "plan_sample",
    "plant",
    "read_back",
    "residue",
    "self_test",
    "survey",
]


def residue(target: Target, run: tools.Run = tools.run_tool) -> dict[str, Any]:
    """File systems still seen after the wipe, by our table and by util-linux; `clean` says whether there are none."""
    found = signatures.tally(file_systems(target))
    seen = tools.signatures_on(target.path, run)
    return {"found": found, "tools": seen, "clean": not found and not tools.saw_something(seen)}
