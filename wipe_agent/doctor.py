"""What is missing on this machine, in words, and how to install it on Debian.

`look` gathers the facts and changes nothing; `judge` is pure and turns them into findings. `missing` stops the work
that was asked about, `advice` makes it poorer, `ok` is there. An installation without a key can verify, print and check
drives: judged with `verify_only`, it is complete.
"""

from __future__ import annotations

import os
import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import TypeVar

from wipe_agent import check, keys
from wipe_agent.certificate import fingerprint, read
from wipe_agent.certificate.times import read_time
from wipe_agent.errors import AgentError, SelfTestFailed
from wipe_agent.jobs.orders import accreditations

_T = TypeVar("_T")
OK, ADVICE, MISSING = "ok", "advice", "missing"
LEAST_FREE = 256 * 1024 * 1024
_PATH = ":/usr/sbin:/sbin"


@dataclass(frozen=True)
class Tool:
    """A program of others: the Debian package, what it is for, whether the agent cannot work without it.

    `install` says how where Debian has no package for it; `package` is empty then.
    """

    name: str
    package: str
    purpose: str
    essential: bool = False
    install: str = ""
    version: tuple[str, ...] = ("--version",)


TOOLS = (
    Tool("lsblk", "util-linux", "to list drives and see what is mounted", essential=True),
    Tool("wipefs", "util-linux", "a second look for file systems"),
    Tool("blkid", "util-linux", "a second look for file systems"),
    Tool("blkdiscard", "util-linux", "to discard blocks"),
    Tool("smartctl", "smartmontools", "the health of drives"),
    Tool("nvme", "nvme-cli", "NVMe sanitise and format", version=("version",)),
    Tool("hdparm", "hdparm", "ATA secure erase, hidden areas", version=("-V",)),
    Tool("sg_sanitize", "sg3-utils", "SCSI sanitise"),
    Tool("mmc", "mmc-utils", "eMMC sanitise"),
    Tool("adb", "adb", "Android phones"),
    Tool(
        "pymobiledevice3",
        "",
        "iPhone and iPad",
        version=("version",),
        install="Install it in an environment of its own and set WIPE_AGENT_PYMOBILEDEVICE3 to its program.",
    ),
    Tool("foremost", "foremost", "carving for files that are left", version=("-V",)),
)
LIBRARIES = {
    "cryptography": True, "http-message-signatures": True, "rich": True, "fpdf2": False, "segno": False,
    "python-pkcs11": False, "textual": False,
}  # fmt: skip
"""Distribution → whether every command needs it."""


