"""How fast certificates are verified, against the reference verifier in JavaScript: the same documents, one by one.

Ours reads strictly, checks the shape and the proof, and says what is certified. Theirs (jsonld-signatures with
`eddsa-jcs-2022`, at work in node before it is measured) parses the JSON and checks the proof alone. Each does 1,000
distinct certificates in one thread. Needs node and npm: the libraries are those of `make interop`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from bench.certificates import CENTRE, CERTIFICATES, METHOD, certificates, key
from bench.paired import Result, measure
from wipe_agent import certificate as wipe

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / "var" / "interop"


def run(pairs: int) -> Result:
    """Certificates a second on both sides, by the clock on the wall, as two programs are compared."""
    if shutil.which("npm") is None:
        raise RuntimeError("it needs node and npm, for the reference verifier")
    subprocess.run([ROOT / "bin" / "interop", "install"], check=True, capture_output=True)
    made, public = certificates(key()), key().public_key()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "certificates.json").write_text(json.dumps([data.decode() for data in made]))
        (Path(folder) / "dids.json").write_bytes(wipe.canonical([wipe.did_document(CENTRE, {METHOD: public})]))
        words = ["node", str(TOOLS / "bench.mjs"), folder]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=TOOLS) as reference:
            asked, told = reference.stdin, reference.stdout
            assert asked is not None
            assert told is not None

            def versus() -> float:
                print("again", file=asked, flush=True)
                answer = json.loads(told.readline())
                if answer["hold"] != CERTIFICATES:
                    raise ValueError(f"the reference verifier takes {answer['hold']} of them only")
                return CERTIFICATES / float(answer["seconds"])

            def ours() -> float:
                began = time.perf_counter()
                for data in made:
                    wipe.read_certificate(data, public)
                return CERTIFICATES / (time.perf_counter() - began)

            for _ in range(3):  # Unmeasured, so that both are warm: node compiles what it does often.
                ours(), versus()
            result = measure("certificate-verify/javascript", "certificates/s", ours, versus, pairs=pairs)
            asked.close()
        return result
