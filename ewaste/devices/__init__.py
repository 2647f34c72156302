"""The device: its states, its storage media, its holds and its chain of custody.

Promises: one function moves a device, and the event and the state exist only together; every event carries the hash
of the one before; a hold refuses every move; a medium once observed counts until it is covered.
"""
