"""What a seller is told by mail of their device: one message for each event that matters to them.

The chain of custody calls `after_event` for every event, so no step can forget to tell. Amounts and dates that stand
in no event come from the step that knows them: the offer, its confirmation, the payout.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import postal
from ewaste.accounts.models import Organisation, Person
from ewaste.core import mail
from ewaste.core.money import Money, in_words
from ewaste.devices.models import Device, HoldKind, Title


class Notice(NamedTuple):
    """A message; `{device}`, `{code}`, `{centre}` and `{page}` are filled in, `{site}` when it is sent."""

    subject: str
    text: str
    always: bool = False
    """Told also when the device is not the seller's any more."""


PAGE = "{site}/devices/"

EVENTS = {
    "device.expected": Notice(
        "How your {device} gets to us ({code})",
        "You took the price of your quote. Nothing is sold yet: that is when you confirm our offer after the "
        "inspection.\n\nSend it to:\n{centre}\n\n"
        "Write {code} large on the outside, and put the slip inside. You pay the postage. What to do before, the slip, "
        "and where it goes if you do not take our offer:\n{page}/prepare\n\n"
        "When it arrives we note seal and weight, and inspect it. You can call the sale off until then.",
    ),
    "device.cancelled": Notice(
        "You have called off the sale of your {device} ({code})",
        "Nothing more happens. If you change your mind, ask for a new price: it takes two minutes.\n{site}/quote",
    ),
    "device.received": Notice(
        "Your {device} has arrived ({code})",
        "The test centre has it, has weighed it and looked at its seal. It is inspected next, without opening any of "
        "your data. Then you get our offer.\n\nEvery step stands here:\n{page}",
    ),
    "offer.declined": Notice(
        "You declined our offer; your {device} comes back ({code})",
        "The test centre sends it back as it is, at no cost to you. Its data was not touched. Where it goes, and how "
        "to change that:\n{page}",
    ),
    "offer.lapsed": Notice(
        "You did not answer our offer; your {device} comes back ({code})",
        "Silence never accepts. The test centre sends the device back as it is, at no cost to you. Its data was not "
        "touched. Where it goes, and how to change that:\n{page}",
    ),
    "device.returned": Notice(
        "Your {device} is on its way back to you ({code})",
        "The test centre has handed it to the carrier. The number to follow it by, if there is one, stands here:\n"
        "{page}",
        always=True,
    ),
    "device.cleared": Notice(
        "The data on your {device} is gone ({code})",
        "The test centre has wiped or destroyed every storage medium that was found in it, has checked the result, and "
        "has signed a certificate. We have verified it; you and anybody else can, too.\n\n"
        "What was done to which medium, and the certificate itself:\n{page}",
        always=True,
    ),
    "certificate.revoked": Notice(
        "A certificate for your {device} was revoked ({code})",
        "We told you that your data on it was certified gone. We have revoked that certificate, so it no longer shows "
        "that. The device is in no sale until it is wiped and certified again. Why we revoked it:\n{page}\n\n"
        "What we paid you is yours; nothing changes there.",
        always=True,
    ),
    "certificate.in-doubt": Notice(
        "A certificate for your {device} is looked at again ({code})",
        "{why}\n\nThe device is in no sale until two of our people have looked. We tell you if the certificate falls. "
        "What we paid you is yours; nothing changes there.\n\n{page}",
        always=True,
    ),
    "device.lost": Notice(
        "Your {device} cannot be found ({code})",
        "The device is missing. We are looking for it, and we tell you what we find. What we know so far, and what you "
        "can do, stands here:\n{page}",
        always=True,
    ),
    "hold.placed": Notice(
        "Your {device} stands still for now ({code})",
        "{why}\n\nNothing happens to the device until this is settled. What you can do stands here:\n{page}",
    ),
    "hold.lifted": Notice(
        "Your {device} goes on ({code})",
        "What held it up is settled. What happens next stands here:\n{page}",
    ),
}

HOLD_WORDS: Mapping[str, str] = {
    "stolen": "Reported stolen",
    "ownership": "Ownership in dispute",
    "lock": "Account or firmware lock",
    "battery": "Unsafe battery",
    "wrong-item": "Not the item declared",
    "litigation": "Kept for a legal matter",
    "seal": "Seal does not match",
    "weight": "Weight does not match",
    "validation": "Doubted by a second person",
}
"""Why a device stands still, in a few words for everybody."""
HOLDS = {
    HoldKind.STOLEN: "The device may be reported as stolen or lost. We have to ask before we do anything with it.",
    HoldKind.OWNERSHIP: "It is not clear who owns the device. We have to ask before we do anything with it.",
    HoldKind.LOCK: "The device is still locked to an account. Sign out of it, or remove the device from your account.",
    HoldKind.BATTERY: "The battery is damaged or swollen. It is made safe first.",
    HoldKind.WRONG_ITEM: "What arrived is not the device that you described.",
    HoldKind.LITIGATION: "The device may be evidence in a dispute. We may not change it.",
    HoldKind.SEAL: "The seal of the parcel was broken or missing. We look into it before we open anything.",
    HoldKind.WEIGHT: "The parcel weighs more or less than it should. We look into it before we go on.",
    HoldKind.VALIDATION: "A second person at the test centre did not confirm what was done. It is looked at again.",
}


