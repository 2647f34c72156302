"""The transparency log: entries, leaves with their numbers, tiles, heads, checkpoints, cosignatures, statements"""

import hashlib
import json
from datetime import UTC

import sqlalchemy as sa
from alembic import op

from ewaste.migrations.upgrade import execute, statements

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

KINDS = ("wipe-started", "wipe-certificate", "revocation", "key", "accreditation", "custody-head")


def upgrade() -> None:
    """The log, and in it what happened before there was one, dated by now: nothing can be dated back, by us neither."""
    op.create_table(
        "log_entries",
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("entered", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("leaf = sha256('\\x00'::bytea || data)", name=op.f("ck_log_entries_leaf_of_data")),
        sa.CheckConstraint("octet_length(data) between 1 and 2048", name=op.f("ck_log_entries_data")),
        sa.CheckConstraint(f"kind in {KINDS}", name=op.f("ck_log_entries_kind")),
        sa.PrimaryKeyConstraint("leaf", name=op.f("pk_log_entries")),
        sa.UniqueConstraint("entered", name=op.f("uq_log_entries_entered")),
    )
    op.create_index(op.f("ix_log_entries_digest"), "log_entries", ["digest"])
    op.create_table(
        "log_waiting",
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("entered", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["leaf"], ["log_entries.leaf"], name=op.f("fk_log_waiting_leaf")),
        sa.PrimaryKeyConstraint("leaf", name=op.f("pk_log_waiting")),
    )
    op.create_index(op.f("ix_log_waiting_entered"), "log_waiting", ["entered"])
    op.create_table(
        "log_leaves",
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("index >= 0", name=op.f("ck_log_leaves_index")),
        sa.ForeignKeyConstraint(["leaf"], ["log_entries.leaf"], name=op.f("fk_log_leaves_leaf")),
        sa.PrimaryKeyConstraint("index", name=op.f("pk_log_leaves")),
        sa.UniqueConstraint("leaf", name=op.f("uq_log_leaves_leaf")),
    )
    op.create_table(
        "log_tiles",
        sa.Column("level", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("level between 0 and 7 and number >= 0", name=op.f("ck_log_tiles_place")),
        sa.CheckConstraint("octet_length(hashes) = 8192 and octet_length(root) = 32", name=op.f("ck_log_tiles_full")),
        sa.PrimaryKeyConstraint("level", "number", name=op.f("pk_log_tiles")),
    )
    op.create_table(
        "log_heads",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("size >= 1 and octet_length(root) = 32", name=op.f("ck_log_heads_whole")),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_log_heads")),
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(note) between 1 and 8192", name=op.f("ck_log_checkpoints_note")),
        sa.ForeignKeyConstraint(["size"], ["log_heads.size"], name=op.f("fk_log_checkpoints_size")),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_log_checkpoints")),
    )
    op.create_table(
        "log_cosignatures",
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("witness", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(line) between 1 and 1024", name=op.f("ck_log_cosignatures_line")),
        sa.ForeignKeyConstraint(["size"], ["log_checkpoints.size"], name=op.f("fk_log_cosignatures_size")),
        sa.PrimaryKeyConstraint("size", "witness", name=op.f("pk_log_cosignatures")),
    )
    op.create_index("ix_log_cosignatures_witness", "log_cosignatures", ["witness", "size"])
    op.create_table(
        "log_statements",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(document) between 2 and 8192", name=op.f("ck_log_statements_document")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_log_statements")),
    )
    op.create_table(
        "custody_batches",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("devices", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("devices >= 1", name=op.f("ck_custody_batches_devices")),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_custody_batches")),
    )
    op.create_table(
        "custody_heads",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.CHAR(64), nullable=False),
        sa.ForeignKeyConstraint(["day"], ["custody_batches.day"], name=op.f("fk_custody_heads_day")),
        sa.PrimaryKeyConstraint("day", "device_id", name=op.f("pk_custody_heads")),
    )
    op.create_index("ix_custody_heads_device", "custody_heads", ["device_id", "seq"])
    execute(statements("0011_log.sql"))
    _append_the_past(op.get_bind())


def _append_the_past(bind: sa.Connection) -> None:
    """Every certificate that was accepted, and every revocation, as the steps append them since."""
    certificates = bind.execute(
        sa.text(
            "select c.digest, c.credential_id, o.did, r.reason, r.at from certificates c"
            " join centres o on o.organisation_id = c.centre_id"
            " left join certificate_revocations r on r.certificate_id = c.id order by c.accepted_at, c.id"
        )
    ).all()
    market = f"did:web:{bind.scalar(sa.text('select did_host from installation'))}"
    for digest, credential_id, centre, reason, at in certificates:
        _append(bind, "wipe-certificate", centre, digest)
        if at is None:
            continue
        text = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        said = {"v": 1, "type": "revocation", "certificate": digest, "certificateId": credential_id}
        document = _canonical(said | {"reason": reason, "at": text})
        named = _digest(document)
        bind.execute(
            sa.text(
                "insert into log_statements (digest, document, at) values (:digest, :document, now())"
                " on conflict do nothing"
            ),
            {"digest": named, "document": document.decode()},
        )
        _append(bind, "revocation", market, named)


def _append(bind: sa.Connection, kind: str, issuer: str, digest: str) -> None:
    data = _canonical({"v": 1, "kind": kind, "issuer": issuer, "digestMultibase": digest})
    bind.execute(
        sa.text(
            "insert into log_entries (leaf, kind, issuer, digest, data, at)"
            " values (:leaf, :kind, :issuer, :digest, :data, now()) on conflict do nothing"
        ),
        {
            "leaf": hashlib.sha256(b"\x00" + data).digest(),
            "kind": kind,
            "issuer": issuer,
            "digest": digest,
            "data": data,
        },
    )


def _canonical(document: dict[str, object]) -> bytes:
    """RFC 8785 for texts and small numbers under names in ASCII."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _digest(data: bytes) -> str:
    """The sha2-256 multihash in base58btc."""
    number = int.from_bytes(b"\x12\x20" + hashlib.sha256(data).digest(), "big")
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[digit] + text
    return "z" + text
