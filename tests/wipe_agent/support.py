"""A little world for the agent's tests: an accreditor, a marketplace's keys, a station, and planted drives."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent import certificate as c
from wipe_agent import durable, jobs, keys, sync

ROOT = Path(__file__).resolve().parents[2]
PASSPHRASE = "correct horse battery"
ACCREDITOR, MARKET, CENTRE = "did:web:accreditor.example", "did:web:market.example", "did:web:centre.example"
METHOD = f"{CENTRE}#station-1"
SECRET = b"PLANTED SECRET: the diary of nobody, page %04d. "


def moment(hours: float = 0) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours)


@dataclass
class World:
    """The keys of the people around a station, and the orders they have signed."""

    training: bool = True
    kinds: tuple[str, ...] = ("hdd", "ssd", "nvme", "usb", "sd", "sim", "phone-storage")
    methods: tuple[str, ...] = ("clear", "purge", "destroy")
    accreditor: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    market: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    orders: list[dict[str, Any]] = field(default_factory=list)
    station_key: Any = None

    def trust(self) -> dict[str, Any]:
        parties = [
            {"name": name, "roles": [role], "didDocument": c.did_document(did, {f"{did}#1": key.public_key()})}
            for name, role, did, key in (
                ("Sample accreditor", "accreditor", ACCREDITOR, self.accreditor),
                ("Sample market", "marketplace", MARKET, self.market),
            )
        ]
        return c.trust_document(training=self.training, updated=moment(-1), parties=parties)

    def accreditation(self, *, since: float = -48, until: float = 48) -> dict[str, Any]:
        statement = c.accreditation_statement(
            accreditation_id=uuid.uuid4().urn,
            issuer_did=ACCREDITOR,
            issuer_name="Sample accreditor",
            valid_from=moment(since),
            valid_until=moment(until),
            training=self.training,
            centre_did=CENTRE,
            centre_name="Sample centre",
            methods=self.methods,
            media_kinds=self.kinds,
            keys={METHOD: self.station_key},
        )
        return c.issue(statement, self.accreditor, verification_method=f"{ACCREDITOR}#1", created=moment(since))

    def order(
        self,
        *media: dict[str, Any],
        code: str = "WO-1",
        since: float = -1,
        until: float = 24,
        training: bool | None = None,
        centre: str = CENTRE,
        host: str = "HOST-1",
        key: Ed25519PrivateKey | None = None,
    ) -> dict[str, Any]:
        """Sign a work order and put it where the station will fetch it."""
        statement = c.work_order_statement(
            work_order_id=uuid.uuid4().urn,
            issuer_did=MARKET,
            issuer_name="Sample market",
            valid_from=moment(since),
            valid_until=moment(until),
            training=self.training if training is None else training,
            device={
                "id": uuid.uuid4().urn,
                "code": f"D-{code}",
                "manufacturer": "Sample",
                "model": "Laptop 14",
                "serial": host,
            },
            custody_cycle=1,
            centre_did=centre,
            centre_name="Sample centre",
            media=media,
            challenge=c.new_challenge(),
            policy="sample-policy-1",
        )
        signed = c.issue(statement, key or self.market, verification_method=f"{MARKET}#1", created=moment(since))
        entry = {"code": code, "device_code": f"D-{code}", "document": json.dumps(signed)}
        self.orders = [one for one in self.orders if one["code"] != code] + [entry]
        return signed

    def answer(self, **accreditation: float) -> dict[str, Any]:
        dids = c.dids_document([party["didDocument"] for party in self.trust()["parties"]])
        return {
            "orders": self.orders,
            "accreditation": json.dumps(self.accreditation(**accreditation)),
            "dids": json.dumps(dids),
            "server_time": moment().isoformat(),
        }


def medium(serial: str = "DISK-0001", kind: str = "ssd", **more: Any) -> dict[str, Any]:
    return {"id": uuid.uuid4().urn, "kind": kind, "model": "Sample drive", "serial": serial, **more}


def enrolled(folder: Path, world: World) -> keys.Home:
    """A station that is enrolled and has fetched its orders' accreditation, without the network."""
    home = keys.Home(folder)
    home.prepare()
    key = keys.make_key(home, PASSPHRASE)
    world.station_key = key.public_key()
    durable.write_file(home.trust_file, c.canonical(world.trust()))
    keys.Station("http://127.0.0.1:1", "s1", METHOD, "c1", "Sample centre", "training", "2026-01-01T00:00:00Z").save(
        home
    )
    return home


def planted_image(path: Path, mebibytes: int = 4) -> Path:
    """A disk image with a real ext4 file system and planted files, sized in MiB."""
    files = path.parent / f"{path.name}-files"
    files.mkdir()
    (files / "diary.txt").write_bytes(b"".join(SECRET % page for page in range(2000)))
    (files / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\1" * 5000)
    (files / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF" + b"\2" * 5000)
    (files / "messages.sqlite").write_bytes(b"SQLite format 3\0" + b"\3" * 5000)
    path.write_bytes(b"")
    os.truncate(path, mebibytes << 20)
    tool = shutil.which("mke2fs", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if tool:
        subprocess.run([tool, "-q", "-F", "-t", "ext4", "-b", "1024", "-d", str(files), str(path)], check=True)
    else:  # Without e2fsprogs: the files on sectors, which is what a carver sees anyway.
        with path.open("r+b") as image:
            for number, file in enumerate(sorted(files.iterdir())):
                image.seek((number + 1) * 512 * 1024)
                image.write(file.read_bytes())
    with path.open("r+b") as image:
        image.seek((mebibytes << 20) - 4096)
        image.write((SECRET % 9999) * 80)
    return path


def planted_left(path: Path) -> int:
    """An independent reader: how many times planted content stands on the raw image, at any place."""
    data = path.read_bytes()
    return sum(
        data.count(mark) for mark in (b"PLANTED SECRET", b"SQLite format 3", b"\x89PNG\r\n", b"JFIF", b"diary.txt")
    )


def agent(*words: str, home: Path, check: bool = False, program: list[str] | None = None, **environment: str) -> Any:
    """Run the agent as a process of its own, as an operator does."""
    return subprocess.run(
        [*(program or [sys.executable, "-m", "wipe_agent"]), *words],
        cwd=ROOT,
        env={
            **os.environ,
            "WIPE_AGENT_HOME": str(home),
            "WIPE_AGENT_PASSPHRASE": PASSPHRASE,
            "WIPE_AGENT_OPERATOR": "Ada",
            **environment,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=check,
    )


def keep(home: keys.Home, world: World, **accreditation: float) -> None:
    """The station receives its orders."""
    _, refused = jobs.keep_orders(home, world.answer(**accreditation))
    assert refused == []


def send(home: keys.Home, **more: Any) -> sync.Synced:
    return sync.send(home, open_key(home), wait=lambda seconds: None, **more)


_OPENED: dict[bytes, Any] = {}


def open_key(home: keys.Home) -> Any:
    """The station's key, opened once: the passphrase is made slow to try, on purpose."""
    locked = home.key_file.read_bytes()
    if locked not in _OPENED:
        _OPENED[locked] = keys.load_key(home, PASSPHRASE)
    return _OPENED[locked]
