"""The agent's calls as models, for the document. `agent` itself checks what comes in, and answers as it always did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field


class EnrolmentSent(BaseModel):
    """A station's request to be enrolled."""

    code: str = Field(min_length=1, max_length=60, examples=["K7P2M-9QXA4-0TBCD-RW5HN"])
    station_name: str = Field(min_length=1, max_length=80, examples=["bench 1"])
    public_key_multibase: str = Field(min_length=1, max_length=100, examples=["z6Mk…"])
    proof: str = Field(
        min_length=1,
        max_length=200,
        description="Base64 of the Ed25519 signature over “ewaste-enrol-v1”, newline, the code, newline, the key.",
        examples=["…"],
    )


class EnrolledCentre(BaseModel):
    """The station's centre."""

    id: str
    name: str


class Enrolled(BaseModel):
    """The station is enrolled; the trust document is pinned by the agent and never replaced."""

    station_id: UUID
    verification_method: str
    centre: EnrolledCentre
    trust: dict[str, object]
    mode: Literal["training", "live"]
    server_time: datetime


class OpenOrder(BaseModel):
    """A work order; `document` is the signed credential, as text."""

    code: str
    device_code: str
    document: str


class WorkOrders(BaseModel):
    """The open work orders of the station's centre."""

    orders: list[OpenOrder]
    accreditation: str
    dids: str
    server_time: datetime


class CertificateSent(BaseModel):
    """A certificate bundle: file name → text."""

    files: dict[str, str] = Field(min_length=1, max_length=16, examples=[{"certificate.json": "{}"}])


class ReceiptTold(BaseModel):
    """What became of a certificate."""

    certificate_id: str | None
    digest: str
    outcome: Literal["accepted", "refused"]
    reason: str | None
    device_code: str | None
    received_at: datetime


class Receipt(BaseModel):
    """A refused certificate is a receipt, too: it was received, judged and kept."""

    receipt: ReceiptTold


class StartsSent(BaseModel):
    """The work orders under which the station began to wipe, by their digests."""

    work_orders: list[str] = Field(min_length=1, max_length=100, examples=[["zQm…"]])


class StartsNoted(BaseModel):
    """How many of them the log now names as begun."""

    noted: int
    server_time: datetime


class IssuedAsked(BaseModel):
    """The number of the last entry of the log that the station knows; -1 for none."""

    after: int = Field(ge=-1, lt=2**53, examples=[-1])


class IssuedTold(BaseModel):
    """A certificate in the log, and the key that signed it."""

    entry: int
    digest: str
    station: str


class IssuedAfter(BaseModel):
    """The oldest first, at most 1,000; with `more`, ask again after the last one."""

    issued: list[IssuedTold]
    more: bool
    server_time: datetime


class OrdersAsked(BaseModel):
    """The work orders that the station holds, by their digests."""

    work_orders: list[str] = Field(min_length=1, max_length=100, examples=[["zQm…"]])


class OrderStands(BaseModel):
    """How one work order stands; only under an `open` one is anything wiped."""

    work_order: str
    standing: Literal["open", "used", "replaced", "expired", "over", "held", "outdated"]
    text: str


class OrdersStand(BaseModel):
    """Orders of other centres are left out."""

    standings: list[OrderStands]
    server_time: datetime


class CosignatureSent(BaseModel):
    """A checkpoint of the log as text, with the station’s cosignature under it (C2SP tlog-cosignature)."""

    checkpoint: str = Field(min_length=1, max_length=32768, examples=["market.example/log\n…"])


class CosignatureTaken(BaseModel):
    """How many cosignatures in it were new."""

    taken: int
    server_time: datetime


class AgentProblem(BaseModel):
    """What went wrong."""

    kind: str
    message: str
    field: str | None


class AgentError(BaseModel):
    """The agent's own shape of errors, older than the problem details of `/api/v1`."""

    error: AgentProblem


@dataclass(frozen=True)
class AgentCall:
    """One of the agent's calls, as the document describes it."""

    method: str
    path: str
    name: str
    summary: str
    text: str
    sent: type[BaseModel] | None
    answer: type[BaseModel]
    status: int
    signed: bool
    refuses: tuple[int, ...]


CALLS = (
    AgentCall(
        "POST", "/enrol", "agent_enrol", "Trade a one-time code for an enrolment",
        "Not signed: the station is not known yet, and `proof` shows that it holds its key. The same key under the "
        "same code gets the same answer again.",
        EnrolmentSent, Enrolled, 201, False, (409, 413, 422, 429, 500),
    ),
    AgentCall(
        "GET", "/orders", "agent_orders", "The open work orders of the station’s centre",
        "Each with what a bundle needs beside it. The documents are JSON texts: they go into the bundle byte for byte.",
        None, WorkOrders, 200, True, (403, 500),
    ),
    AgentCall(
        "POST", "/certificates", "agent_certificates", "Hand in a certificate bundle",
        "Answered with a receipt, whether it was accepted or refused. The call is idempotent by the digest.",
        CertificateSent, Receipt, 200, True, (403, 413, 422, 500),
    ),
    AgentCall(
        "POST", "/starts", "agent_starts", "Say that wipes began",
        "Each work order gets a leaf in the public log. Sent again, nothing changes.",
        StartsSent, StartsNoted, 200, True, (403, 404, 413, 422, 500),
    ),
    AgentCall(
        "POST", "/issued", "agent_issued", "Which certificates of the centre are in the log",
        "Each with the key that signed it, so that the monitor of one station knows what the others issued.",
        IssuedAsked, IssuedAfter, 200, True, (403, 413, 422, 500),
    ),
    AgentCall(
        "POST", "/standings", "agent_standings", "Ask how work orders stand",
        "Whether anything may be wiped now under the orders that the station holds: an order may be replaced, its "
        "device held, or a medium found since.",
        OrdersAsked, OrdersStand, 200, True, (403, 413, 422, 500),
    ),
    AgentCall(
        "POST", "/cosignatures", "agent_cosignatures", "Hand in a cosignature of the log",
        "The checkpoint as it was published, signed by the station as a witness. Another checkpoint of the same size "
        "than ours is a conflict: keep it, it is evidence.",
        CosignatureSent, CosignatureTaken, 200, True, (403, 404, 409, 413, 422, 500),
    ),
)  # fmt: skip
