"""Inspections: the checklist answered at the bench, the grade drawn from it by the rules, both kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.core.refusals import Invalid
from ewaste.devices.models import Device
from ewaste.processing import grading
from ewaste.processing.checklist import BadFinding, clean
from ewaste.processing.models import Inspection


def record(
    session: Session, device: Device, findings: Mapping[str, object], *, inspector: UUID, now: datetime
) -> tuple[Inspection, grading.Grade]:
    """Keep the findings with the grade they give. Raises `Invalid` with the item that needs another answer."""
    try:
        taken = clean(device.device_class.value, findings)
        grade = grading.grade(device.device_class.value, taken)
    except BadFinding as error:
        raise Invalid(error.message, field=error.field) from error
    inspection = Inspection(
        device_id=device.id,
        cycle=device.cycle,
        inspector_id=inspector,
        findings=taken,
        cosmetic=grade.cosmetic,
        function=grade.function,
        grade=grading.to_json(grade),
        rules_version=grade.version,
        at=now,
    )
    session.add(inspection)
    session.flush()
    return inspection, grade


def found_condition(
    device: Device, inspection: Inspection, declared: Mapping[str, Any], *, drive_gone: bool = False
) -> dict[str, Any]:
    """The findings in the words of the price formula; what was not looked at stays as declared."""
    device_class = device.device_class.value
    findings = grading.without_drive(device_class, inspection.findings) if drive_gone else inspection.findings
    return grading.to_condition(device_class, findings, declared)


def grade_now(device: Device, inspection: Inspection, *, drive_gone: bool) -> grading.Grade:
    """The grade as inspected; graded anew by the same rules where the last drive left the device since."""
    if not drive_gone:
        return grading.from_json(inspection.grade)
    device_class = device.device_class.value
    return grading.grade(device_class, grading.without_drive(device_class, inspection.findings))


def latest(session: Session, device_id: UUID) -> Inspection | None:
    """The newest inspection of a device."""
    return session.scalar(
        sa.select(Inspection).where(Inspection.device_id == device_id).order_by(Inspection.at.desc()).limit(1)
    )
