"""The bootable image in an emulated PC without a system of its own: it starts into the bench screen and wipes the disk.

Asked for by `bin/test-iso`, which builds the image first; left out elsewhere, for it takes minutes without KVM.
The guest's disk is an emulated NVMe drive, so the order is a training order and what comes of it is practice.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.wipe_agent.support import PASSPHRASE, ROOT, World, agent, enrolled, keep, medium, planted_image, planted_left

IMAGE = ROOT / "var/agent-iso/clearhand-agent.iso"
FIRMWARE = ROOT / "var/machines/ovmf/usr/share/OVMF"
DISK_MIB = 256
MEMORY_MIB = 1024
# A busy machine takes five minutes and more to what an idle one does in one.
PATIENCE = 600.0

pytestmark = pytest.mark.campaign


class Guest:
    """An emulated PC whose serial line is our keyboard and screen."""

    def __init__(self, *disks: str, firmware: tuple[str, ...] = ()) -> None:
        self.began = time.monotonic()
        self.said = ""
        self.met = 0
        self.process = subprocess.Popen(
            [
                *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-m", str(MEMORY_MIB), "-smp", "2"),
                *("-machine", "q35", "-nodefaults", "-display", "none", "-vga", "std", "-no-reboot"),
                *("-serial", "stdio", "-cdrom", str(IMAGE), "-boot", "d", *firmware, *disks),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        pipe = self.process.stdout
        assert pipe is not None
        while data := os.read(pipe.fileno(), 65536):
            self.said += data.decode(errors="replace")

    @property
    def text(self) -> str:
        """What came so far, without the terminal's own sequences."""
        return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][0-9A-B])", "", self.said)

    def wait(self, wanted: str) -> float:
        """Wait until `wanted` is shown, after what was waited for before. Returns the seconds since the start."""
        ends = time.monotonic() + PATIENCE
        while (at := self.text.find(wanted, self.met)) < 0:
            assert time.monotonic() < ends, f"{wanted!r} did not come. The end of what did:\n{self.text[-3000:]}"
            assert self.process.poll() is None, self.text[-3000:]
            threading.Event().wait(0.2)
        self.met = at + len(wanted)
        took = time.monotonic() - self.began
        sys.stderr.write(f"{took:6.0f} s  {wanted}\n")
        return took

    def type(self, text: str) -> None:
        """As a keyboard or a scanner does."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def end(self) -> int:
        """Wait until it has switched itself off."""
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """Off with it, whatever it does."""
        self.process.kill()
        self.process.wait()
        self.reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def practice(tmp_path: Path) -> tuple[Path, Path]:
    """A disk with planted files, and a stick with the state of a station that has an order for it."""
    for tool in ("qemu-system-x86_64", "mke2fs", "debugfs"):
        if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            pytest.skip(f"{tool} is not installed here")
    if os.environ.get("TEST_ISO") is None:
        pytest.skip("bin/test-iso asks for this")
    if os.geteuid() != 0:
        pytest.skip("the files on the stick must be root's")
    assert IMAGE.exists(), "Run bin/agent-iso first."
    world = World()
    home = enrolled(tmp_path / "stick/station", world)
    world.order(medium("NVME-7F3A", "nvme"), code="W-4F7K-2M9T")
    keep(home, world)
    (tmp_path / "stick/operator").write_text("Ada Bench\n")
    stick = tmp_path / "stick.img"
    subprocess.run(
        ["mke2fs", "-q", "-F", "-t", "ext4", "-L", "CLEARHAND", "-d", str(tmp_path / "stick"), str(stick), "32M"],
        check=True,
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
    )
    return planted_image(tmp_path / "disk.img", DISK_MIB), stick


def test_the_image_starts_into_the_bench_screen_and_wipes_the_disk(practice: tuple[Path, Path], tmp_path: Path) -> None:
    disk, stick = practice
    assert planted_left(disk) > 0
    guest = Guest(
        *("-drive", f"file={disk},if=none,id=n0,format=raw", "-device", "nvme,serial=NVME-7F3A,drive=n0"),
        *("-device", "qemu-xhci,id=x", "-drive", f"file={stick},if=none,id=u0,format=raw"),
        *("-device", "usb-storage,bus=x.0,drive=u0,serial=STICK-1"),
    )
    try:
        guest.wait("automatically in")
        guest.type("s")
        booted = guest.wait("Scan or type")
        guest.type("NVME-7F3A\r")
        guest.wait("WILL BE DESTROYED")
        guest.type("start\r")
        wiped = guest.wait("read back")
        guest.type("certify\r")
        guest.wait("Passphrase")
        guest.type(f"{PASSPHRASE}\r")
        guest.wait("Training certificate of order W-4F7K-2M9T")
        guest.type("leave\r")
        guest.wait("back to the bench")
        guest.type("shell\r")
        guest.wait("#")
        guest.type("echo it is $((40 + 2)) in $WIPE_AGENT_HOME\r")
        guest.wait("it is 42 in /state/station")
        guest.wait("#")
        guest.type("exit\r")  # Out of the shell it goes back to the bench.
        guest.wait("Scan or type")
        guest.type("leave\r")
        guest.wait("back to the bench")
        guest.type("off\r")
        assert guest.end() == 0
    finally:
        guest.close()
    sys.stderr.write(
        f"\n{IMAGE.stat().st_size / 1e6:.0f} MB; bench screen after {booted:.0f} s, {DISK_MIB} MiB wiped after "
        f"{wiped:.0f} s, with {MEMORY_MIB} MiB of memory (emulated, 2 cores)\n"
    )
    assert planted_left(disk) == 0
    assert not any(disk.read_bytes())
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(
        ["debugfs", "-R", f"rdump /station {out}", str(stick)],
        check=True,
        capture_output=True,
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
    )
    bundle = next((out / "station/outbox").iterdir())
    done = agent("verify", str(bundle), "--trust", str(out / "station/trust.json"), "--training", home=out / "nobody")
    assert done.returncode == 0, done.stdout
    assert "TRAINING" in done.stdout


def test_the_image_starts_on_a_pc_with_uefi_too(practice: tuple[Path, Path], tmp_path: Path) -> None:
    disk, stick = practice
    code = next((FIRMWARE / name for name in ("OVMF_CODE.fd", "OVMF_CODE_4M.fd") if (FIRMWARE / name).exists()), None)
    if code is None:
        pytest.skip("there is no UEFI firmware for the guest; bin/test-iso fetches one")
    settings = tmp_path / "settings.fd"
    shutil.copy(code.with_name(code.name.replace("CODE", "VARS")), settings)
    before = disk.read_bytes()
    guest = Guest(
        *("-drive", f"file={disk},if=none,id=n0,format=raw", "-device", "nvme,serial=NVME-7F3A,drive=n0"),
        *("-device", "qemu-xhci,id=x", "-drive", f"file={stick},if=none,id=u0,format=raw"),
        *("-device", "usb-storage,bus=x.0,drive=u0,serial=STICK-1"),
        firmware=(
            *("-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}"),
            *("-drive", f"if=pflash,format=raw,unit=1,file={settings}"),
        ),
    )
    try:
        guest.wait("automatically in")
        guest.type("s")
        booted = guest.wait("Scan or type")
        guest.type("leave\r")
        guest.wait("back to the bench")
        guest.type("shell\r")
        guest.wait("#")
        guest.type("ls -d /sys/firmware/efi*\r")
        guest.wait("/sys/firmware/efi\r")
        guest.wait("#")
        guest.type("exit\r")
        guest.wait("Scan or type")
        guest.type("leave\r")
        guest.wait("back to the bench")
        guest.type("off\r")
        assert guest.end() == 0
    finally:
        guest.close()
    sys.stderr.write(f"\nUEFI: bench screen after {booted:.0f} s\n")
    assert disk.read_bytes() == before
