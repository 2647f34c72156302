"""The work of the station, one function for each step: keep orders, wipe, record destruction, certify.

`wipe` writes the journal of one medium, `record_destroyed` adds its other end, and `certify` makes the certificate
from these journals and from nothing else. Each may be killed anywhere and run again.
"""

from wipe_agent.jobs.absence import record_absent
from wipe_agent.jobs.certifying import Certified, certify
from wipe_agent.jobs.destroying import record_destroyed, said_of
from wipe_agent.jobs.issued import Issued, Standing, issued
from wipe_agent.jobs.orders import Order, OrderMedium, keep_orders, kept_orders, load_order
from wipe_agent.jobs.planning import Wish, drive_at
from wipe_agent.jobs.resetting import People, Reset, reset_phone
from wipe_agent.jobs.standings import digest, keep_standings, stopped
from wipe_agent.jobs.story import MediumStory, decided_certificate, journal_path, read_story
from wipe_agent.jobs.wiping import Progress, Wiped, wipe

__all__ = [
    "Certified",
    "Issued",
    "MediumStory",
    "Order",
    "OrderMedium",
    "People",
    "Progress",
    "Reset",
    "Standing",
    "Wiped",
    "Wish",
    "certify",
    "decided_certificate",
    "digest",
    "drive_at",
    "issued",
    "journal_path",
    "keep_orders",
    "keep_standings",
    "kept_orders",
    "load_order",
    "read_story",
    "record_absent",
    "record_destroyed",
    "reset_phone",
    "said_of",
    "stopped",
    "wipe",
]
