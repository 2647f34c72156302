"""Every table of every domain, so that migrations see them all."""

from ewaste.accounts import models as accounts
from ewaste.centres import models as centres
from ewaste.certificates import models as certificates
from ewaste.core import installation, refusals
from ewaste.core.database import Base
from ewaste.devices import models as devices
from ewaste.market import models as market
from ewaste.payments import models as payments
from ewaste.processing import models as processing
from ewaste.tradein import models as tradein

__all__ = [
    "Base",
    "accounts",
    "centres",
    "certificates",
    "devices",
    "installation",
    "market",
    "payments",
    "processing",
    "refusals",
    "tradein",
]
