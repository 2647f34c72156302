"""The machine that held the media, on the certificate: as the station saw it, and never hidden where it differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.wipe_agent.conftest import SERIAL, Station
from tests.wipe_agent.support import medium, moment, planted_image
from wipe_agent import jobs, keys
from wipe_agent.certificate import Bundle, verify
from wipe_agent.errors import WouldNotVerify
from wipe_agent.journal import Journal

OURS = {"manufacturer": "Sample", "model": "Laptop 14", "serial": "HOST-1"}
OTHER = {"manufacturer": "Sample", "model": "Laptop 14", "serial": "HOST-2"}


def seen_in(station: Station, host: dict[str, str] | None, medium_id: str | None = None) -> None:
    """The station noted this machine when it planned the wipe."""
    path = station.journal(medium_id)
    with Journal.open(path) as journal:
        lines = [{k: v for k, v in line.items() if k not in ("n", "prev", "sum", "at")} for line in journal.lines]
    path.unlink()
    with Journal.open(path) as journal:
        for line in lines:
            journal.append(**line | ({"host": host} if line["event"] == "planned" else {}))


def observed(station: Station) -> Any:
    report = verify(
        Bundle.load(station.certify().bundle), keys.load_trust(station.home), training=True, at=moment(hours=1)
    )
    assert report.ok, report.refusal
    assert report.statement is not None
    return report.statement.host_observed


@pytest.mark.parametrize(("host", "expected"), [(OURS, OURS), ({"serial": "HOST-1"}, {"serial": "HOST-1"}), (None, {})])
def test_the_machine_that_the_station_saw_stands_on_the_certificate(
    station: Station, host: dict[str, str] | None, expected: dict[str, str]
) -> None:
    station.wipe()
    seen_in(station, host)
    assert observed(station) == expected


def test_a_drive_that_was_in_another_machine_gives_no_certificate(station: Station) -> None:
    station.wipe()
    seen_in(station, OTHER)
    with pytest.raises(WouldNotVerify, match="machine with the serial number HOST-2, but the device has HOST-1"):
        station.certify()
    assert station.bundles() == []


def test_of_two_machines_the_wrong_one_never_hides(make_station: Callable[..., Station]) -> None:
    station = make_station(medium(SERIAL), medium("DISK-0002"))
    second = planted_image(station.image.with_name("second.img"))
    for serial, image in ((SERIAL, station.image), ("DISK-0002", second)):
        station.wipe(medium_named=serial, target_path=image, typed=lambda question, serial=serial: serial)
    for one, host in zip(jobs.load_order(station.home, "WO-1").media, (OURS, OTHER), strict=True):
        seen_in(station, host, one.id)
    with pytest.raises(WouldNotVerify, match="HOST-2"):
        station.certify()
