"""One drive, held open for the work: bytes on, bytes off, and is it still the same.

Whole blocks go past the page cache (O_DIRECT) where the system lets us, so that what is read back comes
from the drive. A tail that is no whole block (image files only) goes through the cache, which is synced
and dropped before it is read back.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
from pathlib import Path

from wipe_agent.errors import DeviceChanged, NotADrive, TargetBusy, TargetRefused
from wipe_agent.media import drives
from wipe_agent.media.identity import Identity

ALIGN = 4096


def buffer(size: int) -> memoryview:
    """Zeroed memory on a page boundary, as O_DIRECT wants it."""
    return memoryview(mmap.mmap(-1, size))


def open_target(path: Path, *, image: bool, write: bool = True) -> Target:
    """Take hold of the drive or image at `path`.

    Raises NotADrive (a folder, a terminal, a file without `image`), TargetRefused (mounted, system, read-only)
    or TargetBusy. Nothing is changed by opening.
    """
    try:
        facts = os.stat(path)
    except OSError as error:
        raise NotADrive(f"{path} cannot be found ({error.strerror}).") from error
    if stat.S_ISBLK(facts.st_mode):
        if image:
            raise NotADrive(f"{path} is a drive, not an image file.", next_step="Leave out --image.")
        return _open_block(Path(os.path.realpath(path)), write)
    if not stat.S_ISREG(facts.st_mode):
        raise NotADrive(f"{path} is {_kind_of(facts)}, not a drive.")
    if not image:
        raise NotADrive(f"{path} is a file, not a drive.", next_step="If it is a practice image, add --image.")
    return _open_image(Path(os.path.realpath(path)), write)


class Target:
    """An open drive. `size` in bytes; `direct` says whether whole blocks go past the page cache."""

    def __init__(self, path: Path, identity: Identity, cached: int, direct: int | None) -> None:
        self.path = path
        self.identity = identity
        self.size = identity.size
        self._cached = cached
        self._direct = direct
        self._handles = [handle for handle in (direct, cached) if handle is not None]
        self._sequence = _disk_sequence(path)

    @property
    def direct(self) -> bool:
        return self._direct is not None

    def write(self, data: memoryview, offset: int) -> None:
        """Write all of `data` at `offset`. Raises OSError."""
        while data:
            handle = self._handle_for(data, offset)
            try:
                done = os.pwrite(handle, data, offset)
            except OSError as error:
                if error.errno == errno.EINVAL and handle != self._cached:
                    self._go_cached()
                    continue
                raise
            data, offset = data[done:], offset + done

    def read_into(self, data: memoryview, offset: int) -> None:
        """Fill `data` from `offset`. Raises OSError; a drive that ends early is an OSError too."""
        while data:
            handle = self._handle_for(data, offset)
            if handle == self._cached:
                os.posix_fadvise(handle, offset, len(data), os.POSIX_FADV_DONTNEED)
            try:
                done = os.preadv(handle, [data], offset)
            except OSError as error:
                if error.errno == errno.EINVAL and handle != self._cached:
                    self._go_cached()
                    continue
                raise
            if done == 0:
                raise OSError(errno.EIO, "the drive ends early")
            data, offset = data[done:], offset + done

    def sync(self) -> None:
        """Everything written so far is on the medium, through the drive's own cache. Raises OSError.

        A failure is final for the attempt: after it the kernel may have dropped the pages, and a second
        call that succeeds would prove nothing (PostgreSQL learnt this in 2018).
        """
        os.fdatasync(self._cached)

    def forget(self) -> None:
        """Drop what the page cache holds of the drive: after a command of the drive's own it is out of date."""
        os.posix_fadvise(self._cached, 0, 0, os.POSIX_FADV_DONTNEED)

    def check_same(self) -> None:
        """Raises DeviceChanged if the drive was swapped, cut, or replaced under the work."""
        if self.identity.target == "image":
            held = os.fstat(self._cached)
            if held.st_size != self.size:
                raise DeviceChanged(f"{self.path} was cut or grew: it had {self.size} bytes and has {held.st_size}.")
            try:
                named = os.stat(self.path)
            except OSError as error:
                raise DeviceChanged(f"{self.path} has gone while it was being worked on.") from error
            if (named.st_dev, named.st_ino) != (held.st_dev, held.st_ino):
                raise DeviceChanged(f"Another file lies at {self.path} than the one the work began on.")
            return
        size = os.lseek(self._cached, 0, os.SEEK_END)
        if size != self.size:
            raise DeviceChanged(f"{self.path} had {self.size} bytes and now has {size}.")
        behind = drives.loop_file(self.path.name)
        if behind is not None and behind.st_size < self.size:
            raise DeviceChanged(f"The file behind {self.path} was cut to {behind.st_size} bytes.")
        if _disk_sequence(self.path) != self._sequence:
            raise DeviceChanged(f"{self.path} was disconnected, or another drive took its name.")

    def close(self) -> None:
        for handle in self._handles:
            os.close(handle)

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _handle_for(self, data: memoryview, offset: int) -> int:
        whole = offset % ALIGN == 0 and len(data) % ALIGN == 0
        return self._direct if self._direct is not None and whole else self._cached

    def _go_cached(self) -> None:
        """The file system takes O_DIRECT at opening and refuses it at work: go on through the cache.

        The handle stays open until the end: another thread may be writing through it at this moment.
        """
        self._direct = None


