"""A certificate bundle: a folder, or a `.zip` of it, with the certificate and what it stands on.

Reading is bounded before anything is believed: only known names are opened, each up to its limit,
and a `.zip` is inflated no further than that. Other names are left alone and reported. Nothing is
parsed here.
"""

import os
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from wipe_agent.certificate import archive
from wipe_agent.certificate import vocabulary as v
from wipe_agent.certificate.strict import MAX_BYTES, Unreadable, canonical

LIMITS: Final[Mapping[str, int]] = {
    v.CERTIFICATE_FILE: MAX_BYTES,
    v.ACCREDITATION_FILE: MAX_BYTES,
    v.WORK_ORDER_FILE: MAX_BYTES,
    v.DIDS_FILE: MAX_BYTES,
    v.LOG_PROOF_FILE: MAX_BYTES,
    v.STATUS_FILE: MAX_BYTES,
    v.ACCREDITATION_STATUS_FILE: MAX_BYTES,
    v.JWT_FILE: 2 * MAX_BYTES,
}
"""The file names of a bundle and the most bytes each may have. Others are ignored."""

MAX_ARCHIVE_BYTES: Final = 1_048_576
MAX_ENTRIES: Final = 64


@dataclass(frozen=True)
class Bundle:
    """The files of a bundle as bytes, and the names that were left alone."""

    files: Mapping[str, bytes]
    ignored: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: Path) -> "Bundle":
        """Read a folder or a .zip. Raises Unreadable with the reason, also for files that cannot be opened."""
        try:
            if path.is_dir():
                return _checked(_from_folder(path))
            return _checked(_from_archive(read_file(path.resolve(), MAX_ARCHIVE_BYTES, path.name)))
        except Unreadable:
            raise
        except OSError as error:
            raise Unreadable(f"{path} cannot be read: {error.strerror or error}.") from None
        except (RuntimeError, ValueError) as error:  # links in a circle, or a name that no file can have
            raise Unreadable(f"{str(path)!r} cannot be read: {error}.") from None

    @classmethod
    def from_zip(cls, data: bytes) -> "Bundle":
        """A bundle from the bytes of a .zip, as an upload brings them. Raises Unreadable."""
        if len(data) > MAX_ARCHIVE_BYTES:
            raise Unreadable(f"The .zip has more than {MAX_ARCHIVE_BYTES} bytes. It is not read.")
        return _checked(_from_archive(data))

    @classmethod
    def from_files(cls, files: Mapping[str, bytes | str]) -> "Bundle":
        """A bundle from file names and contents, as an API receives them. Raises Unreadable."""
        if len(files) > MAX_ENTRIES:
            raise Unreadable(f"The bundle has {len(files)} files. More than {MAX_ENTRIES} are not read.")
        known: dict[str, bytes] = {}
        for name, content in files.items():
            if name in LIMITS:
                known[name] = _encoded(name, content)
                if len(known[name]) > LIMITS[name]:
                    raise _too_large(name)
        return _checked(cls(known, tuple(sorted(name for name in files if name not in LIMITS))))

    @classmethod
    def of(
        cls,
        *,
        certificate: Mapping[str, Any],
        accreditation: Mapping[str, Any],
        work_order: Mapping[str, Any],
        dids: Mapping[str, Any] | None = None,
        jwt: str | None = None,
    ) -> "Bundle":
        """A bundle of signed documents, written in canonical form: a file's SHA-256 is its digest.

        `jwt` is the certificate once more, enveloped (`certificate.jwt`).
        """
        documents = {
            v.CERTIFICATE_FILE: certificate,
            v.ACCREDITATION_FILE: accreditation,
            v.WORK_ORDER_FILE: work_order,
        }
        if dids is not None:
            documents[v.DIDS_FILE] = dids
        files: dict[str, bytes | str] = {name: canonical(document) for name, document in documents.items()}
        if jwt is not None:
            files[v.JWT_FILE] = jwt
        return cls.from_files(files)

    def completed(
        self,
        *,
        log_proof: str | None = None,
        status: str | None = None,
        accreditation_status: str | None = None,
    ) -> "Bundle":
        """The same bundle with what came after the signing: the proof from the log, the status lists of today.

        What is None stays as it is in this bundle. Raises Unreadable for what no bundle may hold.
        """
        later = {
            v.LOG_PROOF_FILE: log_proof,
            v.STATUS_FILE: status,
            v.ACCREDITATION_STATUS_FILE: accreditation_status,
        }
        added = {name: content for name, content in later.items() if content is not None}
        completed = Bundle.from_files({**self.files, **added})
        return Bundle(completed.files, self.ignored)

    def write(self, path: Path) -> None:
        """Write a folder, or a .zip if the name ends so. Each file appears whole, the certificate last."""
        if path.suffix != ".zip":
            path.mkdir(parents=True, exist_ok=True)
            for name in self._names():
                _write_whole(path / name, self.files[name])
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(path, self.to_zip())

    def to_zip(self) -> bytes:
        """The bundle as a .zip. The same bundle is the same archive, byte for byte: its dates are fixed."""
        written = BytesIO()
        with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as writer:
            for name in self._names():
                writer.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), self.files[name], zipfile.ZIP_DEFLATED)
        return written.getvalue()

    def _names(self) -> list[str]:
        return sorted(self.files, key=lambda name: (name == v.CERTIFICATE_FILE, name))


