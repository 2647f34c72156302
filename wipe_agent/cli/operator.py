"""Who works here: named by an option, by the station, or asked. Never by the machine: "root" is nobody's name."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from wipe_agent.errors import BadUsage
from wipe_agent.jobs.people import person

HELP = "who does it (else WIPE_AGENT_OPERATOR, else it is asked)"


def operator_of(chosen: argparse.Namespace, ask: Callable[[str], str]) -> str:
    """The person's name. Raises BadUsage where nobody said it and nobody can be asked."""
    named = chosen.operator or os.environ.get("WIPE_AGENT_OPERATOR")
    if not named and sys.stdin.isatty():
        named = ask("Who works here? Your name, as it goes on the certificate: ")
    if not named:
        raise BadUsage(
            "Nobody said who works here.",
            next_step="Give --operator NAME, or set WIPE_AGENT_OPERATOR to a person's name.",
        )
    return person(named, "operator")
