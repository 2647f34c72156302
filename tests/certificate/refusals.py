"""How tests ask what a verifier says of a scene: by the first check that fails, with its sentence."""

from __future__ import annotations

from typing import Any

from tests.certificate import scene as s
from tests.certificate.scene import After, Scene
from wipe_agent import certificate as c


def refused(scene: Scene, *, after: After | None = None, **asked: Any) -> tuple[str, str]:
    """The first check that fails, and its sentence. With `after`, also what came after the signing is looked at."""
    report = asked.pop("report", None) or report_of(scene, after, **asked)
    assert report.failed is not None, "it was accepted"
    return report.failed.name, report.failed.text


def report_of(scene: Scene, after: After | None, **asked: Any) -> c.Report:
    if after is None:
        return scene.report(**asked)
    files = {**scene.files(), **after.files(scene.documents()["certificate.json"])}
    return verified(files, **asked)


def verified(files: dict[str, bytes], *, at: Any = s.AT) -> c.Report:
    return c.verify(c.Bundle.from_files(files), c.Trust.of(s.trust_with_log()), at=at)


def replaced(files: dict[str, bytes], **changed: bytes) -> dict[str, bytes]:
    return files | {f"{name.replace('_', '-')}.json": content for name, content in changed.items()}
