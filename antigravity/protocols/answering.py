"""A server protocol with one way in: it gives answers, counts nothing and lists nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NoReturn

from zope.interface import implementer

from antigravity.interfaces.protocols import IServerProtocol, IStreamEncoder
from antigravity.interfaces.server_traits import ServerTraits
from antigravity.ir.call import Body, Call, Head, HttpReply, ReplyContext, Route, TokenCount
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import GatewayError, NotFoundError
from antigravity.ir.request import Request
from antigravity.ir.response import Response


@implementer(IServerProtocol)
class AnsweringProtocol(ABC):
    """What is left to fill in of ``IServerProtocol`` if all ``routes`` are to ``generate``."""

    name: ClassVar[str]
    routes: ClassVar[tuple[Route, ...]]
    traits: ClassVar[ServerTraits] = ServerTraits()
    keepalive: ClassVar[bytes] = b""

    @abstractmethod
    def peek(self, call: Call) -> Head:
        """Return model and streaming switch; see ``IServerProtocol``."""

    @abstractmethod
    def decode(self, call: Call) -> Request:
        """Return the request; see ``IServerProtocol``."""

    @abstractmethod
    def encoder(self, context: ReplyContext) -> IStreamEncoder:
        """Return an encoder for one streamed reply."""

    @abstractmethod
    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Return the reply to a call that does not stream."""

    @abstractmethod
    def encode_error(self, error: GatewayError, request_id: str) -> HttpReply:
        """Return the error in the protocol's shape."""

    def with_model(self, call: Call, model: str) -> Body:
        """Return the call's body, for a protocol whose bodies name no model."""
        return call.body

    def encode_count(self, count: TokenCount, call: Call) -> HttpReply:
        """Refuse: nothing is counted."""
        self._refuse("count_tokens")

    def encode_models(self, models: Sequence[Model], call: Call) -> HttpReply:
        """Refuse: nothing is listed."""
        self._refuse("list_models")

    def encode_model(self, model: Model, call: Call) -> HttpReply:
        """Refuse: nothing is listed."""
        self._refuse("get_model")

    def _refuse(self, operation: str) -> NoReturn:
        raise NotFoundError(
            f"The protocol {self.name} has no {operation}.", code="no_such_operation"
        )
