"""What the practice provider refuses, in the shape in which Stripe refuses it."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An answer that is an error. `status` is the HTTP status; the rest becomes the JSON body.

    A *recorded* error came after the work had begun: it is kept under the idempotency key and replayed,
    and what the operation wrote until then stays (a declined payment is still a payment attempt).
    An error in the parameters is not recorded: the caller may correct them under the same key.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        recorded: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.recorded = recorded
        named = {"code": code, "param": param, **more}
        self.body: dict[str, Any] = {
            "error": {"type": kind, "message": message} | {k: v for k, v in named.items() if v is not None}
        }


def wrong_parameter(message: str, param: str, code: str | None = None) -> ApiError:
    """The request itself is malformed. Nothing is recorded."""
    return ApiError(400, "invalid_request_error", message, code=code, param=param)


def refused(message: str, *, code: str | None = None, param: str | None = None, **more: Any) -> ApiError:
    """The request is well formed, and the state of things does not allow it. Recorded."""
    return ApiError(400, "invalid_request_error", message, code=code, param=param, recorded=True, **more)


def missing(what: str, reference: str, param: str = "id", *, in_path: bool = True) -> ApiError:
    """Nothing has this id: 404 when it stood in the path, 400 when it stood in a parameter."""
    message = f"No such {what}: '{reference}'"
    return ApiError(404 if in_path else 400, "invalid_request_error", message, code="resource_missing", param=param)


def declined(message: str, code: str, decline_code: str | None, **more: Any) -> ApiError:
    """The payer's bank said no. Recorded, and the failed attempt stays on the books."""
    return ApiError(402, "card_error", message, code=code, decline_code=decline_code, recorded=True, **more)
