"""The tables of the log. All are append-only; the numbers of leaves are given by the database (`log_sequence`)."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ewaste.core.database import Base


class LogEntry(Base):
    """What a step appended. `leaf` is its hash in the tree, and the same leaf is there once."""

    __tablename__ = "log_entries"
    __table_args__ = (
        sa.CheckConstraint("leaf = sha256('\\x00'::bytea || data)", name="leaf_of_data"),
        sa.CheckConstraint("octet_length(data) between 1 and 2048", name="data"),
        sa.CheckConstraint(
            "kind in ('wipe-started', 'wipe-certificate', 'revocation', 'key', 'accreditation', 'custody-head')",
            name="kind",
        ),
    )

    leaf: Mapped[bytes] = mapped_column(primary_key=True)
    entered: Mapped[int] = mapped_column(sa.Identity(), unique=True)
    kind: Mapped[str]
    issuer: Mapped[str]
    digest: Mapped[str] = mapped_column(index=True)
    data: Mapped[bytes]
    at: Mapped[datetime]


class LogWaiting(Base):
    """An entry without a number yet. Written by the database alone."""

    __tablename__ = "log_waiting"

    leaf: Mapped[bytes] = mapped_column(sa.ForeignKey("log_entries.leaf"), primary_key=True)
    entered: Mapped[int] = mapped_column(index=True)


class LogLeaf(Base):
    """An entry with its number, counted from zero without a gap. Written by the database alone."""

    __tablename__ = "log_leaves"
    __table_args__ = (sa.CheckConstraint("index >= 0", name="index"),)

    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    leaf: Mapped[bytes] = mapped_column(sa.ForeignKey("log_entries.leaf"), unique=True)


class LogTile(Base):
    """A full tile: 256 hashes of `level` (in steps of eight), and the hash over them all."""

    __tablename__ = "log_tiles"
    __table_args__ = (
        sa.CheckConstraint("level between 0 and 7 and number >= 0", name="place"),
        sa.CheckConstraint("octet_length(hashes) = 8192 and octet_length(root) = 32", name="full"),
    )

    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hashes: Mapped[bytes]
    root: Mapped[bytes]


class LogHead(Base):
    """How large the log was and what its root was, noted before the signer is asked."""

    __tablename__ = "log_heads"
    __table_args__ = (sa.CheckConstraint("size >= 1 and octet_length(root) = 32", name="whole"),)

    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    root: Mapped[bytes]
    at: Mapped[datetime]


class LogCheckpoint(Base):
    """A head with the log's signature, as it is published."""

    __tablename__ = "log_checkpoints"
    __table_args__ = (sa.CheckConstraint("length(note) between 1 and 8192", name="note"),)

    size: Mapped[int] = mapped_column(sa.ForeignKey("log_heads.size"), primary_key=True, autoincrement=False)
    note: Mapped[str]
    at: Mapped[datetime]


class LogCosignature(Base):
    """What a witness signed of a checkpoint: its line, the first that came. `witness` is its vkey."""

    __tablename__ = "log_cosignatures"
    __table_args__ = (
        sa.CheckConstraint("length(line) between 1 and 1024", name="line"),
        sa.Index("ix_log_cosignatures_witness", "witness", "size"),
    )

    size: Mapped[int] = mapped_column(sa.ForeignKey("log_checkpoints.size"), primary_key=True, autoincrement=False)
    witness: Mapped[str] = mapped_column(primary_key=True)
    line: Mapped[str]
    signed_at: Mapped[datetime]
    received_at: Mapped[datetime]


class LogStatement(Base):
    """A small document of ours that a leaf names by its digest, in canonical form. Public."""

    __tablename__ = "log_statements"
    __table_args__ = (sa.CheckConstraint("length(document) between 2 and 8192", name="document"),)

    digest: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[str]
    at: Mapped[datetime]
