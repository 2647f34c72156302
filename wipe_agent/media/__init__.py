"""The drives of this machine: who they are, which must not be touched, and how bytes get on and off them.

`list_drives` looks, `open_target` takes hold of one. Both say no in words: a mounted drive, the system's
own, swap, one that something else is built on, a read-only one. An image file stands in for a drive
in practice only: what comes of it is always training.
"""

from wipe_agent.media.drives import Drive, describe_image, list_drives
from wipe_agent.media.facts import Facts, Health, Hidden, Security
from wipe_agent.media.host import absence_refused, controllers, observe
from wipe_agent.media.identity import Identity, clean, same_typed, size_in_words
from wipe_agent.media.probe import bus_of, probe
from wipe_agent.media.runner import Ran, Replay, Runner, SystemRunner
from wipe_agent.media.target import Target, buffer, open_target

__all__ = [
    "Drive",
    "Facts",
    "Health",
    "Hidden",
    "Identity",
    "Ran",
    "Replay",
    "Runner",
    "Security",
    "SystemRunner",
    "Target",
    "absence_refused",
    "buffer",
    "bus_of",
    "clean",
    "controllers",
    "describe_image",
    "list_drives",
    "observe",
    "open_target",
    "probe",
    "same_typed",
    "size_in_words",
]
