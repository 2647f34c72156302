"""What a market has issued, taken out of it as a stranger would take it: over HTTP, without an account.

Only the list of certificates comes from the database, because nobody publishes one. Everything lands in a folder:

    trust.json                  the trust file
    dids.json                   every DID document, as the site serves it
    bundles/<n>/<file>          the files of each bundle
    status/<n>.json             each status list that some document names
    vocab/<name>                the context and the schemas that the site publishes for its own words
    about.json                  {"now": …, "standing": {<n>: "accepted" or "revoked", as the site says}}

`vectors` fills such a folder from the test vectors that a verifier must accept, and those of revoked certificates.
"""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from ewaste.core.database import Database
from ewaste.core.sample import progress
from story.stage import Market
from tests.certificate import scene as s

FORMS = ("certificate", "accreditation", "work-order", "status-list")
PUBLISHED = ("context.jsonld", *(f"{form}.schema.json" for form in FORMS))
VOCABULARY = Path(__file__).parents[2] / "static" / "vocab" / "wipe" / "v1"
VECTORS = Path(__file__).parents[1] / "vectors"
# Whose certificate's place is set in its list, and whose accreditation's is. Only the log's dates tell that the last
# one stands all the same; other libraries know no such thing.
REVOKED = {"revoked": "revoked", "valid-witnessed-before-the-fraud": "accreditation revoked"}
FILL_SECONDS = 600
STANDING = """
select c.id, r.certificate_id is not null as revoked
from certificates c left join certificate_revocations r on r.certificate_id = c.id
order by c.accepted_at, c.id
"""


def wait_until_filled(stage: Market) -> None:
    """Wait until the sample market is whole. Raises `RuntimeError` with the market's words when it takes too long."""
    database = Database(stage.database_url("app"), pool_size=1)
    deadline = time.monotonic() + FILL_SECONDS
    try:
        while time.monotonic() < deadline:
            with database.reading() as session:
                told = progress(session)
            if told is not None and told.finished:
                return
            time.sleep(0.5)
    finally:
        database.close()
    raise RuntimeError("The sample market was not filled in time.\n" + stage.log())


def collect(stage: Market, folder: Path) -> int:
    """Fill `folder` with what the market issued; returns the number of bundles. Raises `httpx.HTTPError`."""
    engine = sa.create_engine(stage.database_url("app"))
    with engine.connect() as connection:
        rows = connection.execute(sa.text(STANDING)).all()
    engine.dispose()
    with httpx.Client(base_url=stage.url, timeout=60, trust_env=False) as http:
        _write(folder / "trust.json", _get(http, "/trust.json"))
        standing = {}
        for number, row in enumerate(rows):
            with zipfile.ZipFile(BytesIO(_get(http, f"/certificates/{row.id}/bundle.zip"))) as archive:
                for name in archive.namelist():
                    _write(folder / "bundles" / f"{number:03}" / name, archive.read(name))
            standing[f"{number:03}"] = "revoked" if row.revoked else "accepted"
        about = {"now": datetime.now(UTC).isoformat(), "standing": standing}
        _write(folder / "about.json", json.dumps(about).encode())
        dids = sorted({document["issuer"]["id"] for document in _documents(folder)})
        _write(folder / "dids.json", json.dumps([json.loads(_get(http, _did_path(did))) for did in dids]).encode())
        lists = sorted({entry["statusListCredential"] for entry in _entries(folder)})
        for number, address in enumerate(lists):
            # The list's address is the site's public one; this market runs on a port of its own.
            _write(folder / "status" / f"{number}.json", _get(http, httpx.URL(address).raw_path.decode()))
        for name in PUBLISHED:
            _write(folder / "vocab" / name, _get(http, f"/vocab/wipe/v1/{name}"))
    return len(rows)


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
    _write(folder / "dids.json", json.dumps(s.did_documents()).encode())
    _write(folder / "about.json", json.dumps({"now": now, "standing": chosen}).encode())
    for name in PUBLISHED:
        _write(folder / "vocab" / name, (VOCABULARY / name).read_bytes())
    return len(chosen)


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


def _get(http: httpx.Client, path: str) -> bytes:
    return http.get(path).raise_for_status().content


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