def after_event(session: Session, device: Device, kind: str, evidence: Mapping[str, Any], *, now: datetime) -> None:
    """Tell the seller of this event, if it is one to tell. At most one message for each event of a device."""
    notice = EVENTS.get(kind)
    if notice is None or (device.title is not Title.SELLER and not notice.always):
        return
    why = str(evidence.get("noteForSeller") or HOLDS[HoldKind(evidence["kind"])]) if kind == "hold.placed" else ""
    if kind == "certificate.in-doubt":
        why = str(evidence["noteForSeller"])
    _tell(session, device, notice, key=f"{kind} {device.id} {device.custody_seq}", now=now, why=why)


def offer_made(
    session: Session,
    device: Device,
    *,
    offer_id: UUID,
    amount: Money,
    quoted: Money,
    answer_by: datetime,
    now: datetime,
) -> None:
    """The device was inspected, and this is what we offer."""
    day = f"{answer_by:%A} {answer_by.day} {answer_by:%B %Y}"
    if amount == quoted:
        found = f"It is as you described it, so our offer is what we quoted: {_words(amount)}."
    else:
        found = (
            f"It differs from what you told us, so our offer is {_words(amount)} instead of {_words(quoted)}. Every "
            "difference stands beside its price."
        )
    text = (
        f"The test centre has inspected your {{device}}. {found}\n\nTake it or leave it until {day}:\n{{page}}\n\n"
        "If you leave it, the device comes back to you at no cost. Its data is not touched before you answer."
    )
    _tell(session, device, Notice(f"Our offer for your {{device}}: {_words(amount)} ({{code}})", text),
          key=f"offer {offer_id}", now=now)  # fmt: skip


def offer_confirmed(
    session: Session, device: Device, *, offer_id: UUID, amount: Money, pay_by: datetime | None, now: datetime
) -> None:
    """The price is fixed."""
    if amount.amount_minor and pay_by is not None:
        day = f"{pay_by:%A} {pay_by.day} {pay_by:%B %Y}"
        paid = (
            f"We pay you {_words(amount)} by {day}, whatever we find after today. If we do not know yet where to pay, "
            "tell us here:\n{site}/account"
        )
    else:
        paid = "There is nothing to pay for it; we recycle it and prove that its data is gone."
    text = (
        f"{paid}\n\nNext, its data is wiped or destroyed. When that is certified we write to you again.\n\n"
        "Every step stands here:\n{page}"
    )
    _tell(
        session, device, Notice("You have sold us your {device} ({code})", text), key=f"confirmed {offer_id}", now=now
    )


def seller_paid(session: Session, device_id: UUID, *, payment_id: UUID, amount: Money, now: datetime) -> None:
    """The provider has paid the seller."""
    device = session.get(Device, device_id)
    if device is None:  # A payment that is for no device has its own words, and they are not these.
        return
    text = (
        f"{_words(amount)} are on their way to your bank. It may take two working days until you see them.\n\n{{page}}"
    )
    _tell(
        session, device, Notice("We have paid you for your {device} ({code})", text), key=f"paid {payment_id}", now=now
    )


def _tell(session: Session, device: Device, notice: Notice, *, key: str, now: datetime, why: str = "") -> None:
    if device.seller_id is None:
        return
    seller = session.execute(sa.select(Person.email, Person.name).where(Person.id == device.seller_id)).one()
    told = f"{device.brand} {device.model}"
    text = notice.text.replace("{page}", PAGE + device.code)
    centre = session.get_one(Organisation, device.centre_id)
    address = "\n".join([centre.name, *postal.of_firm(centre)])
    for mark, words in (("{device}", told), ("{code}", device.code), ("{why}", why), ("{centre}", address)):
        text = text.replace(mark, words)
    subject = notice.subject.replace("{device}", told).replace("{code}", device.code)[: mail.SUBJECT]
    text = f"Hello {seller.name},\n\n{text}\n\nClearhand\n"
    mail.write(session, to=seller.email, name=seller.name, subject=subject, text=text, key=key, now=now)


def _words(amount: Money) -> str:
    return in_words(amount.amount_minor, amount.currency)
