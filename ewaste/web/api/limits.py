"""How often a program may ask: counted for each token, and for each address where there is none."""

from __future__ import annotations

import math
import time

from flask_limiter.util import get_remote_address
from limits import parse

from ewaste.web.api.problems import Problem
from ewaste.web.limits import limiter

READ = "300 per minute"
READ_UNKNOWN = "120 per minute"
CHANGE = "60 per minute"
COSTLY = "30 per minute"
"""What makes rows for people whom nobody knows, or checks signatures over a megabyte."""
WRONG_TOKENS = "20 per minute"


def count(limit: str, what: str, who: str | None = None) -> None:
    """Count one more request of `who` (this address, when None). Raises a `too-many` `Problem` above the limit."""
    if not limiter.enabled:
        return
    item, names = parse(limit), ("api", what, who or get_remote_address())
    if limiter.limiter.hit(item, *names):
        return
    opens = limiter.limiter.get_window_stats(item, *names).reset_time
    seconds = max(1, math.ceil(opens - time.time()))
    raise Problem(
        "too-many",
        f"At most {limit.replace(' per ', ' requests a ')}: wait {seconds} seconds, then go on.",
        headers={"Retry-After": str(seconds)},
    )
