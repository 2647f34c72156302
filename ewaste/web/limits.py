"""The token against cross-site requests, and how often one address may ask.

Limits are kept in this process's memory. With several processes each counts for itself, so a limit is at most that
many times looser; that still ends guessing of passwords and codes.
"""

from __future__ import annotations

from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import CSRFProtect

csrf = CSRFProtect()
limiter = Limiter(key_func=get_remote_address, storage_uri="memory://", headers_enabled=False)

# Guessing is slow, people are not: a person who mistypes a password tries a few times a minute.
SIGN_IN = "10 per minute"
# Opening accounts and quotes writes rows for people whom nobody knows.
WRITE_UNKNOWN = "30 per minute"
# Verifying a bundle checks signatures over up to a megabyte.
VERIFY = "30 per minute"
