"""Writes the names of headers as Dataverse does: `OData-EntityId`, not `odata-entityid`.

HTTP does not mind and uvicorn writes them in lower case; but Microsoft's asynchronous Python client
looks for them in a dict that does mind. Belongs here: spelling. Does not belong here: values.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["spelled"]

_NAMES = (
    b"Allow",
    b"Cache-Control",
    b"Content-Disposition",
    b"Content-Type",
    b"ETag",
    b"Location",
    b"OData-EntityId",
    b"OData-Version",
    b"Preference-Applied",
    b"REQ_ID",
    b"Retry-After",
    b"Set-Cookie",
    b"WWW-Authenticate",
)
"""Headers of Dataverse that are not in lower case; those that uvicorn reads itself are missing."""


class _AsWritten(bytes):
    """A name that stays as it is, even if it is asked for in lower case."""

    __slots__ = ()

    def lower(self) -> bytes:
        return self


_SPELLINGS = {name.lower(): _AsWritten(name) for name in _NAMES}


class _Speller:
    """Stands between an application and the server's `send`.

    `transport` is that of the server's own object, for those who have to break the connection.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.transport = getattr(getattr(send, "__self__", None), "transport", None)

    async def send(self, message: Message) -> None:
        """Pass the message on with its header names spelled out."""
        if message["type"] == "http.response.start":
            headers = [
                (_SPELLINGS.get(name.lower(), name), value) for name, value in message["headers"]
            ]
            message = {**message, "headers": headers}
        await self._send(message)


def spelled(application: ASGIApp) -> ASGIApp:
    """The same application with its header names spelled as Dataverse does."""

    async def speak(scope: Scope, receive: Receive, send: Send) -> None:
        await application(scope, receive, _Speller(send).send)

    return speak
