"""Make the test vectors: bundles that verify, and bundles that fail, each with its reason.

Keys and times are fixed, so the same program makes the same bytes. A vector that stands in tests/vectors is never
written again: other people's verifiers are tested with it. A new vector gets a new name.
"""

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from tests.certificate import claim_vectors, form_vectors, later_vectors
from tests.certificate import scene as s
from tests.certificate.changes import indented
from tests.certificate.scene import AT, DAY
from tests.certificate.vector import Vector

FOLDER = Path(__file__).parents[1] / "vectors"


def vectors() -> Iterator[Vector]:
    """Every vector, in the order of the manifest."""
    yield from claim_vectors.valid()
    yield from form_vectors.unread()
    yield from claim_vectors.false()
    yield from later_vectors.later()


def main() -> int:
    """Write what is new, and the manifest."""
    FOLDER.mkdir(exist_ok=True)
    for name, training in (("trust.json", False), ("trust-training.json", True)):
        if not (FOLDER / name).exists():
            (FOLDER / name).write_bytes(indented(s.trust_document(training=training)))
    if not (FOLDER / later_vectors.TRUST).exists():
        (FOLDER / later_vectors.TRUST).write_bytes(later_vectors.trust_bytes())
    if not (FOLDER / later_vectors.ENDED).exists():
        (FOLDER / later_vectors.ENDED).write_bytes(indented(s.trust_with_end()))
    for name, lost in ((later_vectors.CHANGED, None), (later_vectors.LOST, s.at(18))):
        if not (FOLDER / name).exists():
            (FOLDER / name).write_bytes(indented(s.trust_with_new_keys(lost=lost)))
    manifest_path = FOLDER / "manifest.json"
    manifest = json.loads(manifest_path.read_bytes()) if manifest_path.exists() else []
    known = {entry["name"] for entry in manifest}
    for vector in vectors():
        if vector.name in known:
            continue
        path = vector.name
        if vector.zipped is not None:
            path += ".zip"
            (FOLDER / path).write_bytes(vector.zipped)
        else:
            (FOLDER / path).mkdir()
            for name, content in vector.files.items():
                # dids.json is never read; one vector brings a false one to show it.
                if name == "dids.json" and vector.fails is not None and vector.name != "brings-its-own-keys":
                    continue
                (FOLDER / path / name).write_bytes(content)
        manifest.append(
            {
                "name": vector.name,
                "path": path,
                "fails": vector.fails,
                "reason": vector.reason,
                "trust": vector.trust,
                "training": vector.training,
                "at": vector.at,
                **({} if vector.cautions is None else {"cautions": list(vector.cautions)}),
            }
        )
        print(f"{vector.name}: {vector.reason}")
    manifest_path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    # The vectors must say what this version of the verifier says, before they are kept for good.
    assert DAY < AT < DAY + timedelta(days=7)
    sys.exit(main())