def _open_block(path: Path, write: bool) -> Target:
    drive = drives.list_drives(path=str(path))[0]
    if drive.refusals:
        raise TargetRefused(f"{path} is not touched: {'; '.join(drive.refusals)}.")
    mode = os.O_RDWR if write else os.O_RDONLY
    # O_EXCL on a block device is refused by the kernel while anything has it mounted or claimed.
    cached = _open(path, mode | os.O_EXCL)
    return Target(path, drive.identity, cached, _direct_to_the_same(path, mode, cached))


def _open_image(path: Path, write: bool) -> Target:
    image = drives.describe_image(path)
    if image.refusals:
        raise TargetRefused(f"{path} is not touched: {'; '.join(image.refusals)}.")
    mode = os.O_RDWR if write else os.O_RDONLY
    cached = _open(path, mode)
    try:
        fcntl.flock(cached, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(cached)
        raise TargetBusy(f"Another program works on {path}.") from error
    return Target(path, drives.image_identity(os.fstat(cached)), cached, _direct_to_the_same(path, mode, cached))


def _open(path: Path, mode: int) -> int:
    try:
        return os.open(path, mode | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise TargetBusy(f"{path} is in use: something has mounted or claimed it.") from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise TargetRefused(
                f"{path} may not be opened by this user.", next_step="Run the agent as root, or own the image file."
            ) from error
        raise TargetRefused(f"{path} cannot be opened ({error.strerror}).") from error


def _direct_to_the_same(path: Path, mode: int, cached: int) -> int | None:
    """A second handle, past the page cache. Raises DeviceChanged if the name leads elsewhere by now."""
    direct = _open_direct(path, mode)
    if direct is not None and _place(direct) != _place(cached):
        os.close(direct)
        os.close(cached)
        raise DeviceChanged(f"Another drive or file took the name {path} while it was being opened.")
    return direct


def _place(handle: int) -> tuple[int, int, int]:
    facts = os.fstat(handle)
    return facts.st_dev, facts.st_ino, facts.st_rdev


def _open_direct(path: Path, mode: int) -> int | None:
    try:
        return os.open(path, mode | os.O_DIRECT | os.O_CLOEXEC)
    except OSError:
        return None


def _disk_sequence(path: Path) -> str | None:
    """A number that the kernel raises whenever a disk appears (Linux 5.15); a swapped drive has another."""
    try:
        return (drives.SYS / "class/block" / path.name / "diskseq").read_text()
    except OSError:
        return None


def _kind_of(facts: os.stat_result) -> str:
    if stat.S_ISDIR(facts.st_mode):
        return "a folder"
    if stat.S_ISCHR(facts.st_mode):
        return "a character device"
    return "a pipe or socket"
