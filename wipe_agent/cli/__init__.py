"""The command line: read the words, run one command, say what came of it.

The result goes to standard output, as sentences or (`--json`) as one JSON object; errors and progress go to standard
error. Every kind of error has its own exit code and says what to do next (docs/wipe-agent.md).
"""

from __future__ import annotations

import json
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from wipe_agent.cli.commands import ScreenKind
from wipe_agent.cli.words import parser
from wipe_agent.errors import AgentError, StateUnusable, Stopped

__all__ = ["main", "parser"]


def main(arguments: Sequence[str], screen: ScreenKind) -> int:
    """Run one command and return its exit code."""
    signal.signal(signal.SIGTERM, _stop)
    as_json = "--json" in arguments
    try:
        chosen = parser().parse_args(arguments)
        with screen(quiet=as_json) as shown:
            found, sentences, code = chosen.run(chosen, shown)
    except AgentError as error:
        return _say_error(error, as_json)
    except KeyboardInterrupt:
        return _say_error(Stopped("Stopped. What was done is in the journal."), as_json)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _say_error(StateUnusable(f"The disk does not play along: {where}{error.strerror}."), as_json)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not look like "does not verify" (1)
        traceback.print_exc()
        return _say_error(AgentError(f"An error of the agent itself: {error!r}."), as_json)
    if not found and not sentences:  # It has said everything line by line.
        return code
    sys.stdout.write((_json(found) if as_json else _plain("\n".join(sentences))) + "\n")
    sys.stdout.flush()
    return code


def _say_error(error: AgentError, as_json: bool) -> int:
    if as_json:
        said = {"kind": error.kind, "exit_code": error.exit_code, "message": error.message, "next": error.advice}
        sys.stdout.write(_json({"error": said}) + "\n")
    sys.stderr.write(_plain(f"{error.message}\nNext: {error.advice}\n"))
    return error.exit_code


# The name of a file, a receipt or a tool's answer may have been chosen by somebody who wants to drive this terminal,
# or to turn a line around. Such signs are written as Python writes them.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _plain(text: str) -> str:
    return _UNSEEN.sub(lambda sign: ascii(sign[0])[1:-1], text)


def _json(found: object) -> str:
    text = json.dumps(found, ensure_ascii=False, indent=1)
    return _UNSEEN.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt
