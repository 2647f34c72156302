"""A guest in QEMU whose power can be cut, and cut again: it is started once, put by, and taken up for each cut.

Starting takes most of a minute in emulation; taking up a guest that was put by takes a second or two. Everything that
it runs lies in its memory (an initrd with this interpreter and this checkout): a shared folder cannot be put by.

Its two drives have a volatile cache, as real drives have: nbdkit's cache filter in the mode `writeback` answers a write
at once and hands it on to the image at a flush only. A cut stops QEMU where it is, ends both nbdkits by SIGKILL, and
then QEMU: whatever was written since the last flush is lost, and a flush that was under way is torn. The images are
what the media hold afterwards. (In QEMU's own cache modes a killed QEMU loses nothing: the host's page cache keeps it.)
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.machines.guest import KERNEL, ROOT, find, pack, put_kernel_modules

MODULES = ("virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "ext4")
TOOLS = ("lsblk", "wipefs", "blkid")
MEMORY_MIB = 640
START_SECONDS, ANSWER_SECONDS = 240.0, 120.0
CHANNEL = "/dev/ttyS1"
SLOW = ("delay", "wdelay=20ms", "rdelay=4ms")
"""So slow is the drive that is wiped, so that the overwrite and the read-back take their share of the time."""
_NOT_NEEDED = shutil.ignore_patterns(
    "test", "tests", "idlelib", "ensurepip", "lib2to3", "tkinter", "turtledemo", "site-packages", "config-*", "*.a"
)


@dataclass
class Drives:
    """The images of one guest: the drive that is wiped, and the disk with the station's state."""

    drive: Path
    state: Path


class Running:
    """A guest that is on. `ask` says a line and waits for its answer; `cut` takes the power away."""

    def __init__(self, qemu: subprocess.Popen[bytes], caches: list[subprocess.Popen[bytes]]) -> None:
        self._qemu, self._caches = qemu, caches
        self._lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._hear, daemon=True).start()

    def say(self, **words: Any) -> None:
        """Begin. A serial line that is being taken up loses letters, so it is said until the guest has heard it."""
        assert self._qemu.stdin is not None
        ends = time.monotonic() + ANSWER_SECONDS
        while True:
            self._qemu.stdin.write(json.dumps({**words, "time": time.time()}).encode() + b"\n")
            self._qemu.stdin.flush()
            if (heard := self.answer(0.5)) is not None:
                assert heard == {"heard": True}
                return
            assert self._qemu.poll() is None, "QEMU has ended"
            assert time.monotonic() < ends, "the guest hears nothing"

    def answer(self, seconds: float = ANSWER_SECONDS) -> dict[str, Any] | None:
        """The next line, or None if none came in time."""
        try:
            found: dict[str, Any] = json.loads(self._lines.get(timeout=seconds))
            return found
        except queue.Empty:
            return None

    def cut(self) -> None:
        """The power goes: the machine stands still, the drives' caches are lost, and all of it is off."""
        os.kill(self._qemu.pid, signal.SIGSTOP)
        for process in (*self._caches, self._qemu):
            process.kill()
        for process in (*self._caches, self._qemu):
            process.wait()
        for pipe in (self._qemu.stdin, self._qemu.stdout):
            assert pipe is not None
            pipe.close()

    def _hear(self) -> None:
        pipe = self._qemu.stdout
        assert pipe is not None
        try:
            for line in pipe:
                self._lines.put(line)
        except ValueError:
            return  # It was closed.


