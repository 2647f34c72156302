"""Is the data gone? Look before, read everything back after, and show that the looking works.

`survey` notes what was on the drive before the wipe, `read_back` reads every byte after it, `residue` looks once more
with other eyes, and `self_test` plants what must be found.
"""

from __future__ import annotations

from typing import Any

from wipe_agent.check import signatures, tools
from wipe_agent.check.before import Survey, file_systems, survey
from wipe_agent.check.readback import ReadBack, read_back
from wipe_agent.check.selftest import self_test
from wipe_agent.media import Target

__all__ = ["ReadBack", "Survey", "read_back", "residue", "self_test", "survey"]


def residue(target: Target, run: tools.Run = tools.run_tool) -> dict[str, Any]:
    """File systems still seen after the wipe, by our table and by util-linux; `clean` says whether there are none."""
    found = signatures.tally(file_systems(target))
    seen = tools.signatures_on(target.path, run)
    return {"found": found, "tools": seen, "clean": not found and not tools.saw_something(seen)}
