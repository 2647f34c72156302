"""Every table of every domain, so that migrations see them all."""

from ewaste.accounts import (
    answers,
    firms,
    kept_forms,
    mailed,
    passkeys,
    second_factor,
    sessions,
    standing,
    tokens,
    tries,
)
from ewaste.accounts import models as accounts
from ewaste.centres import accrediting_models as accrediting
from ewaste.centres import models as centres
from ewaste.certificates import models as certificates
from ewaste.certificates import reaudit, rechecks
from ewaste.core import installation, job_errors, mail, refusals, sample, status_lists
from ewaste.core.database import Base
from ewaste.devices import heads, incidents
from ewaste.devices import models as devices
from ewaste.market import models as market
from ewaste.payments import models as payments
from ewaste.processing import models as processing
from ewaste.tradein import models as tradein
from ewaste.transparency import models as transparency

__all__ = [
    "Base",
    "accounts",
    "accrediting",
    "answers",
    "centres",
    "certificates",
    "devices",
    "firms",
    "heads",
    "incidents",
    "installation",
    "job_errors",
    "kept_forms",
    "mail",
    "mailed",
    "market",
    "passkeys",
    "payments",
    "processing",
    "reaudit",
    "rechecks",
    "refusals",
    "sample",
    "second_factor",
    "sessions",
    "standing",
    "status_lists",
    "tokens",
    "tradein",
    "transparency",
    "tries",
]