@dataclass
class Guest:
    """The guest as it was put by, in `folder`. `start` makes it; `on` takes it up with other drives."""

    folder: Path

    @property
    def _saved(self) -> Path:
        return self.folder / "saved"

    def start(self, drives: Drives, serial: str, passphrase: str, station: Path) -> float:
        """Boot, wait until everything is ready, put the guest by. Returns seconds."""
        began = time.monotonic()
        version = next(KERNEL.glob("boot/vmlinuz-*")).name.removeprefix("vmlinuz-")
        tree = self.folder / "tree"
        _fill(tree, version, station, [sys.executable, serial, passphrase])
        (self.folder / "initrd").write_bytes(pack(tree))
        shutil.rmtree(tree)
        with self._running(drives, ["-qmp", f"unix:{self.folder}/qmp,server=on,wait=off"]) as running:
            ready = running.answer(START_SECONDS)
            console = (self.folder / "console.txt").read_text(errors="replace")
            assert ready == {"ready": True}, f"The guest did not come up: {console[-3000:]}"
            _put_by(self.folder / "qmp", self._saved)
        return time.monotonic() - began

    @contextmanager
    def on(self, drives: Drives) -> Iterator[Running]:
        """The guest as it was put by, over these drives. Off at the end, if it is not yet."""
        with self._running(drives, ["-incoming", f"exec:cat {self._saved}"]) as running:
            yield running

    @contextmanager
    def _running(self, drives: Drives, more: list[str]) -> Iterator[Running]:
        sockets = [self.folder / "drive.sock", self.folder / "state.sock"]
        caches = [_cache(drives.drive, sockets[0], *SLOW), _cache(drives.state, sockets[1])]
        try:
            kernel = next(KERNEL.glob("boot/vmlinuz-*"))
            errors = os.open(self.folder / "qemu.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            qemu = subprocess.Popen(
                [
                    *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-m", str(MEMORY_MIB), "-smp", "2"),
                    *("-machine", "q35", "-cpu", "max", "-nodefaults", "-display", "none", "-no-reboot"),
                    *("-smbios", "type=1,manufacturer=Sample,product=Laptop 14,serial=HOST-1"),
                    *("-kernel", str(kernel), "-initrd", str(self.folder / "initrd")),
                    *("-append", "console=ttyS0 quiet panic=1"),
                    *("-serial", f"file:{self.folder}/console.txt", "-serial", "stdio"),
                    *("-drive", f"file=nbd:unix:{sockets[0]},if=none,id=d0,format=raw,cache=writeback"),
                    *("-device", "virtio-scsi-pci,id=vs", "-device", "scsi-hd,bus=vs.0,drive=d0,serial=SCSI-1"),
                    *("-drive", f"file=nbd:unix:{sockets[1]},if=none,id=d1,format=raw,cache=writeback"),
                    *("-device", "virtio-blk-pci,drive=d1"),
                    *more,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
            os.close(errors)
        except BaseException:
            for process in caches:
                process.kill()
                process.wait()
            raise
        running = Running(qemu, caches)
        try:
            yield running
        finally:
            if qemu.poll() is None:
                running.cut()


def missing() -> str | None:
    """What is not here for this, as half a sentence; None if all is."""
    absent = [tool for tool in ("nbdkit", "mke2fs", "debugfs", "e2fsck") if find(tool) is None]
    if absent:
        return f"{', '.join(absent)} is not installed (apt install nbdkit e2fsprogs)"
    return None if os.geteuid() == 0 else "the files on the state's disk must be root's"


def _cache(image: Path, place: Path, *outside: str) -> subprocess.Popen[bytes]:
    place.unlink(missing_ok=True)
    process = subprocess.Popen(
        [
            *(str(find("nbdkit")), "--foreground", "--exit-with-parent", "--unix", str(place)),
            *(f"--filter={word}" for word in outside if "=" not in word),
            *("--filter=cache", "file", str(image), "cache=writeback"),
            *(word for word in outside if "=" in word),
        ],
        stderr=subprocess.DEVNULL,
    )
    ends = time.monotonic() + 20
    while not place.exists():
        assert process.poll() is None, f"nbdkit did not start over {image}"
        assert time.monotonic() < ends
        threading.Event().wait(0.01)
    return process


def _put_by(place: Path, into: Path) -> None:
    """Save the whole guest to a file, by QEMU's own protocol."""
    with socket.socket(socket.AF_UNIX) as plug:
        plug.connect(str(place))
        with plug.makefile("rwb") as line:

            def ask(command: str, **arguments: Any) -> Any:
                line.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
                line.flush()
                while "event" in (said := json.loads(line.readline())):
                    pass
                assert "return" in said, said
                return said["return"]

            line.readline()
            ask("qmp_capabilities")
            ask("migrate-set-parameters", **{"max-bandwidth": 1 << 33})
            ask("migrate", uri=f"exec:cat > {into}")
            ends = time.monotonic() + ANSWER_SECONDS
            while (status := ask("query-migrate").get("status")) != "completed":
                assert status in (None, "setup", "active", "device"), status
                assert time.monotonic() < ends
                threading.Event().wait(0.1)


def _fill(tree: Path, version: str, station: Path, words: list[str]) -> None:
    """An initrd that holds the interpreter, the agent and the tools that it asks, at the paths that they have here."""
    put_kernel_modules(tree, version, MODULES)
    python = Path(os.path.realpath(words[0]))
    packages = sorted({Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")})
    told = "import sys, tests.machines.powered; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    standard = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(standard, _in(tree, standard), ignore=_NOT_NEEDED, symlinks=True)
    files = [python]
    for folder in (*packages, ROOT):
        for name in {*loaded.split(), "cffi"} - {"tests"}:
            for found in (folder / name, *folder.glob(f"{name}.*")):
                if found.is_dir() and found.suffix == "" and (found / "__init__.py").exists():
                    shutil.copytree(found, _in(tree, found), dirs_exist_ok=True)
                elif found.suffix in (".py", ".so"):
                    files.append(found)
    files += [Path(os.path.realpath(str(find(tool)))) for tool in TOOLS]
    files.append(ROOT / "tests/machines/powered.py")
    for file in files:
        _in(tree, file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, _in(tree, file))
    compiled = [python, *(tree.rglob("*.so")), *files[-1 - len(TOOLS) : -1]]
    linked = subprocess.run(["ldd", *map(str, compiled)], capture_output=True, text=True, check=False).stdout
    for line in linked.splitlines():
        library = next((Path(word) for word in line.split() if word.startswith("/") and not word.endswith(":")), None)
        if library is not None and not _in(tree, library).exists():
            _in(tree, library).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, _in(tree, library))
    shutil.copytree(station, tree / "station")
    for name in ("proc", "sys", "dev", "run", "tmp", "state", "etc"):
        (tree / name).mkdir(exist_ok=True)
    path = ":".join(map(str, (*packages, ROOT)))
    (tree / "init").write_text(
        f"""#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
while read -r module; do /bin/busybox insmod "$module"; done < /modules
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 PYTHONPATH={path}
export PYTHONHOME={sys.base_prefix} LD_LIBRARY_PATH={sysconfig.get_config_var("LIBDIR") or "/lib"}
{python} {ROOT}/tests/machines/powered.py {CHANNEL} {words[1]} '{words[2]}'
/bin/busybox sleep 3600
"""
    )
    (tree / "init").chmod(0o755)


def _in(tree: Path, path: Path) -> Path:
    """Where a file of this machine lies in the guest."""
    return tree / path.relative_to("/")
