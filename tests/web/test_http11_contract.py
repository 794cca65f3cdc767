"""Every private name of ``twisted.web`` that the gateway uses means what the gateway takes it for.

If a test fails after an update of Twisted, correct the module that the message names.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import twisted
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web import client, http
from twisted.web._newclient import HTTP11ClientProtocol
from twisted.web._newclient import Request as ClientRequest
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

ROOT = Path(__file__).parents[2]
CLIENT = "antigravity/transport/http11.py"


@implementer(IBodyProducer)
class EndlessBody:
    """A body that is never complete."""

    length = 100

    def startProducing(self, consumer: Any) -> Deferred[None]:
        return Deferred()

    def stopProducing(self) -> None:
        pass

    pauseProducing = resumeProducing = stopProducing


class ClientSide:
    """A connection of Twisted's client that has sent a request."""

    def __init__(self, *received: bytes, body: Any = None, kind: Any = HTTP11ClientProtocol):
        self.quiescent: list[Any] = []
        self.connection: Any = kind(self.quiescent.append)
        self.transport = StringTransport()
        self.connection.makeConnection(self.transport)
        headers = Headers({b"host": [b"h"]})
        request = ClientRequest(b"POST", b"/", headers, body, persistent=True)
        self.response: Any = self.connection.request(request)
        self.response.addErrback(lambda _: None)
        for data in received:
            self.connection.dataReceived(data)


def overridden(owner: type, name: str, run: Callable[[type], object]) -> bool:
    """Return whether Twisted calls the method ``name`` of a subclass of ``owner``."""
    called: list[Any] = []
    original = getattr(owner, name)

    def method(self: Any, *arguments: Any) -> Any:
        called.append(arguments)
        return original(self, *arguments)

    run(type("Subclass", (owner,), {name: method}))
    return bool(called)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


def parser_of(*received: bytes) -> Any:
    return ClientSide(*received).connection._parser


def ends_early(kind: type) -> None:
    side = ClientSide(HEAD + b"ok", body=EndlessBody(), kind=kind)
    assert side.connection is not None


def lost_while_sending(kind: type) -> None:
    side = ClientSide(body=EndlessBody(), kind=kind)
    side.connection.connectionLost(Failure(ConnectionLost()))


def lost_while_waiting(kind: type) -> None:
    side = ClientSide(kind=kind)
    side.connection.connectionLost(Failure(ConnectionLost()))


def answers_request_deferred() -> bool:
    """Return whether a response that is given by hand goes the way of others."""
    side = ClientSide(body=EndlessBody())
    connection = side.connection
    connection._responseDeferred.chainDeferred(connection._finishedRequest)
    connection.dataReceived(HEAD)
    return side.response.result.code == 200  # type: ignore[no-any-return]


def disconnected_parser() -> bool:
    side = ClientSide(HEAD)
    ended: list[Any] = []
    reader = Protocol()
    reader.connectionLost = lambda reason=None: ended.append(reason.value)  # type: ignore[method-assign, assignment]
    side.response.result.deliverBody(reader)
    side.connection._disconnectParser(Failure(KeyError("why")))
    return len(ended) == 1 and side.connection._parser is None


def quiescent() -> bool:
    side = ClientSide(HEAD)
    side.response.result.deliverBody(Protocol())
    side.connection.dataReceived(b"ok")
    return side.quiescent == [side.connection] and side.connection._state == "QUIESCENT"


def pool_factory() -> bool:
    """Return whether a pool makes its connections by the factory of its class."""
    made: list[Any] = []

    class Factory(client._HTTP11ClientFactory):
        def __init__(self, *arguments: Any) -> None:
            made.append(arguments)
            super().__init__(*arguments)

    class Pool(client.HTTPConnectionPool):
        _factory = Factory

    class Endpoint:
        def connect(self, factory: Any) -> Deferred[Any]:
            made.append(factory._quiescentCallback)
            return Deferred()

    Pool(Clock()).getConnection("key", Endpoint())
    return len(made) == 2 and callable(made[1])


def data_loss() -> bool:
    """Return whether a decoder that raises it makes the body fail."""
    side = ClientSide(b"HTTP/1.1 200 OK\r\n\r\nbody")
    ended: list[Any] = []
    reader = Protocol()
    reader.connectionLost = lambda reason=None: ended.append(reason.value)  # type: ignore[method-assign, assignment]
    side.response.result.deliverBody(reader)

    class Decoder:
        def noMoreData(self) -> None:
            raise http._DataLoss

    side.connection._parser.bodyDecoder = Decoder()
    side.connection.connectionLost(Failure(ConnectionDone()))
    return isinstance(ended[0], client.ResponseFailed)


class Name(NamedTuple):
    """A private name, the module that uses it, and a check that it is what it was."""

    owner: str
    name: str
    module: str
    meaning: str
    holds: Callable[[], object]


