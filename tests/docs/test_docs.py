"""The documents say what the code does: every setting, state, role, job, command and class has its line, links lead
somewhere, and the functions that the life of a device names are there."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

import pytest

from ewaste.accounts import samples
from ewaste.accounts.models import Role
from ewaste.certificates import policy as evidence_policy
from ewaste.core import config, jobs
from ewaste.devices.lifecycle import BACK, NEXT, WAYS, State
from ewaste.devices.models import DeviceClass, HoldKind, MediumKind, Title
from ewaste.market.models import OrderState
from ewaste.payments.models import InstructionKind
from ewaste.processing.models import Outcome
from wipe_agent.certificate import CHECKS, vocabulary
from wipe_agent.cli.words import parser

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
LEGS = (
    *("trade_in", "bench", "clearing", "reauditing", "sale", "settlement", "aftersales", "accrediting"),
    "rechecking",
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def row(document: str, name: str) -> str:
    """The row of a table that begins with this word."""
    found = re.search(rf"^\| `{re.escape(name)}` \|.*$", document, re.MULTILINE)
    assert found, f"`{name}` has no line of its own"
    return found[0]


def named(document: str, names: Iterable[str]) -> list[str]:
    """Which of these words the document does not name in code letters."""
    return [name for name in names if f"`{name}`" not in document]


def prose(document: str) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", document, flags=re.MULTILINE | re.DOTALL)


def anchors(document: str) -> set[str]:
    """The anchors that headings get on the usual sites."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_every_setting_has_its_line() -> None:
    document = text("docs/configuration.md")
    for setting in config.SETTINGS:
        line = row(document, setting.name)
        assert setting.default in line, setting.name
        assert setting.meaning in line, setting.name


def test_every_state_has_its_line_with_the_states_that_may_follow() -> None:
    states = text("docs/life-of-a-device.md").partition("\n## States\n")[2].partition("\n## ")[0]
    for state in State:
        said = set(re.findall(r"`(\w+)`", row(states, state.value).rpartition("|")[0].rpartition("|")[2]))
        follow = NEXT[state] | BACK.get(state, frozenset())
        if state is State.SOLD:  # "back to a way" stands for the three
            follow -= WAYS
        assert said == {other.value for other in follow}, state.value


def test_every_step_that_the_life_of_a_device_names_is_a_function() -> None:
    document = text("docs/life-of-a-device.md")
    modules = {leg: importlib.import_module(f"ewaste.journey.{leg}") for leg in LEGS}
    modules["custody"] = importlib.import_module("ewaste.devices.custody")
    steps = set(re.findall(r"`(\w+)\.(\w+)`", document))
    assert len(steps) > 30
    jobs_named = {tuple(name.split(".")) for name in jobs.NAMES}
    for module, name in steps - jobs_named:
        assert module in modules, f"{module}.{name}"
        assert callable(getattr(modules[module], name, None)), f"{module}.{name}"


def test_the_straight_way_is_told_in_the_numbers_that_the_functions_carry() -> None:
    document = text("docs/life-of-a-device.md")
    for leg in LEGS:
        module = importlib.import_module(f"ewaste.journey.{leg}")
        for name, function in vars(module).items():
            step = re.match(r"Step (\d+)\.", getattr(function, "__doc__", None) or "")
            if step and callable(function):
                line = next(line for line in document.splitlines() if line.startswith(f"| {step[1]} |"))
                assert f"`{leg}.{name}`" in line, f"step {step[1]}: {leg}.{name}"


def test_every_role_has_its_line() -> None:
    document = text("docs/glossary.md")
    for role in Role:
        assert row(document, role.value), role


def test_every_job_has_its_line() -> None:
    document = text("docs/life-of-a-device.md")
    for name in jobs.NAMES:
        assert row(document, name), name


def test_every_command_of_the_agent_is_told() -> None:
    document = text("docs/wipe-agent.md")
    actions = parser()._actions
    commands = next(action for action in actions if isinstance(action, argparse._SubParsersAction)).choices
    assert set(commands) == {
        *(
            "enrol",
            "pin",
            "media",
            "plan",
            "orders",
            "wipe",
            "map",
            "phones",
            "reset",
            "stand",
            "bench",
            "certify",
            "sync",
        ),
        *("verify", "report", "summary", "labels", "doctor", "status", "check", "import-snapshot"),
        *("thaw", "witness", "monitor", "issued"),
        "import-erasure",
    }
    for name in commands:
        assert f"\n## {name}\n" in document, name
        assert re.search(rf"^wipe-agent {name}\b", document, re.MULTILINE), name


def test_every_evidence_class_has_its_line_and_what_admits_it() -> None:
    glossary, specification = text("docs/glossary.md"), text("docs/spec/wipe-certificate.md")
    assert f"`{evidence_policy.POLICY}`" in glossary
    admitted = {evidence for _, evidence, _ in evidence_policy.rows()}
    for name in vocabulary.EVIDENCE_CLASSES:
        row(specification, name)
        assert ("| nothing" in row(glossary, name)) == (name not in admitted), name


def test_every_check_of_a_verifier_is_told() -> None:
    document = text("docs/spec/wipe-certificate.md")
    assert [name for name in CHECKS if not re.search(rf"^\| \d+ \| `{name}` \|", document, re.MULTILINE)] == []


def test_the_words_of_the_code_stand_in_the_glossary() -> None:
    document = text("docs/glossary.md")
    kinds = (MediumKind, DeviceClass, HoldKind, Title, OrderState, InstructionKind, Outcome)
    words = [member.value for kind in kinds for member in kind]
    assert named(document, [*words, *vocabulary.LEVELS, *vocabulary.MEDIUM_KINDS]) == []


def test_the_readme_names_the_two_commands_and_every_account() -> None:
    readme = text("README.md")
    assert re.search(r"^make run\b", readme, re.MULTILINE)
    assert re.search(r"^make test\b", readme, re.MULTILINE)
    assert f"`{samples.PASSWORD}`" in readme
    for sample in samples.SAMPLES:
        assert f"| {sample.email} | {sample.role.value} |" in readme, sample.email
        assert sample.organisation is None or sample.organisation in readme


def test_the_documents_name_only_targets_that_make_has() -> None:
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    for document in DOCUMENTS:
        words = document.read_text(encoding="utf-8")
        # In code letters, or first on a line of a block: `make` is also an English word.
        for target in re.findall(r"(?:`|^)(?:[A-Z]+=\S+ )*make ([a-z]+)", words, re.MULTILINE):
            assert target in targets, f"{document.name}: make {target}"


def test_every_decision_is_numbered_titled_and_listed() -> None:
    listed = text("docs/adr/README.md")
    assert [int(path.name[:4]) for path in ADRS] == list(range(1, len(ADRS) + 1))
    for path in ADRS:
        words = path.read_text(encoding="utf-8")
        title = words.splitlines()[0].removeprefix("# ")
        assert f"| [{path.name[:4]}]({path.name}) | {title} |" in listed, path.name
        headings = re.findall(r"^## (.+)$", words, re.MULTILINE)
        assert {"Context", "Decision", "What else was weighed"} <= set(headings), path.name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_within_the_project_leads_somewhere(document: Path) -> None:
    for target in LINK.findall(prose(document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = unquote(target).partition("#")
        path = (document.parent / place).resolve() if place else document
        assert path.is_relative_to(ROOT), target
        assert path.exists(), target
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_document_names_a_place_on_one_machine(document: Path) -> None:
    words = document.read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.:/~$-])/(?:home|Users|tmp|mnt|opt|srv|workspace)/\S+", words) == []
    assert str(ROOT) + "/" not in words
