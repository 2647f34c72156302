"""What a reset amounts to. Pure: facts before, facts after, what people saw; a verdict with its reason.

Why so strict: a phone's word cannot be checked by reading its storage. So the word counts only where the phone was
encrypted before (what is left is then unreadable without the key that the reset throws away), where it is the same
phone before and after, and where nothing that it shows speaks against it. A reset without encryption is not a wipe.
An Android phone does not show its key, so it ends as clear. On an iPhone or iPad the erase destroys the key of a
storage that is always encrypted, which is purge (NIST SP 800-88, cryptographic erase).
"""

from __future__ import annotations

from dataclasses import dataclass

from wipe_agent.phones.facts import PhoneFacts

SCREENS: dict[str, str] = {
    "setup": "the first page of the set-up, as on a new phone",
    "account": "the set-up asks for the account of an earlier owner",
    "home": "a home screen or lock screen, with or without somebody's things",
    "other": "something else, or nothing",
}
"""What can be seen on the screen after a reset."""

LEAST_BATTERY = 20


@dataclass(frozen=True)
class Verdict:
    """`evidence_class` and `level` as the certificate says them; both None when it is not wiped, and `reason` why."""

    evidence_class: str | None
    level: str | None
    reason: str
    seen: tuple[str, ...] = ()

    @property
    def wiped(self) -> bool:
        return self.evidence_class is not None


def why_not_begin(facts: PhoneFacts) -> str | None:
    """Why this phone is not reset, as a sentence; None if it may be. Nothing was changed on it yet."""
    if facts.reset_lock or facts.accounts:
        signed_in = f"{facts.accounts} account is" if facts.accounts == 1 else f"{facts.accounts} accounts are"
        lock = f"{signed_in} signed in" if facts.accounts else "Its reset lock is on"
        return f"{lock}: after a reset it would ask for its earlier owner. The owner signs out first."
    if facts.managed_by:
        return f"A firm manages this phone ({facts.managed_by}). The firm releases it first."
    if facts.managed_by is None or facts.reset_lock is None or (facts.accounts is None and facts.system == "android"):
        return "It does not say whether it is locked to an account or managed by a firm. Unlock it and look again."
    if facts.encrypted is False:
        return "Its storage is not encrypted. A reset leaves the data where it is, so it is destroyed instead."
    if facts.encrypted is None:
        return "It does not say whether its storage is encrypted, so a reset would prove nothing."
    if facts.serial is None:
        return "It reports no serial number, so it cannot be told from another one."
    if facts.bootloader_locked is False or facts.verified_boot in ("orange", "red"):
        return (
            f"Its system is not the maker's (verified boot: {facts.verified_boot or 'unlocked'}): its word is nothing."
        )
    if facts.bootloader_locked is None and facts.verified_boot is None:
        return "It does not say whether its system is the maker's, so its word is nothing."
    if facts.battery_level is not None and facts.battery_level < LEAST_BATTERY:
        return f"Its battery is at {facts.battery_level} %. Charge it to {LEAST_BATTERY} % first."
    return None


def judge(
    before: PhoneFacts, after: PhoneFacts | None, *, marker_left: bool | None, screen: str | None, witnesses: int
) -> Verdict:
    """What may be said. `after` is None when the phone did not answer any more; then `screen` and two people count.

    `marker_left` is whether the file that was put there before is still there; None if it could not be looked for.
    """
    refusal = why_not_begin(before)
    if refusal:
        return Verdict(None, None, refusal)
    if witnesses < 2:
        return Verdict(None, None, "Fewer than two people watched it.")
    if screen is not None and screen != "setup":
        return Verdict(None, None, f"After the reset it showed {SCREENS.get(screen, 'something unknown')}.")
    if after is None:
        if screen is None:
            return Verdict(None, None, "It did not answer after the reset, and nobody said what it shows.")
        return Verdict(
            "operator-witnessed",
            "clear",
            "",
            ("encryption seen before the reset", "the first page of the set-up seen by two people after it"),
        )
    return _judge_report(before, after, marker_left)


def _judge_report(before: PhoneFacts, after: PhoneFacts, marker_left: bool | None) -> Verdict:
    """The phone answered after its reset."""
    problem = _another_phone(before, after) or _not_fresh(before, after, marker_left)
    if problem:
        return Verdict(None, None, problem)
    fresh = "its set-up is new" if after.set_up is False else "set up anew, without an account"
    seen = ["encryption seen before and after the reset", fresh]
    if marker_left is False:
        seen.append("a file written before is gone")
    if _changed(before.user_data_mark, after.user_data_mark):
        seen.append("its user data has a new mark")
    if _changed(before.file_system_mark, after.file_system_mark):
        seen.append("its file system has a new mark")
    return Verdict("device-reported", "purge" if before.system == "ios" else "clear", "", tuple(seen))


def _another_phone(before: PhoneFacts, after: PhoneFacts) -> str | None:
    for name, one, other in (("serial number", before.serial, after.serial), ("IMEI", before.imei, after.imei)):
        if one != other and not (name == "IMEI" and None in (one, other)):
            return f"Another phone answers: its {name} was {one} and is now {other or 'not reported'}."
    if before.training != after.training:
        return "Another phone answers: one of the two is practice."
    return None


def _not_fresh(before: PhoneFacts, after: PhoneFacts, marker_left: bool | None) -> str | None:
    if marker_left:
        return "A file that was written before the reset is still there: nothing was erased."
    if after.encrypted is not True:
        return "After the reset it does not say that its storage is encrypted."
    if after.accounts or after.reset_lock:
        return "After the reset it is still tied to an account."
    if before.system == "ios":
        return None if after.set_up is False else "It is activated: somebody has gone through its set-up."
    remade = _changed(before.user_data_mark, after.user_data_mark)
    if before.user_data_mark is not None and before.user_data_mark == after.user_data_mark:
        return "The mark of its user data is the old one: nothing was erased."
    # Debugging is off after a reset. Who goes through the set-up to turn it on has more to show than a setting.
    if after.set_up is not False and not (remade and marker_left is False):
        return "Its set-up is not new: it says that somebody has gone through it."
    # A new set-up alone is a setting that anybody can change.
    if marker_left is None and not remade:
        return "Nothing that it lets us read shows that its data was made anew."
    return None


def _changed(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other
