"""The site holds no key of the log: it is in no memory, file, socket or setting of a process that serves pages."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ewaste.keeper import Publisher
from ewaste.transparency.signing import Signer
from story.stage import free_ports
from tests.transparency.stage import ORIGIN
from tests.world import World

ROOT = Path(__file__).parents[2]
# The signer as it is, but for the step that closes its memory to its own user: the test has to look into it.
OPEN_SIGNER = (
    "import sys; from ewaste.signer import __main__ as program; program._close_memory = lambda: None;"
    "sys.exit(program.main(sys.argv[1:]))"
)

pytestmark = pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="reads /proc, which Linux has")


def forms(key: Ed25519PrivateKey, pem: bytes) -> list[bytes]:
    """The private key as it may lie about: raw, in hex, in base64, and the body of its file."""
    raw = key.private_bytes_raw()
    return [raw, raw.hex().encode(), base64.b64encode(raw), b"".join(pem.splitlines()[1:-1])]


def found_in(pid: int, wanted: list[bytes]) -> set[int]:
    """Which of these lie in memory that a process can write. The rest of it are files as they lie on disk."""
    found: set[int] = set()
    maps = Path(f"/proc/{pid}/maps").read_text()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for start, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps, re.MULTILINE):
            at, last = int(start, 16), int(end, 16)
            if at > 1 << 62:  # vsyscall
                continue
            try:
                memory.seek(at)
                piece = memory.read(last - at)
            except OSError:  # A page of the kernel's that cannot be read.
                continue
            found |= {number for number, one in enumerate(wanted) if number not in found and one in piece}
    return found


def family(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def opened(pid: int) -> list[str]:
    """What a process has open."""
    return [str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir() if one.is_symlink()]


def private(pem: bytes) -> Ed25519PrivateKey:
    key = load_pem_private_key(pem, None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


@contextmanager
def started(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.mark.campaign
def test_the_site_holds_no_key_of_the_log_and_no_way_to_its_signer(world: World, app_url: str, tmp_path: Path) -> None:
    world.cleared()
    (port,) = free_ports(1)
    data, folder = tmp_path / "data", tmp_path / "signer"
    data.mkdir()
    place = folder / "socket"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("EWASTE_", "STRIPE_"))}
    signing = [sys.executable, "-c", OPEN_SIGNER, "serve", "--folder", str(folder), "--origin", ORIGIN,
               "--public", str(data / "log.vkey")]  # fmt: skip
    site = clean | {"DATABASE_URL": app_url, "EWASTE_DATA": str(data), "PORT": str(port), "EWASTE_SAMPLE": "accounts"}

    def answers(path: str) -> int:
        try:
            return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=10, trust_env=False).status_code
        except httpx.HTTPError:
            return 0

    with started(signing, clean) as signer:
        until((data / "log.vkey").exists, "the signer did not start")
        until(place.exists, "the signer does not listen")
        Publisher(world.database, Signer(place), lambda: world.now).once()
        with started([sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py")], site) as web:
            until(lambda: answers("/log/checkpoint") == 200, "the site did not start")
            assert answers("/log") == answers("/trust.json") == 200
            pem = (folder / "log.pem").read_bytes()
            wanted = forms(private(pem), pem)
            vkey = str(Signer(place).key()).encode()
            assert (data / "log.vkey").read_bytes() == vkey + b"\n"
            assert 0 in found_in(signer.pid, wanted), "the search finds the key where it is"
            own = private((data / "keys" / "market.pem").read_bytes()).private_bytes_raw()
            serving = family(web.pid)
            assert len(serving) == 3  # gunicorn and its two processes
            held = [found_in(pid, [*wanted, str(place).encode(), own, vkey]) for pid in serving]
            # Not the key in any form, nor where the signer listens; of what is theirs, the search finds it.
            assert set().union(*held) == {5, 6}
            for pid in serving:
                assert [name for name in opened(pid) if str(folder) in name] == []
                assert b"EWASTE_LOG_SIGNER" not in Path(f"/proc/{pid}/environ").read_bytes()