CONNECTION = "HTTP11ClientProtocol"
NAMES = [
    Name(
        CONNECTION,
        "_state",
        CLIENT,
        "the state by name",
        lambda: (
            (
                ClientSide(body=EndlessBody()).connection._state,
                ClientSide().connection._state,
            )
            == ("TRANSMITTING", "WAITING")
        ),
    ),
    Name(
        CONNECTION,
        "_parser",
        CLIENT,
        "the parser of the response",
        lambda: (parser_of().state, parser_of(HEAD).state) == ("STATUS", "BODY"),
    ),
    Name(
        CONNECTION,
        "_responseDeferred",
        CLIENT,
        "fires with the response once the request is sent",
        answers_request_deferred,
    ),
    Name(
        CONNECTION,
        "_finishedRequest",
        CLIENT,
        "is what request() has returned",
        lambda: (side := ClientSide()).connection._finishedRequest is side.response,
    ),
    Name(
        CONNECTION,
        "_currentRequest",
        CLIENT,
        "the request that is sent",
        lambda: callable(ClientSide().connection._currentRequest.stopWriting),
    ),
    Name(
        CONNECTION,
        "_finishResponse_TRANSMITTING",
        CLIENT,
        "called at the end of a response before the end of its request",
        lambda: overridden(HTTP11ClientProtocol, "_finishResponse_TRANSMITTING", ends_early),
    ),
    Name(
        CONNECTION,
        "_connectionLost_TRANSMITTING",
        CLIENT,
        "called when the connection is lost while a request is sent",
        lambda: overridden(
            HTTP11ClientProtocol, "_connectionLost_TRANSMITTING", lost_while_sending
        ),
    ),
    Name(
        CONNECTION,
        "_connectionLost_WAITING",
        CLIENT,
        "called when the connection is lost after a request is sent",
        lambda: overridden(HTTP11ClientProtocol, "_connectionLost_WAITING", lost_while_waiting),
    ),
    Name(
        CONNECTION,
        "_disconnectParser",
        CLIENT,
        "ends the response with a reason",
        disconnected_parser,
    ),
    Name(
        "HTTPConnectionPool",
        "_factory",
        CLIENT,
        "the class that makes the factory of connections",
        pool_factory,
    ),
    Name(
        "twisted.web.client",
        "_HTTP11ClientFactory",
        CLIENT,
        "the factory of connections",
        pool_factory,
    ),
    Name(
        "_HTTP11ClientFactory",
        "_quiescentCallback",
        CLIENT,
        "called with a connection that is free again",
        lambda: pool_factory() and quiescent(),
    ),
    Name("twisted.web.http", "_DataLoss", CLIENT, "raised for a body that is cut off", data_loss),
    Name(
        "twisted.web",
        "_newclient",
        CLIENT,
        "the module of the client's protocol",
        lambda: HTTP11ClientProtocol.__module__ == "twisted.web._newclient",
    ),
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.name)
def test_private_name_has_its_meaning(name: Name) -> None:
    try:
        holds = name.holds()
    except (AttributeError, TypeError) as error:
        holds, problem = False, f": {error}"
    else:
        problem = ""
    assert holds, (
        f"In Twisted {twisted.__version__}, {name.owner}.{name.name} is not {name.meaning} any "
        f"more{problem}. Correct {name.module}."
    )


def private_names(tree: ast.AST) -> tuple[set[str], set[str]]:
    """Return the private names that a module uses, and those that it assigns or defines."""
    used: set[str] = set()
    defined: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name, ctx=context):
                used.add(name)
                if isinstance(context, ast.Store):
                    defined.add(name)
            case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=name), *_]):
                used.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                defined.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                defined.add(name)
            case ast.ImportFrom(module=str(module), names=aliases):
                used.update(module.split("."), (alias.name for alias in aliases))
    return {name for name in used if is_private(name)}, defined


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def modules(*rooms: str) -> Iterator[tuple[str, ast.AST]]:
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text("utf-8"))


def test_every_private_name_has_a_check() -> None:
    checked = {name.name for name in NAMES}
    used, defined = private_names(ast.parse((ROOT / CLIENT).read_text("utf-8")))
    assert used - defined - checked == set()
    assert checked - used - defined == set()


def test_no_other_module_uses_private_names() -> None:
    names = {name.name for name in NAMES}
    for path, tree in modules("antigravity/web", "antigravity/transport"):
        if path != CLIENT:
            used, defined = private_names(tree)
            assert (used & names) - defined == set(), path


def test_no_other_module_imports_private_names_of_twisted() -> None:
    for path, tree in modules("antigravity"):
        if path == CLIENT:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("twisted"):
                parts = [*str(node.module).split("."), *(alias.name for alias in node.names)]
                assert not any(map(is_private, parts)), f"{path}: {ast.unparse(node)}"
