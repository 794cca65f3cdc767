"""Checks of kinds of upstream."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

from antigravity.config.errors import ConfigurationError
from antigravity.config.secret import Secret
from antigravity.config.settings import UpstreamSettings
from antigravity.interfaces.embeddings import IEmbeddingKind, IEmbeddingUpstream
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.interfaces.upstreams import Credential, IModelProtocols, IUpstream
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.plugins import describe_error
from antigravity.testing.attempts import Problems, UnexpectedError, attempt
from antigravity.upstreams.services import UpstreamServices

_NOWHERE: Final = "http://127.0.0.1:9"
_KEY: Final = "a-key"


def check_upstream_kind(
    kind: Any, services: UpstreamServices, embedding_protocols: Collection[str]
) -> Problems:
    """Check a kind of upstream: it reports missing settings, or builds an upstream.

    ``embedding_protocols`` are the names of the client protocols for embeddings.
    """
    bare = UpstreamSettings(kind=kind.kind)
    given = UpstreamSettings(kind=kind.kind, base_url=_NOWHERE, api_key=Secret(_KEY))
    upstream = None
    for settings in (bare, given):
        try:
            upstream = kind.build(settings, services)
        except ConfigurationError:
            continue
        try:
            verifyObject(IUpstream, upstream)
        except Invalid as error:
            yield " ".join(str(error).split())
            return
    if upstream is not None:
        yield from _check_names(kind, upstream, services, embedding_protocols)
        yield from _check_upstream(upstream, services)


def _check_names(
    kind: Any, upstream: Any, services: UpstreamServices, embedding_protocols: Collection[str]
) -> Problems:
    if upstream.name != services.name:
        yield f"builds an upstream of the name {upstream.name!r}, not of services.name"
    embeds = IEmbeddingUpstream.providedBy(upstream)
    vectors = upstream.embedding_protocols if embeds else ()
    if not upstream.protocols and not vectors:
        yield "has no protocol"
    special = upstream.model_protocols if IModelProtocols.providedBy(upstream) else ()
    for name in (*upstream.protocols, *special):
        if name not in services.protocols:
            yield f"has the protocol {name!r}, and there is no client protocol of this name"
    for name in vectors:
        if name not in embedding_protocols:
            yield f"has the protocol {name!r}, and there is no such client protocol for embeddings"
    if IEmbeddingKind.providedBy(kind) and not embeds:
        yield "provides IEmbeddingKind, but its upstreams create no embeddings"


def _check_upstream(upstream: Any, services: UpstreamServices) -> Problems:
    credential = Credential("mine-1", services.name, _KEY)
    for name in upstream.protocols[:1]:
        client = services.protocols.get(name)
        operation = "stream" if client is None or client.traits.streams else "generate"
        prepared = attempt(upstream.prepare, operation, name, "a-model", b"{}", credential, {})
        if isinstance(prepared, UnexpectedError | GatewayError):
            problem = prepared if isinstance(prepared, UnexpectedError) else f"raises {prepared!r}"
            yield f"prepare {problem}; report errors through its Deferred"
        elif not isinstance(prepared, Deferred):
            yield from _check_requests(prepared)
        else:
            yield from _check_fired("prepare", prepared, _check_requests)
    yield from _check_fired("models", attempt(upstream.models, credential), _check_nothing)
    for method, argument in (("try_next", UpstreamError("It failed.")), ("wraps", None)):
        call = getattr(upstream, method)
        result = attempt(call) if argument is None else attempt(call, argument)
        if not isinstance(result, bool):
            yield f"{method} returns {result!r}, not a bool"


def _check_fired(method: str, result: object, check: Any) -> Problems:
    if not isinstance(result, Deferred):
        problem = (
            result if isinstance(result, UnexpectedError) else f"returns a {type(result).__name__}"
        )
        yield f"{method} {problem}, not a Deferred"
        return
    fired: list[Any] = []
    failed: list[Any] = []
    result.addCallbacks(fired.append, failed.append)
    result.cancel()  # if it waits for a connection
    for failure in failed:
        if failure.check(GatewayError, CancelledError) is None:
            error = describe_error(failure.value)
            yield f"{method} fails with {error}, which is not a GatewayError"
    for value in fired:
        yield from check(value)


def _check_nothing(value: object) -> Problems:
    return iter(())


def _check_requests(requests: object) -> Problems:
    if not isinstance(requests, Sequence) or isinstance(requests, str | bytes):
        yield f"prepare returns a {type(requests).__name__}, not a sequence of requests"
        return
    if not requests:
        yield "prepare returns no requests"
        return
    for request in requests:
        if not isinstance(request, OutgoingRequest):
            yield f"prepare returns a {type(request).__name__}, not an OutgoingRequest"
            return
        if not str(request.url).startswith(("http://", "https://")):
            yield "prepare returns a request whose url is not an http or https address"
        if not _are_headers(request.headers):
            yield "prepare returns headers that are not pairs of text"


def _are_headers(headers: object) -> bool:
    return isinstance(headers, tuple) and all(
        isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
        for pair in headers
    )
