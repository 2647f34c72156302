"""Erasure reports of other programs: what they say was erased, read as a claim and never as a proof.

    nwipe-log    the log of nwipe, with its table "Drive Status"
    nwipe-json   the report of nwipe, one file for each drive
    workbench    an eReuse Workbench snapshot, where its parsed shape speaks of erasures
    blancco-xml  a report of Blancco, as public integrations read it; its maker publishes no description

None of them is signed by anybody whom a trust file names. So they become evidence beside an order, for people to read;
no line of a certificate is ever made from one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers import expat

from wipe_agent.errors import SnapshotRefused
from wipe_agent.foreign import careful
from wipe_agent.media.identity import clean

MOST_ERASURES: Final = 256
_MOST_LINES: Final = 100_000
_XML_DEPTH: Final = 32
_XML_ELEMENTS: Final = 50_000


@dataclass(frozen=True)
class Erasure:
    """What a report says of one drive. `said` is its own word for how it ended; empty texts: it does not say."""

    model: str
    serial: str
    said: str
    succeeded: bool
    method: str
    ended: str

    def say(self) -> str:
        """One line for people."""
        drive = f"{self.model or 'a drive'}, serial {self.serial or 'not reported'}"
        facts = [f"it says {self.said!r}" if self.said else "it does not say how it ended", self.method]
        return ", ".join([drive, *(fact for fact in facts if fact)]) + (f", until {self.ended}" if self.ended else "")


@dataclass(frozen=True)
class ErasureReport:
    """A report as it was understood."""

    format: str
    software: str
    erasures: tuple[Erasure, ...]


def read_erasure_report(data: bytes) -> ErasureReport:
    """Understand a report. Raises SnapshotRefused when it is none of the four kinds, or speaks of no erasure."""
    if len(data) > careful.MOST_BYTES:
        raise SnapshotRefused(f"The report has {len(data)} bytes. More than {careful.MOST_BYTES} are not read.")
    start = data.lstrip()[:1]
    report = _json(data) if start == b"{" else _blancco(data) if start == b"<" else _nwipe_log(data)
    if not report.erasures:
        raise SnapshotRefused("The report speaks of no erasure.", next_step="Name another file. Nothing was kept.")
    if len(report.erasures) > MOST_ERASURES:
        raise SnapshotRefused(f"The report speaks of more than {MOST_ERASURES} erasures. It is not read.")
    return report


# ---------------------------------------------------------------------------- JSON: nwipe, eReuse Workbench


def _json(data: bytes) -> ErasureReport:
    document = careful.read(data, what="report")
    if document.get("type") == "Snapshot" and isinstance(document.get("components"), list):
        software = f"{_text(document.get('software')) or 'Workbench'} {_text(document.get('version'))}".strip()
        return ErasureReport("workbench", software, tuple(_workbench(document["components"])))
    about, device, result = (_object(document.get(name)) for name in ("report_metadata", "device", "wipe_result"))
    if about.get("software") == "nwipe" and device and result:
        errors = [result.get(name) for name in ("pass_errors", "verify_errors")]
        said = _text(result.get("status"))
        erasure = Erasure(
            model=_text(device.get("model")),
            serial=_text(device.get("serial_no")),
            said=said,
            succeeded=said == "success" and errors == [0, 0],
            method="",
            ended=_text(about.get("generated_at")),
        )
        return ErasureReport("nwipe-json", f"nwipe {_text(about.get('version'))}".strip(), (erasure,))
    raise SnapshotRefused("This is no erasure report that is known here.", next_step=_NEXT)


def _workbench(parts: list[Any]) -> Iterator[Erasure]:
    for part in map(_object, parts):
        actions = part.get("actions")
        for action in map(_object, actions if isinstance(actions, list) else []):
            kind = _text(action.get("type"))
            if not kind.startswith("Erase"):
                continue
            steps = action.get("steps")
            names = [_text(_object(step).get("type")) for step in steps] if isinstance(steps, list) else []
            severity = _text(action.get("severity"))
            yield Erasure(
                model=_text(part.get("model")),
                serial=_text(part.get("serialNumber")),
                said=severity,
                succeeded=severity == "Info",
                method=" ".join([kind, *(name for name in names[:8] if name)]),
                ended=_text(action.get("endTime")),
            )


# ---------------------------------------------------------------------------- nwipe's log

_ROW: Final = re.compile(r"[! ]\s*(\S{1,20}) \|(.{8})\|[^|]{1,20}/s \| {0,3}\d{1,6}:\d\d:\d\d \| (.{0,200})")
_VERSION: Final = re.compile(r"\bnwipe (\d[0-9A-Za-z.+-]{0,20})")


def _nwipe_log(data: bytes) -> ErasureReport:
    """The rows of "Drive Status": `!` or blank, device, eight letters of status, rate, time, model/serial."""
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise SnapshotRefused(f"The report is not UTF-8: byte {error.start} cannot be read.") from None
    if len(lines) > _MOST_LINES:
        raise SnapshotRefused(f"The report has more than {_MOST_LINES} lines. It is not read.")
    version = next((found[1] for line in lines[:200] if (found := _VERSION.search(line[:400]))), "")
    erasures, inside = [], False
    for line in lines:
        if "* Drive Status *" in line[:100]:
            inside = True
        elif inside and line.startswith("*"):
            inside = False
        elif inside and (found := _ROW.fullmatch(line[:400].rstrip())):
            # The model comes cut off at 17 letters, and may hold a slash; a serial number does not.
            model, _, serial = found[3].rpartition("/")
            said = _text(found[2].strip())
            erasures.append(
                Erasure(
                    model=_text(model),
                    serial=_text(serial),
                    said=said,
                    succeeded=said == "Erased" and not line.startswith("!"),
                    method="",
                    ended="",
                )
            )
    if not erasures:
        raise SnapshotRefused("This is no erasure report that is known here.", next_step=_NEXT)
    return ErasureReport("nwipe-log", f"nwipe {version}".strip(), tuple(erasures))


# ---------------------------------------------------------------------------- Blancco


@dataclass
class _Element:
    """An element of the report by the name that it has or is given: `<entry name="state">` is `state`."""

    name: str
    text: str = ""
    below: list[_Element] = field(default_factory=list)

    def all(self, name: str) -> Iterator[_Element]:
        """Every element of this name, however deep."""
        for each in self.below:
            if each.name == name:
                yield each
            yield from each.all(name)

    def said(self, *names: str) -> str:
        """The text of the first element directly below that has one of these names and a text."""
        return next((each.text for name in names for each in self.below if each.name == name and each.text), "")


def _blancco(data: bytes) -> ErasureReport:
    top = _xml(data)
    reports = list(top.all("blancco_erasure_report"))
    if not reports:
        raise SnapshotRefused("This is no erasure report that is known here.", next_step=_NEXT)
    product = next((each for each in top.all("author") if each.said("product_name")), _Element(""))
    software = " ".join(part for part in (product.said("product_name"), product.said("product_version")) if part)
    erasures = []
    for erasure in (each for report in reports for each in report.all("erasure")):
        target = next(erasure.all("target"), _Element(""))
        said = _text(erasure.said("state"))
        erasures.append(
            Erasure(
                model=_text(target.said("model")),
                serial=_text(target.said("serial", "serial_number")),
                said=said,
                succeeded=said == "Successful",
                method=_text(erasure.said("erasure_standard_name")),
                ended=_text(erasure.said("end_time", "timestamp")),
            )
        )
    return ErasureReport("blancco-xml", _text(software) or "Blancco", tuple(erasures))


def _xml(data: bytes) -> _Element:
    """The elements of an XML document. One that declares types or entities is refused before any is expanded."""
    top = _Element("")
    open_: list[_Element] = [top]
    count = 0

    def begin(tag: str, attributes: Mapping[str, str]) -> None:
        nonlocal count
        count += 1
        if len(open_) > _XML_DEPTH or count > _XML_ELEMENTS:
            raise SnapshotRefused("The report is nested too deep, or has too many elements. It is not read.")
        named = attributes.get("name", "") if tag in ("entries", "entry") else ""
        element = _Element((named or tag)[:100])
        open_[-1].below.append(element)
        open_.append(element)

    def text(content: str) -> None:
        open_[-1].text = (open_[-1].text + content)[:400].lstrip()

    def refuse(*_: object) -> None:
        raise SnapshotRefused("The report declares types or entities of its own. It is not read.")

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda _: open_.pop()
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise SnapshotRefused(f"The report is not XML: {expat.errors.messages.get(error.code, error)}.") from None
    except (LookupError, ValueError) as error:  # an encoding that is not known
        raise SnapshotRefused(f"The report is not XML: {error}.") from None
    return top


_NEXT: Final = "Known are logs and reports of nwipe, Workbench snapshots, and Blancco's XML. Nothing was kept."


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    """A text for people, at most 200 characters."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    return (clean(str(value)) or "")[:200]