def _checked(bundle: Bundle) -> Bundle:
    if v.CERTIFICATE_FILE not in bundle.files:
        raise Unreadable(f"There is no {v.CERTIFICATE_FILE}. Is this a certificate bundle?")
    return bundle


def _too_large(name: str) -> Unreadable:
    return Unreadable(f"{name} has more than {LIMITS[name]} bytes. It is not read.")


def _encoded(name: str, content: bytes | str) -> bytes:
    if isinstance(content, bytes):
        return content
    if not isinstance(content, str):
        raise Unreadable(f"{name} is not text.")
    try:
        return content.encode("utf-8")
    except UnicodeEncodeError:
        raise Unreadable(f"{name} has half a character (a lone surrogate).") from None


def _from_folder(folder: Path) -> Bundle:
    known: dict[str, bytes] = {}
    ignored: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in LIMITS:
                known[entry.name] = read_file(Path(entry.path), LIMITS[entry.name], entry.name)
            elif len(ignored) < MAX_ENTRIES:
                ignored.append(entry.name)
    return Bundle(known, tuple(sorted(ignored)))


def read_file(path: Path, limit: int, name: str) -> bytes:
    """Read a regular file up to its limit. A link, pipe or device could lead anywhere or never end.

    Raises Unreadable, naming the file `name`, or OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unreadable(f"{name} is not an ordinary file.")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise Unreadable(f"{name} has more than {limit} bytes. It is not read.")
    return content


def _from_archive(data: bytes) -> Bundle:
    entries = archive.directory(data)
    if len(entries) > MAX_ENTRIES:
        raise Unreadable(f"The .zip has {len(entries)} files. More than {MAX_ENTRIES} are not read.")
    folder = _folder_of([entry.name for entry in entries])
    known: dict[str, bytes] = {}
    ignored: list[str] = []
    for entry in entries:
        name = entry.name.removeprefix(folder)
        if name not in LIMITS:
            ignored.append(entry.name)
            continue
        if name in known:
            raise Unreadable(f"The .zip has {name} twice.")
        content = archive.content(data, entry, name, LIMITS[name])
        if content is None:
            raise _too_large(name)
        known[name] = content
    return Bundle(known, tuple(sorted(ignored)))


def _folder_of(names: list[str]) -> str:
    """A bundle may be zipped with its folder: then that one folder's name comes before the files'."""
    folders = {name.removesuffix(v.CERTIFICATE_FILE) for name in names if f"/{name}".endswith(f"/{v.CERTIFICATE_FILE}")}
    if len(folders) > 1:
        raise Unreadable("The .zip has more than one certificate.")
    return folders.pop() if folders else ""


def _write_whole(path: Path, content: bytes) -> None:
    """Write beside, flush to disk, then rename: a crash leaves the old file or the new one.

    The folder may be one that others write to as well. So the draft has a name that nobody can foresee, and is made
    anew or not at all: a link laid in its place is not written through.
    """
    beside = path.with_name(f".{token_hex(16)}.partial")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
