"""Bringing the completed bundles: each accepted certificate with the log's proof and the status lists of that day.

What was sent cannot say that it is in the log, nor that it was not revoked later; the marketplace's bundle of it can,
and then needs no network to be verified. It is public, so nothing is signed here, and nothing that comes is believed:
it must hold the very files that were sent, and verify under the trust file pinned here. It lies beside the bundle in
`sent/`, as a .zip. Nothing here may keep certificates from being sent: what goes wrong is noted, and tried again at
the next sync.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from wipe_agent import durable, keys
from wipe_agent.certificate import Bundle, Trust, verify
from wipe_agent.certificate.bundle import MAX_ARCHIVE_BYTES
from wipe_agent.certificate.vocabulary import LOG_PROOF_FILE
from wipe_agent.errors import BadAnswer, MarketUnreachable
from wipe_agent.sync.queue import bundles
from wipe_agent.witness.site import fetch

MOST = 100  # in one round; the next begins with those that have waited longest


def bring_completed(
    home: keys.Home, *, fresh: bool = False, note: Callable[[str], None] = lambda text: None
) -> list[Path]:
    """Fetch, check and keep the completed bundles that are not here yet; with `fresh` those that are here, too.

    Returns where the new ones lie. Raises NotEnrolled or StateUnusable.
    """
    market, trust = keys.load_station(home).market, keys.load_trust(home)
    wanted = [(_place(folder), folder) for folder in bundles(home.sent)]
    wanted = [(place, folder) for place, folder in wanted if fresh or not place.exists()]
    wanted.sort(key=lambda one: one[0].stat().st_mtime if one[0].exists() else 0.0)
    brought, not_in_log = [], 0
    for place, folder in wanted[:MOST]:
        address = f"{market}/certificates/{urllib.parse.quote(folder.name, safe='')}/bundle.zip"
        try:
            bundle = _checked(fetch(address, MAX_ARCHIVE_BYTES), Bundle.load(folder), trust)
            if bundle is None:
                not_in_log += 1
                continue
            durable.write_file(place, bundle.to_zip())
            brought.append(place)
        except MarketUnreachable as error:
            note(f"Completed bundles are fetched later. {error.message}")
            break
        except (BadAnswer, ValueError, OSError) as error:
            note(f"The completed bundle of {folder.name} is not kept. {error}")
    if not_in_log:
        one = not_in_log == 1
        note(f"{not_in_log} accepted {'certificate is' if one else 'certificates are'} not in the log yet.")
    return brought


def _checked(data: bytes | None, sent: Bundle, trust: Trust) -> Bundle | None:
    """The completed bundle; None while the log has no proof for it yet. Raises BadAnswer, or Unreadable."""
    if data is None:
        raise BadAnswer("The marketplace does not have it.")
    bundle = Bundle.from_zip(data)
    if any(bundle.files.get(name) != content for name, content in sent.files.items()):
        raise BadAnswer("It does not hold the files that were sent.")
    if trust.logs and LOG_PROOF_FILE not in bundle.files:
        return None
    report = verify(bundle, trust, at=datetime.now(UTC), training=trust.training)
    if not report.ok:
        raise BadAnswer(f"It does not verify: {report.refusal}")
    return bundle


def _place(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.zip")
