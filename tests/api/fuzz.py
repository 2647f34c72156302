"""schemathesis over the API: whatever it thinks of is sent, and every answer is held against the document.

The tests run it short and always the same (`test_fuzz.py`); `make fuzz` runs it long and differently each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from flask import Flask
from schemathesis import GenerationMode
from schemathesis.config import (
    ChecksConfig,
    GenerationConfig,
    OperationConfig,
    OperationsConfig,
    PhasesConfig,
    PositiveDataAcceptanceConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
    SimpleCheckConfig,
    StatefulPhaseConfig,
)
from schemathesis.engine import events, from_schema

TAKEN = ["2xx", "3xx", 401, 403, 404, 409, 422]


@dataclass
class Found:
    """What one run did: how many requests, which statuses each operation gave, and everything that was wrong."""

    requests: int = 0
    statuses: dict[str, set[int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def run(
    site: Flask,
    *,
    tokens: Mapping[str, str],
    real: Mapping[str, Any],
    examples: int,
    seed: int | None,
    only: Sequence[str] = (),
) -> Found:
    """Send what the document allows, and what it does not, to every operation under `/api/v1`.

    `tokens`: operation → the token it is called with; the others are called with none. `real` are codes of real
    things and bodies that fit them, by operation and name; half of the well-made requests are about these. Without a
    `seed` each run differs; `only` names the operations, if not all.
    """
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", site, config=_config(tokens, examples, seed))
    # The agent's calls are signed and have a shape of errors of their own; `test_document.py` holds them to theirs.
    schema = schema.exclude(path_regex="^/api/agent")
    if only:
        schema = schema.include(operation_id=list(only))

    turn: dict[str, int] = {}

    @schema.hook("map_case")  # type: ignore[untyped-decorator]
    def about_real_things(_context: Any, case: Any) -> Any:
        label = case.operation.label
        mode = case.meta.generation.mode if case.meta else GenerationMode.NEGATIVE
        if mode is GenerationMode.NEGATIVE:
            return case
        turn[label] = turn.get(label, 0) + 1
        if turn[label] % 2:
            for name in case.path_parameters or {}:
                case.path_parameters[name] = real.get(f"{label} {name}", case.path_parameters[name])
            if turn[label] % 4 == 1:
                case.body = real.get(f"{label} body", case.body)
        return case

    found = Found()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            found.wrong.append(f"{event.label}: {event.info.message}")
        elif isinstance(event, events.FatalError):
            raise event.exception
        elif isinstance(event, events.ScenarioFinished):
            _note(event, found)
    return found


def _note(event: events.ScenarioFinished, found: Found) -> None:
    for interaction in event.recorder.interactions.values():
        found.requests += 1
        if interaction.response is not None:
            found.statuses.setdefault(str(event.label), set()).add(interaction.response.status_code)
    for check in (check for checks in event.recorder.checks.values() for check in checks):
        if check.failure_info is not None:
            failure = check.failure_info
            found.wrong.append(f"{event.label}: {check.name}: {failure.failure.message}\n{failure.code_sample}")


def _config(tokens: Mapping[str, str], examples: int, seed: int | None) -> SchemathesisConfig:
    checks = ChecksConfig(
        # A well-made request may still break a rule of the trade (422); never may it be taken for badly made (400).
        positive_data_acceptance=PositiveDataAcceptanceConfig(
            expected_statuses=["2xx", "3xx", 401, 403, 404, 409, 422]
        ),
        # Its second request does not get through schemathesis' own WSGI transport (4.32); `test_scopes.py` tries each
        # operation with no token, a wrong one and each scope.
        ignored_auth=SimpleCheckConfig(enabled=False),
    )
    with_token = [
        OperationConfig.from_dict({"include-operation-id": name, "headers": {"Authorization": f"Bearer {token}"}})
        for name, token in tokens.items()
    ]
    project = ProjectConfig(
        checks=checks,
        operations=OperationsConfig(operations=with_token),
        phases=PhasesConfig(stateful=StatefulPhaseConfig(enabled=False)),
        generation=GenerationConfig(
            max_examples=examples, deterministic=seed is not None, database="none", no_shrink=True
        ),
        continue_on_failure=True,
    )
    return SchemathesisConfig(seed=seed, projects=ProjectsConfig(default=project))
