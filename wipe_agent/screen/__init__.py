"""What the operator sees: plain progress of a single job, and the bench screen with every drive at once.

Everything here goes to the terminal; standard output belongs to the result.
"""

from wipe_agent.screen.plain import Terminal, progress_line

__all__ = ["Terminal", "progress_line"]
