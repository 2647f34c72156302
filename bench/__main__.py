"""`make bench`: run the benchmarks, print their table, and write `var/bench.json`.

Every module of this folder with a function `run(pairs)` is a benchmark. ONLY=name runs those whose name begins so, as
the module is called or as the table says; PAIRS=n measures more than the usual pairs.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import tempfile
from pathlib import Path

from bench.paired import FEWEST_PAIRS, Result

FOLDER = Path(__file__).parent
OUTPUT = Path(os.environ.get("EWASTE_DATA") or "var") / "bench.json"


def main() -> int:
    """Exit code 0 when every benchmark ran, 1 when one failed, 2 for a name or number that means nothing."""
    only, wanted = os.environ.get("ONLY", ""), os.environ.get("PAIRS", str(FEWEST_PAIRS))
    if not wanted.isdigit() or int(wanted) < FEWEST_PAIRS:
        print(f"PAIRS is {wanted!r}. Set it to {FEWEST_PAIRS} or more.", file=sys.stderr)
        return 2
    benches = discover()
    chosen = [name for name in benches if name.startswith(_slug(only.partition("/")[0]))]
    if not chosen:
        print(f"No benchmark is called {only!r}. There are: {', '.join(benches)}.", file=sys.stderr)
        return 2
    failed = 0
    results: list[Result] = []
    print(f"{'benchmark':<30} {'ratio':>8} {'quartiles':>17} {'ours':>12} {'versus':>12}  unit", flush=True)
    for name in chosen:
        try:
            result: Result = importlib.import_module(f"bench.{name.replace('-', '_')}").run(int(wanted))
        except Exception as error:  # noqa: BLE001 - one that fails must not take the others' figures along
            print(f"{name:<30} failed: {error}", file=sys.stderr, flush=True)
            failed = 1
            continue
        results.append(result)
        spread = f"{result['low']:.3f} - {result['high']:.3f}"
        values = f"{result['ours']:>12,.1f} {result['versus']:>12,.1f}  {result['unit']}"
        print(f"{result['name']:<30} {result['ratio']:>8.3f} {spread:>17} {values}", flush=True)
    keep(results)
    print(f"\nRatio: ours / versus, the median of {wanted} or more alternated pairs. Written to {OUTPUT}.")
    return failed


def discover() -> list[str]:
    """The benchmarks of this folder by name, such as `wipe-zero`."""
    return sorted(
        _slug(path.stem)
        for path in FOLDER.glob("*.py")
        if path.stem != "__main__" and re.search(r"^def run\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    )


def keep(results: list[Result], output: Path = OUTPUT) -> None:
    """Put the results into the file; those of benchmarks that did not run this time stay."""
    try:
        before: list[Result] = json.loads(output.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = []
    new = {result["name"] for result in results}
    rows = sorted([row for row in before if row["name"] not in new] + results, key=lambda row: row["name"])
    output.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=output.parent, prefix=".bench-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=2)
        file.write("\n")
    Path(name).replace(output)


def _slug(name: str) -> str:
    return name.replace("_", "-").lower()


if __name__ == "__main__":
    sys.exit(main())
