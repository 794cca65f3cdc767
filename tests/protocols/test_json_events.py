"""What the protocol of a plugin gets for free: a decoder of JSON events, errors and a tap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import EncodedRequest, IClientProtocol, ITap
from antigravity.ir.capabilities import Target, Traits
from antigravity.ir.errors import (
    ContextLengthError,
    DeadlineError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RateLimitedError,
    UpstreamCredentialError,
    UpstreamError,
)
from antigravity.ir.events import (
    Event,
    Finish,
    ResponseStart,
    StreamFailure,
    TextDelta,
    UsageUpdate,
)
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage
from antigravity.protocols.client_protocol import ClientProtocol
from antigravity.protocols.json_events import JsonEventDecoder, object_in, upstream_error
from antigravity.sse import ServerSentEvent


class Decoder(JsonEventDecoder):
    def read(self, name: str, data: dict[str, Any]) -> Iterable[Event]:
        match name:
            case "text":
                yield TextDelta(data["text"])
            case "number":
                yield TextDelta(str(int(data["list"][0])))
            case "end":
                yield Finish("stop")
            case "usage":
                yield UsageUpdate(Usage(output=data["output"]))
            case "error":
                raise OverloadedError("Too busy.")


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    return upstream_error(status, headers, object_in(body).get("why"))


CLIENT = ClientProtocol(
    name="own",
    traits=Traits("other"),
    encode=lambda request, target: EncodedRequest(b"{}"),
    decoder=lambda request, target: Decoder(),
    decode_error=decode_error,
    decode_models=lambda body: [],
)


def event(name: str, data: str = "{}") -> ServerSentEvent:
    return ServerSentEvent(name, data.encode())


def test_missing_start_event_is_added() -> None:
    decoder = Decoder()
    assert decoder.decode(event("noise")) == []
    assert decoder.decode(event("text", '{"text": "a"}')) == [ResponseStart(), TextDelta("a")]
    assert decoder.decode(event("text", '{"text": "b"}')) == [TextDelta("b")]


def test_usage_may_follow_the_end() -> None:
    decoder = Decoder()
    decoder.decode(event("end"))
    assert decoder.decode(event("usage", '{"output": 3}')) == [UsageUpdate(Usage(output=3))]
    assert decoder.decode(event("", "[DONE]")) == ()
    assert decoder.close() == ()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("text", "{}", "malformed event 'text' (no 'text')"),
        ("text", "{", "malformed event"),
        ("text", "[]", "malformed event"),
        ("number", '{"list": []}', "IndexError"),
        ("number", '{"list": 1}', "TypeError"),
        ("number", '{"list": ["secret"]}', "ValueError"),
        ("error", "{}", "Too busy."),
    ],
)
def test_malformed_event_ends_the_response_once(name: str, data: str, said: str) -> None:
    decoder = Decoder()
    (failure,) = decoder.decode(event(name, data))
    assert isinstance(failure, StreamFailure)
    assert said in failure.error.message
    assert "secret" not in failure.error.message
    assert decoder.decode(event("text", '{"text": "a"}')) == ()
    assert decoder.close() == ()


def test_exception_of_decoder_is_not_hidden() -> None:
    class Faulty(JsonEventDecoder):
        def read(self, name: str, data: dict[str, Any]) -> Iterable[Event]:
            return self.nonsense  # type: ignore[attr-defined,no-any-return]

    with pytest.raises(AttributeError):
        Faulty().decode(event("text"))


def test_response_without_end_fails() -> None:
    decoder = Decoder()
    decoder.decode(event("text", '{"text": "a"}'))
    (failure,) = decoder.close()
    assert isinstance(failure, StreamFailure)
    assert isinstance(failure.error, UpstreamError)


def test_client_protocol_has_tap() -> None:
    protocol = CLIENT
    assert verifyObject(IClientProtocol, protocol)
    assert protocol.encode_count(Request("m", (), "asking"), Target("m")) is None
    tap = protocol.tap()
    assert verifyObject(ITap, tap)
    tap.watch(event("noise"))
    assert (tap.meaningful, tap.finished, tap.usage, tap.failure) == (False, False, None, None)
    for name, data in (("text", '{"text": "a"}'), ("end", "{}"), ("usage", '{"output": 3}')):
        tap.watch(event(name, data))
    assert (tap.meaningful, tap.finished, tap.usage) == (True, True, Usage(output=3))
    tap.watch(event("error"))
    assert isinstance(tap.failure, OverloadedError)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, UpstreamCredentialError),
        (403, UpstreamCredentialError),
        (404, NotFoundError),
        (422, InvalidRequestError),
        (429, RateLimitedError),
        (500, UpstreamError),
        (503, OverloadedError),
        (504, DeadlineError),
    ],
)
def test_status_selects_error(status: int, kind: type[GatewayError]) -> None:
    error = upstream_error(status, {}, "Because of sk-secret.")
    assert type(error) is kind
    assert error.upstream_status == status
    assert ("sk-secret" in error.message) is (status not in (401, 403))


def test_upstream_error_has_retry_delay_and_context_length_class() -> None:
    assert upstream_error(429, {"retry-after": "7"}).retry_after == 7
    assert upstream_error(429, {"retry-after": "7"}, retry_after=1.5).retry_after == 1.5
    assert isinstance(upstream_error(400, {}, "Too long.", too_long=True), ContextLengthError)
    assert type(upstream_error(500, {}, "Too long.", too_long=True)) is UpstreamError
    assert "status 418" in upstream_error(418, {}, {"no": "text"}).message
    assert object_in(b"[1]") == object_in(b"<html>") == {}
