"""Many drives at once: one process for each drive, and one place that starts, pauses, resumes and cancels them.

Each process runs the job that `wipe-agent wipe` runs, for one medium of one order, and its journal is the only memory:
whoever starts again, after a pause, a crash or a power cut, goes on where the journal stands. A drive that fails,
hangs or is pulled ends its own process and no other.
"""

from wipe_agent.stand.board import Job, Row, State
from wipe_agent.stand.certificates import certify_ready
from wipe_agent.stand.plan import orders_elsewhere, read_plan, rows_from, survey
from wipe_agent.stand.supervisor import Stand

__all__ = ["Job", "Row", "Stand", "State", "certify_ready", "orders_elsewhere", "read_plan", "rows_from", "survey"]
