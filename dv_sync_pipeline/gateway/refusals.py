"""Every reason for which a request is turned away, and how it is answered.

Belongs here: the table, and the answer. What is refused is decided where it is read. No text says
again what the sender said, and none tells what is behind the gateway.
"""

from enum import Enum
from http import HTTPStatus

from starlette.responses import JSONResponse, Response

__all__ = ["Refusal", "refusal_response"]

_CLOSE = {"connection": "close"}
"""The rest of the body is not waited for."""
_TRY_AGAIN = {"retry-after": "1"}


class Refusal(Enum):
    """Why a request is turned away.

    Dataverse repeats a delivery once after 502, 503 and 504, and after nothing else (DATAVERSE
    10.4): 503 stands for what may go better in a moment.

    Attributes:
        reason: as in the metrics.
        status: of the answer.
        text: for the person who looks at the sender's log.

    """

    WRONG_KEY = 401, "the key is missing or wrong"
    NOT_JSON = 415, "the content type must be application/json"
    TOO_LARGE = 413, "the body is too large"
    TOO_SLOW = 408, "the body came too slowly"
    CUT_OFF = 400, "the body is not complete"
    MALFORMED = 400, "expected a webhook of Dataverse, {table, id, kind}, or a list of these"
    BUSY = 503, "too much comes at once"
    NOT_STORED = 503, "the wake-up could not be stored"

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text

    @property
    def is_passing(self) -> bool:
        """The same request may be taken in a moment."""
        return self.status == HTTPStatus.SERVICE_UNAVAILABLE

    @property
    def reason(self) -> str:
        """As in the metrics."""
        return self.name.lower()


def refusal_response(refusal: Refusal) -> Response:
    """The answer: the reason, and nothing of what was sent."""
    headers = _TRY_AGAIN if refusal.is_passing else _CLOSE
    return JSONResponse({"refused": refusal.text}, refusal.status, headers=headers)
