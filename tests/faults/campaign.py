"""Kill the agent again and again at seeded points, and look under every certificate with a reader of our own.

    python tests/faults/campaign.py KILLS SEED [FOLDER]

Each kill takes a fresh station and a fresh planted image, runs `wipe` or `certify` in a child process, and ends it by
SIGKILL at one of its calls to the operating system: before the call, after it, or with half of a write done. Then the
same work is asked for once more, as an operator does. Prints one JSON object. The child is a fork of this process:
starting Python anew a thousand times would take an hour and show nothing more. For the same reason `wipefs` and `blkid`
are left out.

The reader knows nothing of the agent: each sector of the image is filled with a text that names it, and no piece of
such text may stand on an image that a certificate speaks of.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.wipe_agent.support import PASSPHRASE, World, enrolled, keep, medium
from wipe_agent import jobs, keys
from wipe_agent.certificate import Bundle, Trust, verify
from wipe_agent.check import before, readback, tools
from wipe_agent.errors import AgentError
from wipe_agent.methods import overwrite

SERIAL = "DISK-0001"
SIZE, CHUNK, CHECKPOINT = 1 << 20, 64 << 10, 256 << 10
CALLS = ("write", "pwrite", "preadv", "fsync", "fdatasync", "rename", "replace", "ftruncate", "mkdir")
SHARE_OF_CERTIFY = 0.15


@dataclass
class Watch:
    """What a child did, in memory that outlives it: calls made, and how far the overwrite had come."""

    memory: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 16))

    @property
    def calls(self) -> int:
        return int(struct.unpack_from("=q", self.memory, 0)[0])

    @property
    def reached(self) -> int:
        return int(struct.unpack_from("=q", self.memory, 8)[0])

    def install(self, point: int) -> None:
        """Count the calls from here on, and die at number `point`; never with 0."""
        lock = Lock()

        def watched(name: str) -> Callable[..., Any]:
            real = getattr(os, name)

            def call(*words: Any, **more: Any) -> Any:
                with lock:
                    number = self.calls + 1
                    struct.pack_into("=q", self.memory, 0, number)
                # Marks are single blocks; what is longer is the overwrite.
                if name == "pwrite" and len(words[1]) > 4096:
                    with lock:
                        struct.pack_into("=q", self.memory, 8, max(self.reached, words[2] + len(words[1])))
                if number != point:
                    return real(*words, **more)
                way = point % 3
                if way == 1 and name in ("write", "pwrite"):
                    real(words[0], memoryview(words[1])[: len(words[1]) // 2], *words[2:])
                elif way == 2:
                    real(*words, **more)
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)  # The signal ends the process while this thread waits for it.
                raise AssertionError

            return call

        for name in CALLS:
            setattr(os, name, watched(name))


@dataclass
class Bench:
    """A station and what its order means, made once and copied for each kill."""

    folder: Path
    key: Any
    done: Path

    def fresh(self, to: Path, *, wiped: bool) -> tuple[keys.Home, Path]:
        shutil.copytree(self.done if wiped else self.folder / "home", to / "home")
        image = to / "disk.img"
        image.write_bytes(bytes(SIZE) if wiped else planted())
        return keys.Home(to / "home"), image


def planted() -> bytes:
    """Every sector says which one it is, from its first byte to its last."""
    return b"".join((b"SURVIVOR %07d " % sector) * 32 for sector in range(SIZE // 512))


def survivors(image: Path) -> int:
    """The independent reader: how many pieces of planted text stand on the raw image."""
    data = image.read_bytes()
    return data.count(b"SURVIVOR") + data.count(b"URVIVO")


def make_bench(folder: Path) -> Bench:
    world = World()
    home = enrolled(folder / "home", world)
    world.order(medium(SERIAL))
    keep(home, world)
    bench = Bench(folder, keys.load_key(home, PASSPHRASE), folder / "done" / "home")
    (folder / "done").mkdir()
    home, image = bench.fresh(folder / "done", wiped=False)
    wipe(home, image, stream=False)
    return bench


def wipe(home: keys.Home, image: Path, *, stream: bool) -> int | None:
    done = jobs.wipe(
        home,
        order_code="WO-1",
        target_path=image,
        medium_named=None,
        typed=lambda question: SERIAL,
        operator="Ada",
        image=True,
        wish=jobs.Wish(method="overwrite-stream" if stream else None),
    )
    return done.resumed_at


def certify(home: keys.Home, bench: Bench) -> None:
    jobs.certify(home, order_code="WO-1", open_key=lambda: bench.key)


def in_child(work: Callable[[], Any], point: int = 0) -> tuple[dict[str, Any] | None, Watch]:
    """What `work` answers in a process of its own: `{"answer"}`, `{"refused"}`, or None if it was killed."""
    watch = Watch()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            say = os.write  # The real one: what the child tells us is not part of its work.
            watch.install(point)
            try:
                told = {"answer": work()}
            except AgentError as refusal:
                told = {"refused": f"{refusal.kind}: {refusal.message} {refusal.advice}"}
            say(writing, json.dumps(told).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return None, watch
    assert os.WEXITSTATUS(status) == 0, "the child ended with an error that is no refusal"
    return json.loads(said), watch


def certificates(home: keys.Home) -> list[Path]:
    return [path for path in home.outbox.iterdir() if not path.name.startswith(".")]


def lies(home: keys.Home, image: Path) -> list[str]:
    """What is wrong with the certificates that exist: nothing, if all is well."""
    found = []
    for bundle in certificates(home):
        trust = Trust.parse(home.trust_file.read_bytes())
        report = verify(Bundle.load(bundle), trust, at=datetime.now(UTC), training=True)
        if not report.ok:
            found.append(f"does not verify: {report.refusal}")
        if survivors(image):
            found.append(f"{survivors(image)} pieces survive under a certificate")
    return found


def one_kill(bench: Bench, folder: Path, command: str, point: int, *, stream: bool) -> dict[str, Any]:
    """Kill once, go on, and say what came of it."""
    home, image = bench.fresh(folder, wiped=command == "certify")
    if command == "wipe":
        answer, watch = in_child(lambda: wipe(home, image, stream=stream), point)
    else:
        answer, watch = in_child(lambda: certify(home, bench), point)
    # Two threads write at once, so a run may have a call fewer than the one that was counted: then it has ended.
    result = {"killed": answer is None, "repeated": 0, "lies": lies(home, image), "refused": None}
    early = certificates(home)
    if command == "wipe":
        answer, _ = in_child(lambda: wipe(home, image, stream=stream))
        assert answer is not None
        if "refused" not in answer:
            # A wipe that had finished when it was killed is not gone on with; its answer is no place.
            at = answer["answer"]
            result["repeated"] = watch.reached - at if at is not None else 0
            result["from_the_start"] = at is None and watch.reached > 0 and watch.reached < SIZE
    if "refused" not in (answer or {}):
        answer, _ = in_child(lambda: certify(home, bench))
    assert answer is not None
    result["refused"] = answer.get("refused")
    result["lies"] += lies(home, image)
    issued = certificates(home)
    if early and early != issued:
        result["lies"].append("another certificate took the place of the first")
    if len(issued) != (0 if result["refused"] else 1):
        result["lies"].append(f"{len(issued)} certificates")
    return result


def campaign(kills: int, seed: int, folder: Path) -> dict[str, Any]:
    """Run it. Times in seconds, work in bytes."""
    overwrite.CHUNK = readback.CHUNK = before.PIECE = CHUNK
    overwrite.CHECKPOINT = CHECKPOINT
    nothing = {"wipefs": ["not installed"], "blkid": ["not installed"]}
    tools.signatures_on = lambda path, run=tools.run_tool: nothing
    began = time.monotonic()
    bench = make_bench(folder)
    counted = {}
    for command in ("wipe", "certify"):
        (folder / f"count-{command}").mkdir()
        home, image = bench.fresh(folder / f"count-{command}", wiped=command == "certify")
        work = (lambda: wipe(home, image, stream=False)) if command == "wipe" else (lambda: certify(home, bench))  # noqa: B023
        counted[command] = in_child(work)[1].calls
    chosen = random.Random(seed)
    results = []
    for number in range(kills):
        command = "certify" if chosen.random() < SHARE_OF_CERTIFY else "wipe"
        point, stream = chosen.randint(1, counted[command]), chosen.random() < 0.5
        place = folder / f"kill-{number}"
        place.mkdir()
        results.append(one_kill(bench, place, command, point, stream=stream))
        shutil.rmtree(place)
    refusals = Counter(str(one["refused"])[:80] for one in results if one["refused"])
    return {
        "kills": kills,
        "seed": seed,
        "points": counted,
        "killed": sum(one["killed"] for one in results),
        "certified": sum(one["refused"] is None for one in results),
        "refused": dict(refusals),
        "lies": [lie for one in results for lie in one["lies"]],
        "most_repeated": max(one["repeated"] for one in results),
        "began_anew": sum(bool(one.get("from_the_start")) for one in results),
        "checkpoint": CHECKPOINT,
        "seconds": round(time.monotonic() - began, 1),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[3] if len(sys.argv) > 3 else None) as place:
        print(json.dumps(campaign(int(sys.argv[1]), int(sys.argv[2]), Path(place))))