@dataclass(frozen=True)
class Facts:
    """What the machine says of itself. Times are aware, sizes bytes; None: not there, or it does not say."""

    now: datetime
    python: tuple[int, int] = (3, 11)
    root: bool = True
    kernel: str = ""
    clock_synchronised: bool | None = True
    newest_noted: datetime | None = None
    entropy_ready: bool | None = True
    disk_sequences: bool = True
    tools: dict[str, str | None] = field(default_factory=dict)
    libraries: dict[str, str | None] = field(default_factory=dict)
    home: Path = Path()
    home_problem: str | None = None
    home_in_memory: bool = False
    free: int | None = None
    enrolled: keys.Station | None = None
    key: str | None = None  # "file", "token", or what is wrong with it
    trust: str | None = None
    accredited_until: datetime | None = None
    self_test: int = 0
    self_test_problem: str | None = None


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it stands, a sentence, and what to do about it."""

    name: str
    state: str
    text: str
    remedy: str = ""


def judge(facts: Facts, *, verify_only: bool = False) -> list[Finding]:
    """Every finding, in the order in which one would put things right."""
    return [
        *_program(facts),
        *_tools(facts, verify_only),
        *_machine(facts, verify_only),
        *_folder(facts, verify_only),
        *([] if verify_only else _station(facts)),
    ]


def ready(findings: list[Finding]) -> bool:
    """Whether nothing is missing."""
    return all(one.state != MISSING for one in findings)


def packages(findings: list[Finding]) -> list[str]:
    """The Debian packages that the findings ask for, each once."""
    names = {tool.name: tool.package for tool in TOOLS if tool.package}
    return sorted({names[one.name] for one in findings if one.name in names and one.state != OK})


def _program(facts: Facts) -> Iterator[Finding]:
    if facts.python < (3, 11):
        version = ".".join(map(str, facts.python))
        yield Finding("python", MISSING, f"Python {version} is too old.", "Install Python 3.11 or newer.")
    for name, needed in LIBRARIES.items():
        if facts.libraries.get(name) is None:
            what = "Nothing works without it." if needed else "Pages, codes, tokens or screens need it."
            state = MISSING if needed else ADVICE
            yield Finding(name, state, f"The library {name} is absent. {what}", "Install requirements-agent.txt.")
    if facts.self_test_problem is not None:
        yield Finding("self-test", MISSING, facts.self_test_problem, SelfTestFailed.next_step)
    else:
        yield Finding("self-test", OK, f"The self-test planted {facts.self_test} marks and found them all.")


def _tools(facts: Facts, verify_only: bool) -> Iterator[Finding]:
    for tool in TOOLS:
        version = facts.tools.get(tool.name)
        if version is not None:
            yield Finding(tool.name, OK, version)
        else:
            state = MISSING if tool.essential and not verify_only else ADVICE
            install = tool.install or f"apt-get install {tool.package}"
            yield Finding(tool.name, state, f"{tool.name} is absent; it is for {tool.purpose}.", install)


def _machine(facts: Facts, verify_only: bool) -> Iterator[Finding]:
    if not facts.root and not verify_only:
        yield Finding("root", ADVICE, "Not root: image files only, no real drives.", "Run the agent as root.")
    if not facts.disk_sequences:
        text = f"Kernel {facts.kernel} does not number its disks; a drive swapped during the work is harder to notice."
        yield Finding("kernel", ADVICE, text, "Use a kernel of 5.15 or newer (Debian 12 has 6.1).")
    else:
        yield Finding("kernel", OK, f"Kernel {facts.kernel}.")
    if facts.newest_noted is not None and facts.now + timedelta(seconds=300) < facts.newest_noted:
        text = f"The clock says {facts.now:%Y-%m-%d %H:%M} UTC; work was noted at {facts.newest_noted:%Y-%m-%d %H:%M}."
        yield Finding("clock", MISSING, text, "Set the clock: timedatectl set-time, or connect to a time server.")
    elif facts.clock_synchronised is False:
        text = "The clock is not held by a time server. More than 300 s off, certificates do not verify."
        yield Finding("clock", ADVICE, text, "apt-get install systemd-timesyncd, or compare the clock by hand.")
    else:
        yield Finding("clock", OK, f"The clock says {facts.now:%Y-%m-%d %H:%M} UTC.")
    if facts.entropy_ready is False:
        yield Finding("entropy", MISSING, "The kernel has no random numbers yet.", "Wait a minute after the start.")


def _folder(facts: Facts, verify_only: bool) -> Iterator[Finding]:
    if facts.home_problem is not None:
        state = ADVICE if verify_only else MISSING
        yield Finding("state folder", state, facts.home_problem, f"Make {facts.home} yours alone, mode 0700.")
        return
    if facts.home_in_memory:
        text = f"The state folder {facts.home} lies in memory. A power cut takes journals and certificates with it."
        yield Finding("state folder", ADVICE, text, "Set WIPE_AGENT_HOME to a folder on a disk.")
    if facts.free is not None and facts.free < LEAST_FREE:
        text = f"{facts.free // 1024 // 1024} MiB are free for journals and certificates; 256 are wanted."
        yield Finding("disk space", ADVICE if verify_only else MISSING, text, "Free space on that disk.")
    elif facts.free is not None:
        yield Finding("disk space", OK, f"{facts.free // 1024 // 1024} MiB are free in {facts.home}.")


def _station(facts: Facts) -> Iterator[Finding]:
    if facts.enrolled is None:
        text = "This installation is not enrolled. It can verify, print and check drives; it cannot wipe or certify."
        yield Finding("enrolment", MISSING, text, "Run: wipe-agent enrol --market URL --code CODE")
        return
    practice = ", for TRAINING" if facts.enrolled.mode == "training" else ""
    yield Finding("enrolment", OK, f"Enrolled at {facts.enrolled.market} for {facts.enrolled.centre_name}{practice}.")
    if facts.key in ("file", "token"):
        where = "an encrypted file" if facts.key == "file" else "a PKCS #11 token"
        yield Finding("key", OK, f"The station's key lies in {where}. Whether it opens, certify and sync will say.")
    else:
        text = facts.key or "The station's key is not there."
        yield Finding(
            "key", MISSING, text, "Put back what is missing (a copy of the state folder, the token's software)."
        )
    if facts.trust is None:
        text = "The trust file is absent or cannot be read."
        yield Finding("trust", MISSING, text, "Put the state folder back from its copy, or enrol a new station.")
    else:
        yield Finding("trust", OK, f"Trust file with the fingerprint {facts.trust}.")
    if facts.accredited_until is None:
        yield Finding("accreditation", ADVICE, "No accreditation came with orders yet.", "Run: wipe-agent orders")
    elif facts.accredited_until < facts.now:
        text = f"The accreditation here ended at {facts.accredited_until:%Y-%m-%d %H:%M} UTC."
        yield Finding("accreditation", MISSING, text, "Run: wipe-agent orders. If it stays so, ask the marketplace.")
    else:
        yield Finding("accreditation", OK, f"Accredited until {facts.accredited_until:%Y-%m-%d %H:%M} UTC.")


# ---------------------------------------------------------------------------- looking


def look(home: keys.Home, *, now: datetime | None = None) -> Facts:
    """The facts of this machine and of the state folder `home`. Changes nothing, and opens no key."""
    now = now or datetime.now(UTC)
    planted, problem = 0, None
    try:
        planted = check.self_test()
        keys.self_test()
    except SelfTestFailed as error:
        problem = error.message
    exists = home.path.is_dir()
    return Facts(
        now=now,
        python=sys.version_info[:2],
        root=os.geteuid() == 0,
        kernel=platform.release(),
        clock_synchronised=_synchronised(),
        newest_noted=_newest_noted(home) if exists else None,
        entropy_ready=_entropy_ready(),
        disk_sequences=any(Path("/sys/block").glob("*/diskseq")),
        tools={tool.name: _version(tool) for tool in TOOLS},
        libraries={name: _library(name) for name in LIBRARIES},
        home=home.path,
        home_problem=_folder_problem(home.path) if exists else None,
        home_in_memory=exists and _in_memory(home.path),
        free=_free(home.path),
        enrolled=_or_none(keys.load_station, home),
        key=_key(home),
        trust=fingerprint(home.trust_file.read_bytes()) if _or_none(keys.load_trust, home) else None,
        accredited_until=_accredited_until(home) if exists else None,
        self_test=planted,
        self_test_problem=problem,
    )


def _version(tool: Tool) -> str | None:
    # The phones ask for it where the setting names it, and nowhere else.
    named = os.environ.get("WIPE_AGENT_PYMOBILEDEVICE3", "") if tool.name == "pymobiledevice3" else tool.name
    program = shutil.which(named, path=f"{os.environ.get('PATH', os.defpath)}{_PATH}")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *tool.version], capture_output=True, text=True, errors="replace", timeout=10, check=False
        )
        lines = (done.stdout or done.stderr).strip().splitlines()
        said = lines[0].strip().removeprefix(f"{tool.name}:").strip()[:80] if lines else ""
        return f"at {program}." if not said or said.lower().startswith("usage") else said
    except (OSError, subprocess.SubprocessError):
        return f"at {program}."


def _library(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _synchronised() -> bool | None:
    try:
        words = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
        said = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return {"yes": True, "no": False}.get(said)


def _entropy_ready() -> bool | None:
    try:
        os.getrandom(1, os.GRND_NONBLOCK)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _newest_noted(home: keys.Home) -> datetime | None:
    """When the station's newest file was written: the clock cannot be before it."""
    places = (home.journals.glob("*/*.journal"), home.receipts.glob("*.json"), home.orders.glob("*.json"))
    times = [path.stat().st_mtime for place in places for path in place]
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _folder_problem(path: Path) -> str | None:
    facts = path.stat()
    if facts.st_uid != os.getuid():
        return f"The state folder {path} belongs to another user."
    if stat.S_IMODE(facts.st_mode) & 0o077:
        return f"The state folder {path} is open to other users."
    return None if os.access(path, os.W_OK) else f"The state folder {path} cannot be written."


def _in_memory(path: Path) -> bool:
    """Whether the folder lies on a file system that a power cut empties."""
    device = path.stat().st_dev
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return False
    wanted = f"{os.major(device)}:{os.minor(device)}"
    return any(
        line.split(" ")[2] == wanted and line.partition(" - ")[2].split(" ")[0] in ("tmpfs", "ramfs") for line in lines
    )


def _free(path: Path) -> int | None:
    place = next((one for one in (path, *path.parents) if one.is_dir()), None)
    return shutil.disk_usage(place).free if place else None


def _key(home: keys.Home) -> str | None:
    if not home.key_file.exists():
        return None
    if not keys.in_token(home):
        return "file"
    module = keys.token_module(home)
    return "token" if Path(module).is_file() else f"The token's module {module} is not on this machine."


def _accredited_until(home: keys.Home) -> datetime | None:
    found = []
    for text, _ in accreditations(home):
        try:
            found.append(read_time(read(text.encode(), what="accreditation")["validUntil"]))
        except (ValueError, KeyError, TypeError):
            continue
    return max(found, default=None)


def _or_none(load: Callable[[keys.Home], _T], home: keys.Home) -> _T | None:
    try:
        return load(home)
    except AgentError:
        return None
