"""What the log holds: leaves that name a document by its digest, and say what it is and whose.

A leaf is the canonical JSON of `v`, `kind`, `issuer` and `digestMultibase`. No serial number, name or
place is in it: who has the document finds its leaf, and nobody else learns anything about a device.
"""

from dataclasses import dataclass
from typing import Final

from wipe_agent.certificate.log.merkle import leaf_hash
from wipe_agent.certificate.shape import did, digest, exactly, misshapen, one_of, thing
from wipe_agent.certificate.strict import Unreadable, canonical, read

KINDS: Final = ("wipe-started", "wipe-certificate", "revocation", "key", "accreditation", "custody-head")
MAX_LEAF_BYTES: Final = 1024

_SHAPE: Final = thing({"v": exactly(1), "kind": one_of(*KINDS), "issuer": did, "digestMultibase": digest})


@dataclass(frozen=True, slots=True)
class Leaf:
    """One entry: the kind (of `KINDS`), the issuer's DID, and the digest of the document (multibase)."""

    kind: str
    issuer: str
    digest: str

    @classmethod
    def parse(cls, data: bytes) -> "Leaf":
        """Read the data of a leaf. Raises Unreadable: also for any spelling but the canonical one."""
        if len(data) > MAX_LEAF_BYTES:
            raise Unreadable(f"The leaf has {len(data)} bytes. More than {MAX_LEAF_BYTES} are not read.")
        document = read(data, what="leaf")
        if (problem := _SHAPE(document)) is not None:
            raise Unreadable(misshapen("leaf", problem))
        if type(document["v"]) is not int or canonical(document) != data:
            raise Unreadable("The leaf is not in its canonical form.")
        return cls(document["kind"], document["issuer"], document["digestMultibase"])

    @property
    def data(self) -> bytes:
        """The bytes that the log holds. ValueError for what could not be read again."""
        data = canonical({"v": 1, "kind": self.kind, "issuer": self.issuer, "digestMultibase": self.digest})
        if Leaf.parse(data) != self:
            raise ValueError("The leaf would be read differently.")
        return data

    @property
    def hash(self) -> bytes:
        """The leaf's hash in the tree."""
        return leaf_hash(self.data)
