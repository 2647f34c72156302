"""What somebody else was shown of a log: a checkpoint, a log proof, or a whole bundle with one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wipe_agent.certificate import Bundle, digest_multibase, read
from wipe_agent.certificate.bundle import read_file
from wipe_agent.certificate.log import Leaf, LogProof
from wipe_agent.certificate.log.proof import HEADER
from wipe_agent.certificate.strict import MAX_BYTES
from wipe_agent.certificate.times import read_time
from wipe_agent.certificate.vocabulary import ACCREDITATION_FILE, CERTIFICATE_FILE, LOG_PROOF_FILE
from wipe_agent.errors import Unreadable


@dataclass(frozen=True)
class Shown:
    """A signed checkpoint; with a bundle also the proof, the certificate's entry and its date (UTC), and the digest of
    the accreditation that it stands on.

    Only what concerns the log is looked at: whether the certificate itself holds is the business of `verify`.
    """

    name: str
    checkpoint: bytes
    proof: LogProof | None = None
    leaf: Leaf | None = None
    dated: datetime | None = None
    accreditation: str | None = None


def shown(path: Path) -> Shown:
    """Read a bundle (folder or .zip), a log proof or a checkpoint. Raises Unreadable."""
    try:
        if path.is_dir() or path.suffix == ".zip":
            return _of_bundle(path)
        data = read_file(path.resolve(), MAX_BYTES, f"{path}")
        if not data.startswith(HEADER.encode()):
            return Shown(str(path), data)
        proof = LogProof.parse(data)
        return Shown(str(path), proof.checkpoint, proof)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise Unreadable(f"{path} cannot be compared with the log ({error}).", next_step="Check the path.") from error


def _of_bundle(path: Path) -> Shown:
    files = Bundle.load(path).files
    if LOG_PROOF_FILE not in files:
        raise ValueError(f"it has no {LOG_PROOF_FILE}")
    proof = LogProof.parse(files[LOG_PROOF_FILE])
    certificate = read(files[CERTIFICATE_FILE], what="certificate")
    leaf = Leaf("wipe-certificate", certificate["issuer"]["id"], digest_multibase(certificate))
    accreditation = read(files[ACCREDITATION_FILE], what="accreditation") if ACCREDITATION_FILE in files else None
    granted = None if accreditation is None else digest_multibase(accreditation)
    return Shown(str(path), proof.checkpoint, proof, leaf, read_time(certificate["validFrom"]), granted)
