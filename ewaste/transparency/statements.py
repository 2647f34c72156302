"""The small documents of ours that leaves name by their digest: what was revoked, and what every chain ended in.

Pure. `docs/spec/log-serving.md` shows them. They name no device, person or serial number.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any


def revocation(*, certificate: str, credential_id: str, reason: str, at: datetime) -> dict[str, Any]:
    """A certificate (digest and id) was revoked, when and why. The reason is a public sentence."""
    return {
        "v": 1,
        "type": "revocation",
        "certificate": certificate,
        "certificateId": credential_id,
        "reason": reason,
        "at": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


def custody_heads(*, day: date, devices: int, root: bytes) -> dict[str, Any]:
    """What the chains of custody that grew ended in: the root of an RFC 6962 tree over them, in hex."""
    return {"v": 1, "type": "custody-head", "day": day.isoformat(), "devices": devices, "root": root.hex()}
