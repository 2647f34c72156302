"""Show 3: killed anywhere, the agent goes on to a true certificate, or says why it does not.

`make faults` kills it a thousand times; every run of the tests does so thirty times, by another seed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.conftest import FULL
from tests.wipe_agent.support import ROOT

pytestmark = pytest.mark.campaign

KILLS, SEED = (1000, 20_261_121) if FULL else (30, 20_261_122)


def test_killed_anywhere_it_goes_on_to_a_true_certificate_or_says_why_not(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("campaign.py")), str(KILLS), str(SEED), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=3600 if FULL else 240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(json.dumps(found, indent=1))
    assert found["lies"] == []
    assert found["killed"] >= 0.98 * KILLS  # A run may make a call fewer than the one that was counted.
    assert found["certified"] + sum(found["refused"].values()) == KILLS
    assert found["certified"] >= 0.9 * KILLS, found["refused"]
    assert 0 < found["most_repeated"] <= found["checkpoint"]
    assert found["began_anew"] == 0
