"""A machine in QEMU that sees this machine's files read-only, has disks of its own, and runs one script.

The kernel is a Debian image package unpacked under `var/machines/kernel` (`bin/test-machines` fetches it). A small
initrd mounts our root by 9p, lays a memory file system over it, and runs the script in it: the guest works with the
very interpreter, tools and checkout that are here. One folder, `/exchange`, is shared for writing. It is emulated in
software (TCG), so no privilege and no virtualisation is needed.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KERNEL = Path(os.environ.get("WIPE_AGENT_MACHINES_KERNEL", ROOT / "var/machines/kernel"))
MODULES = (
    "virtio_pci", "9p", "9pnet_virtio", "overlay", "nvme", "ahci", "sd_mod", "sg", "virtio_scsi", "usb_storage", "uas",
    "xhci_pci", "sdhci_pci", "mmc_block", "loop",
)  # fmt: skip
_TOOLS = ("qemu-system-x86_64", "busybox", "cpio", "modprobe")
_INIT = r"""#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /host /over /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
while read -r module; do /bin/busybox insmod "$module" 2>/dev/null; done < /modules
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=1048576 host /host \
  || /bin/busybox poweroff -f
/bin/busybox mount -t tmpfs over /over
/bin/busybox mkdir -p /over/up /over/work
/bin/busybox mount -t overlay -o lowerdir=/host,upperdir=/over/up,workdir=/over/work overlay /root
for place in proc sys dev; do /bin/busybox mkdir -p /root/$place; /bin/busybox mount --bind /$place /root/$place; done
/bin/busybox mkdir -p /root/exchange
/bin/busybox mount -t tmpfs run /root/run
/bin/busybox mount -t tmpfs tmp /root/tmp
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576 exchange /root/exchange
/bin/busybox chroot /root /bin/sh /exchange/script.sh > /root/exchange/output.txt 2>&1
echo "$?" > /root/exchange/status.txt
/bin/busybox sync
/bin/busybox poweroff -f
"""


def missing() -> str | None:
    """Why no machine can be started here, as half a sentence; None if one can."""
    absent = [tool for tool in _TOOLS if find(tool) is None]
    if absent:
        return f"{', '.join(absent)} is not installed (apt install qemu-system-x86 busybox-static cpio kmod)"
    if not list(KERNEL.glob("boot/vmlinuz-*")):
        return "there is no kernel for the guest; bin/test-machines fetches one"
    return None


@dataclass
class Machine:
    """One machine with its disks. `folder` holds its images and its exchange folder."""

    folder: Path
    devices: list[str] = field(default_factory=list)

    @property
    def exchange(self) -> Path:
        return self.folder / "exchange"

    def disk(self, name: str, mebibytes: int) -> Path:
        """The image of a disk, made if it is not there."""
        path = self.folder / f"{name}.img"
        if not path.exists():
            path.touch()
            os.truncate(path, mebibytes << 20)
        return path

    def nvme(self, name: str, mebibytes: int) -> None:
        self._drive(name, mebibytes, "discard=unmap")
        self.devices += ["-device", f"nvme,serial={name},drive={name}"]

    def sata(self, name: str, mebibytes: int) -> None:
        self._drive(name, mebibytes)
        self.devices += ["-device", f"ide-hd,drive={name},bus=ide.0,serial={name},rotation_rate=7200"]

    def scsi(self, name: str, mebibytes: int) -> None:
        self._drive(name, mebibytes, "discard=unmap")
        self.devices += ["-device", "virtio-scsi-pci,id=vs", "-device", f"scsi-hd,bus=vs.0,drive={name},serial={name}"]

    def usb(self, name: str, mebibytes: int) -> None:
        self._drive(name, mebibytes)
        self.devices += ["-device", "qemu-xhci,id=x", "-device", f"usb-storage,bus=x.0,drive={name},serial={name}"]

    def sd(self, name: str, mebibytes: int) -> None:
        """An SD card; its size must be a power of two."""
        self._drive(name, mebibytes)
        self.devices += ["-device", "sdhci-pci", "-device", f"sd-card,drive={name}"]

    def run(self, script: str, *, timeout: float) -> float:
        """Start the machine, run `script` in it as root, wait until it is off. Returns seconds.

        Raises RuntimeError with what the console said when the script did not end, and TimeoutExpired.
        """
        self.exchange.mkdir(parents=True, exist_ok=True)
        for old in ("status.txt", "output.txt"):
            (self.exchange / old).unlink(missing_ok=True)
        (self.exchange / "script.sh").write_text(script)
        began = time.monotonic()
        done = subprocess.run(
            self._command(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
        took = time.monotonic() - began
        if not (self.exchange / "status.txt").exists():
            raise RuntimeError(f"The guest did not come to its end: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return took

    def output(self) -> str:
        """What the script printed."""
        return (self.exchange / "output.txt").read_text(errors="replace")

    def _drive(self, name: str, mebibytes: int, more: str = "") -> None:
        image = self.disk(name, mebibytes)
        options = f"file={image},if=none,id={name},format=raw,cache=writethrough"
        self.devices += ["-drive", ",".join(part for part in (options, more) if part)]

    def _command(self) -> list[str]:
        kernel = next(KERNEL.glob("boot/vmlinuz-*"))
        share = "security_model=none"
        return [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-m", "1536", "-smp", "2", "-machine", "q35",
            "-cpu", "max", "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot",
            "-smbios", "type=1,manufacturer=Sample,product=Laptop 14,serial=HOST-1",
            "-kernel", str(kernel), "-initrd", str(self._initrd(kernel.name.removeprefix("vmlinuz-"))),
            "-append", "console=ttyS0 quiet panic=1",
            "-virtfs", f"local,path=/,mount_tag=host,{share},readonly=on,multidevs=remap",
            "-virtfs", f"local,path={self.exchange},mount_tag=exchange,{share}",
            *self.devices,
        ]  # fmt: skip

    def _initrd(self, version: str) -> Path:
        """busybox, the modules in the order in which they are loaded, and the script above."""
        image, tree = self.folder / "initrd.gz", self.folder / "initrd"
        if image.exists():
            return image
        put_kernel_modules(tree, version, MODULES)
        (tree / "init").write_text(_INIT)
        (tree / "init").chmod(0o755)
        image.write_bytes(gzip.compress(pack(tree), 1))
        return image


def put_kernel_modules(tree: Path, version: str, wanted: Sequence[str]) -> None:
    """busybox, the modules with what they need, and the order to load them in, for an initrd under `tree`."""
    (tree / "bin").mkdir(parents=True)
    shutil.copy(str(find(_TOOLS[1])), tree / "bin/busybox")
    loads: list[str] = []
    for module in wanted:
        told = _output([str(find("modprobe")), "-d", str(KERNEL), "-S", version, "-D", module])
        for line in told.splitlines():
            if line.startswith("insmod ") and (path := line.split()[1]) not in loads:
                loads.append(path)
                shutil.copy(path, tree / Path(path).name)
    (tree / "modules").write_text("".join(f"/{Path(path).name}\n" for path in loads))


def pack(tree: Path) -> bytes:
    """The tree as the kernel unpacks it."""
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*"))) + "\n"
    words = ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"]
    return subprocess.run(words, input=names.encode(), capture_output=True, cwd=tree, check=True).stdout


def find(tool: str) -> str | None:
    return shutil.which(tool, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
