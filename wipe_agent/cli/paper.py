"""The commands that make paper: report, summary, labels. Only what verifies now is printed."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wipe_agent import durable, evidence, jobs, keys, report
from wipe_agent.certificate import Trust, fingerprint
from wipe_agent.certificate.bundle import read_file
from wipe_agent.certificate.strict import MAX_BYTES
from wipe_agent.certificate.times import read_time
from wipe_agent.cli.commands import Answer, Screen, medium_state
from wipe_agent.errors import BadUsage, DoesNotVerify, NotComplete, Unreadable
from wipe_agent.report import Judged, OpenOrder, Proven, RawFile
from wipe_agent.sync import queue


def report_certificates(chosen: Namespace, _: Screen) -> Answer:
    """Make the PDF of each certificate that verifies, and its evidence archive where asked for."""
    judged = _judge_all(chosen, _bundles(chosen))
    written, sentences = [], []
    if chosen.output.suffix == ".pdf" and len(judged) > 1:
        raise BadUsage("--output names one file for several certificates.", next_step="Name a folder.")
    for one in judged:
        if one.proven is None:
            sentences.append(f"{one.name}: no page. {one.refusal}")
            continue
        name = f"certificate-{_file_name(one.proven.statement.device_code)}-{one.proven.digest[-8:]}.pdf"
        place = chosen.output if chosen.output.suffix == ".pdf" else chosen.output / name
        page = report.certificate_page(one.proven, chosen.font)
        durable.hand_out(place, page)
        done = {"certificate_id": one.proven.statement.certificate_id, "pdf": str(place)}
        sentences.append(f"{place}: {one.proven.statement.device_code}, it verifies.")
        if chosen.evidence:
            archive = place.with_name(f"{place.stem}-evidence.zip")
            files = _raw_files(one.proven)
            durable.hand_out(archive, report.evidence_archive(one.proven, page, files))
            done["evidence"] = str(archive)
            sentences.append(f"{archive}: the certificate with {len(files)} files of evidence.")
        written.append(done)
    refused = [{"bundle": one.name, "reason": one.refusal} for one in judged if one.proven is None]
    return {"written": written, "refused": refused}, sentences, DoesNotVerify.exit_code if refused else 0


def summarise(chosen: Namespace, _: Screen) -> Answer:
    """Make the one-page summary and the CSV of a batch."""
    if chosen.pdf is None and chosen.csv is None:
        raise BadUsage("There is nowhere to write to.", next_step="Give --pdf FILE, --csv FILE, or both.")
    bundles = list(chosen.bundle)
    still_open: list[OpenOrder] = []
    if chosen.station:
        home = _home()
        bundles += [path for place in (home.outbox, home.sent, home.refused) for path in queue.bundles(place)]
        still_open = _open_media(home)
    if not bundles and not still_open:
        raise BadUsage("There is nothing to summarise.", next_step="Name bundles, or --station for what lies here.")
    judged = _judge_all(chosen, bundles)
    if chosen.csv is not None:
        durable.hand_out(chosen.csv, report.summary_csv(judged, still_open))
    if chosen.pdf is not None:
        title = chosen.title or "Batch summary"
        page = report.summary_page(judged, still_open, made=_at(chosen), fonts=chosen.font, title=title)
        durable.hand_out(chosen.pdf, page)
    proven = [one.proven for one in judged if one.proven is not None]
    refused = [{"bundle": one.name, "reason": one.refusal} for one in judged if one.proven is None]
    media = sum(len(one.statement.lines) for one in proven)
    found = {"certificates": len(proven), "media": media, "open": len(still_open), "refused": refused}
    several = "1 certificate" if len(proven) == 1 else f"{len(proven)} certificates"
    held = "1 medium" if media == 1 else f"{media} media"
    sentences = [f"{several} with {held}, {len(still_open)} open, {len(refused)} refused."]
    sentences += [f"{one['bundle']}: does not verify. {one['reason']}" for one in refused]
    sentences += [f"Written: {place}" for place in (chosen.pdf, chosen.csv) if place is not None]
    return found, sentences, DoesNotVerify.exit_code if refused else 0


def print_labels(chosen: Namespace, _: Screen) -> Answer:
    """Make labels: of certificates that verify, or of an order before its wipe."""
    made = _at(chosen)
    refused: list[dict[str, Any]] = []
    if chosen.order is not None:
        order = jobs.load_order(_home(), chosen.order)
        labels, made = report.order_labels(order), order.valid_from
    else:
        if not chosen.bundle:
            raise BadUsage("There is nothing to label.", next_step="Name bundles, or --order CODE.")
        judged = _judge_all(chosen, chosen.bundle)
        proven = [one.proven for one in judged if one.proven is not None]
        refused = [{"bundle": one.name, "reason": one.refusal} for one in judged if one.proven is None]
        labels = [label for one in proven for label in report.labels_of(one, media=not chosen.device_only)]
        made = max((one.statement.created for one in proven), default=made)
    if labels:
        try:
            sheet = report.label_sheet(labels, made=made, single=chosen.single, first=chosen.first, fonts=chosen.font)
        except ValueError as error:
            raise BadUsage(str(error), next_step="Give --first with the number of the first free place.") from error
        durable.hand_out(chosen.output, sheet)
    sentences = [f"{chosen.output}: {len(labels)} labels."] if labels else ["No labels."]
    sentences += [f"{one['bundle']}: no label. {one['reason']}" for one in refused]
    found = {"labels": len(labels), "pdf": str(chosen.output) if labels else None, "refused": refused}
    return found, sentences, DoesNotVerify.exit_code if refused else 0


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "_", text)[:60]


def _bundles(chosen: Namespace) -> list[Path]:
    """The bundles named, or the one of the order on this station. Raises NotComplete if it has none yet."""
    if chosen.order is None:
        if not chosen.bundle:
            raise BadUsage("There is nothing to print.", next_step="Name bundles, or --order CODE.")
        return list(chosen.bundle)
    home = _home()
    decided = jobs.decided_certificate(home, jobs.load_order(home, chosen.order).code)
    if decided is not None:
        name = decided["certificate_id"].removeprefix("urn:uuid:")
        for place in (home.outbox, home.sent, home.refused):
            if (place / name).is_dir():
                return [place / name, *chosen.bundle]
    raise NotComplete(f"Order {chosen.order} has no certificate here yet.", next_step="Run wipe-agent certify first.")


def _judge_all(chosen: Namespace, bundles: Sequence[Path]) -> list[Judged]:
    home = keys.Home.from_environment()
    trust, name = _trust(chosen, home)
    market = chosen.market
    if market is None and home.station_file.exists():
        market = keys.load_station(home).market
    at = datetime.now(UTC) if chosen.at is None else _at(chosen)
    judged = [report.judge(path, trust, name, at=at, training=chosen.training, market=market) for path in bundles]
    return [_unless_refused(home, one) for one in judged]


def _unless_refused(home: keys.Home, one: Judged) -> Judged:
    """What the marketplace refused is not put on paper by the station that was told so."""
    if one.proven is None:
        return one
    try:
        receipt = json.loads((home.receipts / f"{one.proven.number}.json").read_bytes())
    except (OSError, ValueError):
        return one
    if receipt.get("outcome") != "refused":
        return one
    return Judged(
        one.name, one.report, None, f"The marketplace refused it: {receipt.get('reason') or 'no reason given'}"
    )


def _trust(chosen: Namespace, home: keys.Home) -> tuple[Trust | None, str]:
    """The trust file and its fingerprint: the one named, else the one pinned at enrolment, else none."""
    place = chosen.trust or (home.trust_file if home.trust_file.exists() else None)
    if place is None:
        return None, ""
    try:
        data = read_file(place.resolve(), MAX_BYTES, f"The trust file {place}")
        return Trust.parse(data), fingerprint(data)
    except OSError as error:
        raise Unreadable(f"The trust file {place} cannot be read ({error.strerror}).") from error
    except (RuntimeError, ValueError) as error:
        raise Unreadable(f"The trust file {place} cannot be read ({error}).") from error


def _at(chosen: Namespace) -> datetime:
    if chosen.at is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        return read_time(chosen.at)
    except ValueError as error:
        raise BadUsage(str(error), next_step="Write --at as 2026-01-31T12:00:00Z.") from error


def _home() -> keys.Home:
    home = keys.Home.from_environment()
    home.prepare()
    return home


def _open_media(home: keys.Home) -> list[OpenOrder]:
    found = []
    for order in jobs.kept_orders(home)[0]:
        if jobs.decided_certificate(home, order.code) is None:
            for medium in order.media:
                state = medium_state(home, order.code, medium.id)
                found.append(OpenOrder(order.code, order.device_code, medium.kind, medium.serial, state))
    return found


def _raw_files(proven: Proven) -> list[RawFile]:
    """The journals and the kept evidence of the certificate's order, if it was made on this station."""
    home = keys.Home.from_environment()
    if not home.station_file.exists():
        return []
    files = []
    for order in jobs.kept_orders(home)[0]:
        if order.id != proven.statement.work_order_id:
            continue
        for medium in order.media:
            path = jobs.journal_path(home, order.code, medium.id)
            if path.exists():
                about = f"the station's journal of {medium.name_to_type}: what was done and seen, line by line"
                files.append(RawFile(path.name, path.read_bytes(), "application/jsonl", about))
        for entry in evidence.kept(home, order.code):
            data = evidence.read_kept(home, order.code, entry)
            files.append(RawFile(entry.name, data, entry.media_type, entry.about))
    return files
