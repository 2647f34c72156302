"""What a market has issued, taken out of it as a stranger would take it: over HTTP, without an account.

Only the list of certificates comes from the database, because nobody publishes one. Everything lands in a folder:

    trust.json                  the trust file
    dids.json                   every DID document, as the site serves it
    bundles/<n>/<file>          the files of each bundle, from before anything was revoked
    revoked/<n>/<file>          those of the revoked certificates, from after
    status/<n>.json             each status list that some document names, from after
    served/<name>               the context and the schemas that the site publishes for its own words
    vocab/<name>                the same as the tools use them: the files of this project
    log/checkpoints/<n>         the newest checkpoint from before, and from after
    log/tiles/<path>            the log's entries and hashes, up to the last of them
    log/proofs/<digest>         the proof of each entry whose document is no work order
    log/statements/<digest>     each small document that the log names and the site publishes
    log/growth.json             [{"old": …, "size": …, "path": [hex, …]}]: what a station makes of these tiles
    about.json                  {"now": …, "standing": {<n>: "accepted" or "revoked"}, "published": {<name>: headers}}

`vectors` fills such a folder from the test vectors that a verifier must accept, and those of revoked certificates.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import sqlalchemy as sa

from story.stage import Market
from tests.certificate import scene as s
from wipe_agent.certificate import log

FORMS = ("certificate", "accreditation", "work-order", "status-list")
PUBLISHED = ("context.jsonld", *(f"{form}.schema.json" for form in FORMS))
VOCABULARY = Path(__file__).parents[2] / "static" / "vocab" / "wipe" / "v1"
VECTORS = Path(__file__).parents[1] / "vectors"
# Whose certificate's place is set in its list, and whose accreditation's is. Only the log's dates tell that the last
# one stands all the same; other libraries know no such thing.
REVOKED = {"revoked": "revoked", "valid-witnessed-before-the-fraud": "accreditation revoked"}
ISSUED = "select id from certificates order by accepted_at, id"


class Stranger:
    """Somebody without an account who takes out what a market issued, into a folder."""

    def __init__(self, stage: Market, folder: Path) -> None:
        self.folder = folder
        self._http = httpx.Client(base_url=stage.url, timeout=60, trust_env=False)
        engine = sa.create_engine(stage.database_url("app"))
        with engine.connect() as connection:
            self.certificates: list[UUID] = list(connection.scalars(sa.text(ISSUED)))
        engine.dispose()

    def __enter__(self) -> Stranger:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def before(self) -> None:
        """Take every bundle and the newest checkpoint, before anything is revoked."""
        for number, certificate in enumerate(self.certificates):
            self._bundle("bundles", number, certificate)
        self._checkpoint("before")

    def after(self, revoked: Sequence[UUID]) -> None:
        """Take everything else, after these were revoked. Raises `httpx.HTTPError`."""
        self._keep("/trust.json", "trust.json")
        for number, certificate in enumerate(self.certificates):
            if certificate in revoked:
                self._bundle("revoked", number, certificate)
        dids = sorted({document["issuer"]["id"] for document in _documents(self.folder)})
        _write(self.folder / "dids.json", json.dumps([json.loads(self._get(_did_path(did))) for did in dids]).encode())
        for number, address in enumerate(sorted({each["statusListCredential"] for each in _entries(self.folder)})):
            # The list's address is the site's public one; this market runs on a port of its own.
            self._keep(httpx.URL(address).raw_path.decode(), f"status/{number}.json")
        headers = {}
        for name in PUBLISHED:
            answer = self._http.get(f"/vocab/wipe/v1/{name}").raise_for_status()
            headers[name] = dict(answer.headers)
            _write(self.folder / "served" / name, answer.content)
        _vocabulary(self.folder)
        self._log()
        about = {
            "now": datetime.now(UTC).isoformat(),
            "standing": {
                f"{number:03}": "revoked" if certificate in revoked else "accepted"
                for number, certificate in enumerate(self.certificates)
            },
            "published": headers,
        }
        _write(self.folder / "about.json", json.dumps(about).encode())

    def _bundle(self, where: str, number: int, certificate: UUID) -> None:
        with zipfile.ZipFile(BytesIO(self._get(f"/certificates/{certificate}/bundle.zip"))) as archive:
            for name in archive.namelist():
                _write(self.folder / where / f"{number:03}" / name, archive.read(name))

    def _checkpoint(self, name: str) -> bytes:
        """The newest checkpoint."""
        note = self._get("/log/checkpoint")
        _write(self.folder / "log/checkpoints" / name, note)
        return note

    def _log(self) -> None:
        size = _size(self._checkpoint("after"))
        tiles: dict[log.Tile, bytes] = {}
        for tile in log.tiles_between(0, size):
            tiles[tile] = self._get(f"/log/{tile.path}")
            _write(self.folder / "log/tiles" / tile.path, tiles[tile])
        for tile, content in tiles.items():
            for entry in log.read_entries(content, tile.width) if tile.path.startswith("tile/entries/") else ():
                leaf = log.Leaf.parse(entry)
                if leaf.kind != "wipe-started":
                    self._keep(f"/log/proof/{leaf.digest}", f"log/proofs/{leaf.digest}")
                    self._keep(f"/log/statement/{leaf.digest}", f"log/statements/{leaf.digest}", maybe=True)
        (self.folder / "log/statements").mkdir(exist_ok=True)
        proofs = [*self.folder.glob("bundles/*/log-proof.txt"), *self.folder.glob("log/proofs/*")]
        notes = [path.read_bytes().split(b"\n\n", 1)[1] for path in proofs]
        notes += [path.read_bytes() for path in self.folder.glob("log/checkpoints/*")]
        read = log.tile_reader(size, tiles.__getitem__)
        growth = [
            {"old": old, "size": size, "path": [each.hex() for each in log.consistency_proof(old, size, read)]}
            for old, size in pairwise(sorted({_size(note) for note in notes}))
        ]
        _write(self.folder / "log/growth.json", json.dumps(growth).encode())

    def _keep(self, path: str, name: str, *, maybe: bool = False) -> None:
        """Fetch something into the folder; `maybe`: unless it is not there."""
        answer = self._http.get(path)
        if not (maybe and answer.status_code == 404):
            _write(self.folder / name, answer.raise_for_status().content)

    def _get(self, path: str) -> bytes:
        return self._http.get(path).raise_for_status().content


def vectors(folder: Path) -> int:
    """Fill `folder` with the bundles of test vectors that belong to one time; returns their number."""
    manifest = json.loads((VECTORS / "manifest.json").read_bytes())
    now = f"{s.AT:%Y-%m-%dT%H:%M:%SZ}"
    chosen = {each["path"]: "accepted" for each in manifest if each["fails"] is None and each["at"] == now}
    chosen |= REVOKED
    for name in [name for name in chosen if name.endswith(".zip")]:
        del chosen[name]
    for name in chosen:
        for path in (VECTORS / name).iterdir():
            _write(folder / "bundles" / name / path.name, path.read_bytes())
    # As they are after accreditor and marketplace changed their keys: the old ones are listed too.
    changed = [party["didDocument"] for party in s.trust_with_new_keys()["parties"]]
    documents = {document["id"]: document for document in (*s.did_documents(), *changed)}
    _write(folder / "dids.json", json.dumps(list(documents.values())).encode())
    _write(folder / "about.json", json.dumps({"now": now, "standing": chosen}).encode())
    _vocabulary(folder)
    return len(chosen)


def _vocabulary(folder: Path) -> None:
    """The context and the schemas that the tools use: the files of this project."""
    for name in PUBLISHED:
        _write(folder / "vocab" / name, (VOCABULARY / name).read_bytes())


def _size(note: bytes) -> int:
    """The size that a checkpoint tells."""
    return int(note.split(b"\n")[1])


def _did_path(did: str) -> str:
    """Where a site serves a did:web (the method's specification: the colons after the host are the path)."""
    path = did.removeprefix("did:web:").split(":")[1:]
    return f"/{'/'.join(path) or '.well-known'}/did.json"


def _documents(folder: Path) -> Iterator[dict[str, Any]]:
    """Every signed document of the bundles that were collected."""
    for name in ("certificate", "accreditation", "work-order"):
        for path in sorted(folder.glob(f"bundles/*/{name}.json")):
            yield json.loads(path.read_bytes())


def _entries(folder: Path) -> Iterator[dict[str, Any]]:
    """Every `credentialStatus` in them."""
    return (document["credentialStatus"] for document in _documents(folder) if "credentialStatus" in document)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
