"""The format of the public log: an RFC 6962 tree with the checkpoints, proofs and tiles of C2SP.

Pure: no network, no clock, no storage. `merkle` computes and checks, `note` and `checkpoint` sign and read,
`leaf` says what an entry is, `proof` checks one entry offline, `tiles` says how a log is published as files,
`submission` how a witness is asked. Whatever is read is read strictly and bounded: `Unreadable` when it is
not written as agreed, `LogRefused` when it does not hold. docs/spec/log.md describes the bytes.
"""

from wipe_agent.certificate.log.checkpoint import Checkpoint, Seen, cosign, cosigned_at, open_checkpoint
from wipe_agent.certificate.log.leaf import KINDS, Leaf
from wipe_agent.certificate.log.lines import LogRefused
from wipe_agent.certificate.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    HashReader,
    Node,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from wipe_agent.certificate.log.note import COSIGNATURE, ED25519, Note, Signature, VerifierKey
from wipe_agent.certificate.log.proof import LogProof, Proven, verify_proof
from wipe_agent.certificate.log.submission import Submission
from wipe_agent.certificate.log.tiles import Tile, read_entries, tile_reader, tiles_between, write_entries
from wipe_agent.certificate.strict import Unreadable

__all__ = [
    "COSIGNATURE",
    "ED25519",
    "EMPTY_ROOT",
    "KINDS",
    "Checkpoint",
    "Frontier",
    "HashReader",
    "Leaf",
    "LogProof",
    "LogRefused",
    "Node",
    "Note",
    "Proven",
    "Seen",
    "Signature",
    "Submission",
    "Tile",
    "Unreadable",
    "VerifierKey",
    "consistency_proof",
    "cosign",
    "cosigned_at",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "open_checkpoint",
    "read_entries",
    "root",
    "tile_reader",
    "tiles_between",
    "verify_consistency",
    "verify_inclusion",
    "verify_proof",
    "write_entries",
]
