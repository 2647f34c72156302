"""The command line's words for the check: how to overwrite, how to sample, and the map of what was seen."""

from __future__ import annotations

import argparse
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from wipe_agent import durable, jobs, keys
from wipe_agent.check import BlockMap
from wipe_agent.errors import BadUsage, NotComplete
from wipe_agent.journal import parse


def add_options(wipe: argparse.ArgumentParser) -> None:
    """The options of `wipe` that say what is written and how it is checked."""
    wipe.add_argument("--stream", action="store_true", help="overwrite with a random stream instead of zeros")
    wipe.add_argument(
        "--sample", metavar="SHARE", help="read samples back, to see a leftover of SHARE percent, such as 0.1"
    )
    wipe.add_argument("--confidence", metavar="PERCENT", default="99", help="of the samples; 99 unless said otherwise")


def add_map(map_: argparse.ArgumentParser) -> None:
    """The options of `map`."""
    map_.add_argument("--order", required=True, metavar="CODE", help="work order")
    map_.add_argument("--medium", metavar="SERIAL", help="which medium of the order; may be left out if it has one")
    map_.add_argument("--svg", type=Path, metavar="FILE", help="write the newest map as a picture too")
    map_.set_defaults(run=draw_map)


def sampling_of(chosen: argparse.Namespace) -> tuple[int, int] | None:
    """Share and confidence per million, or None for a full read. Raises BadUsage."""
    return (_ppm(chosen.sample), _ppm(chosen.confidence)) if chosen.sample is not None else None


def wiped_in_words(done: jobs.Wiped) -> str:
    """What was done and how it was checked, as one sentence."""
    pattern = done.after.get("pattern", "zeros")
    what = (
        " as zero" if pattern == "zeros" else " as the random stream that was written" if pattern else " and searched"
    )
    samples = done.after.get("samples")
    looked = "all read back" if samples is None else f"{samples} samples of 4 KiB read back"
    how = f"{done.technique}, {done.level}"
    return f"{done.serial or done.medium} is wiped ({how}): {done.size:,} bytes, {looked}{what}."


def draw_map(chosen: argparse.Namespace, _: object) -> tuple[dict[str, Any], list[str], int]:
    """Draw what the journal says was seen on a medium, before the wipe and after it."""
    home = keys.Home.from_environment()
    home.prepare()
    order = jobs.load_order(home, chosen.order)
    medium = order.medium(chosen.medium)
    path = jobs.journal_path(home, order.code, medium.id)
    lines = parse(path.read_bytes(), path.name)[0] if path.exists() else []
    attempt = jobs.read_story(lines, path.name).last
    seen: list[tuple[str, BlockMap]] = []
    if attempt is not None and attempt.surveyed is not None and "map" in attempt.surveyed:
        seen.append(("before the wipe", BlockMap.from_facts(attempt.surveyed["map"])))
    if attempt is not None and attempt.checked is not None and "map" in attempt.checked["read_back"]:
        seen.append(("after the wipe", BlockMap.from_facts(attempt.checked["read_back"]["map"])))
    if not seen:
        raise NotComplete(f"{medium.name_to_type} was not looked at yet, so there is nothing to draw.")
    sentences = []
    for when, drawn in seen:
        sentences += [f"{medium.name_to_type} {when}, {drawn.size:,} bytes:", drawn.as_text(), ""]
    if chosen.svg is not None:
        when, drawn = seen[-1]
        durable.write_file(chosen.svg, drawn.as_svg(f"{medium.name_to_type} {when}").encode())
        sentences.append(f"Picture: {chosen.svg}")
    return {"medium": medium.id, "maps": {when: drawn.as_facts() for when, drawn in seen}}, sentences, 0


def _ppm(percent: str) -> int:
    try:
        ppm = Decimal(percent) * 10_000
        if ppm != int(ppm):
            raise BadUsage(f"{percent} percent is finer than one in a million.")
        return int(ppm)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise BadUsage(f"{percent!r} is no share in percent.", next_step="Write it such as 0.1 or 99.") from error
