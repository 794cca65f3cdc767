"""A warm-up: one tiny request at one account, sent and recorded as those of clients are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from antigravity.exchange.attempts.upstream_call import Refused, UpstreamCall
from antigravity.exchange.recorder import Recorder
from antigravity.exchange.services import Services
from antigravity.exchange.snapshot import Snapshot
from antigravity.exchange.streams.event_source import EventSource
from antigravity.interfaces.accounts import ILease, LeaseRequest, UpstreamModel
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.call import Call, Route
from antigravity.ir.errors import (
    CancelledByClientError,
    DeadlineError,
    GatewayError,
    NotFoundError,
)
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request, ThinkingConfig
from antigravity.ir.usage import Usage
from antigravity.lowering.pipeline import lower
from antigravity.routing.router import Candidate

#: What stands for the client's protocol in records.
PROTOCOL: Final = "internal"
ROUTE: Final = Route("POST", "/internal/warmup", "generate")
#: The least that every upstream takes.
MAX_TOKENS: Final = 16
#: Seconds that one may take.
LIMIT: Final = 60.0
#: Bytes of its answer.
RESPONSE_LIMIT: Final = 1024 * 1024


class Warmup(Struct, frozen=True):
    """Which account (the id of a credential) is to be asked, for which model of its upstream.

    ``project`` is for Code Assist; empty: the account's own.
    """

    upstream: str
    credential: str
    model: str
    project: str = ""


async def warm_up(
    services: Services, snapshot: Snapshot, warmup: Warmup, begun: Callable[[], None]
) -> None:
    """Send a warm-up; ``begun`` is called when nothing keeps it any more.

    :raises GatewayError: before that, if the account can't be used now; after it, if the
        upstream has failed or refused it.
    """
    candidate = snapshot.router.direct(warmup.upstream, warmup.model)
    if candidate is None:
        raise NotFoundError(f"There is no upstream {warmup.upstream!r}.", code="no_upstream")
    option = UpstreamModel(candidate.upstream.name, candidate.target.model)
    lease_request = LeaseRequest((option,), only=warmup.credential, probe="forced")
    lease: ILease = await snapshot.pool.lease(lease_request, 0.0)
    begun()
    call = Call(ROUTE, {}, {}, {}, b"", request_id=services.new_id("warmup_"))
    recorder = Recorder(services, PROTOCOL, call)
    recorder.begin(warmup.model, stream=True)
    recorder.attempt(candidate, lease.credential, passed=False)
    try:
        usage = await _answer(services, candidate, _with_project(lease.credential, warmup.project))
    except Refused as refused:
        error = refused.error
    except GatewayError as failure:
        error = failure
    except CancelledError:
        lease.release()
        recorder.end(CancelledByClientError("The warm-up was cancelled."), None)
        raise
    except Exception:
        lease.release()
        recorder.end(GatewayError("The gateway failed; its log says why."), None)
        raise
    else:
        lease.succeeded()
        recorder.end(None, usage)
        return
    lease.failed(error)
    recorder.end(error, None)
    raise error


def _answer(
    services: Services, candidate: Candidate, credential: Credential
) -> Deferred[Usage | None]:
    """Return a Deferred that fires with the usage once the upstream has answered."""
    asking = Deferred.fromCoroutine(_ask(services, candidate, credential))
    return asking.addTimeout(LIMIT, services.clock, onTimeoutCancel=_too_slow)


async def _ask(services: Services, candidate: Candidate, credential: Credential) -> Usage | None:
    client, target = candidate.client, candidate.target
    lowered = lower(_request(candidate), client.traits, target, client.name)
    body = client.encode(lowered.request, target).body
    call = UpstreamCall(candidate, credential, "stream", body)
    response = await call.send(services.transport)
    source = EventSource(
        client.decoder(lowered.request, target),
        lowered.pipeline,
        candidate.upstream.unwrap if candidate.upstream.wraps() else None,
        None,
        lambda: 0,
        lines=client.traits.json_lines,
    )
    source.feed(await response.collect(RESPONSE_LIMIT))
    source.end(None)
    if source.failure is not None:
        raise source.failure
    return source.usage


def _request(candidate: Candidate) -> Request:
    """Return the tiny request; a model that can answer with more is asked for text."""
    outputs = candidate.target.capabilities.outputs
    return Request(
        candidate.target.model,
        (Message("user", (Text("Hi"),)),),
        PROTOCOL,
        stream=True,
        max_output_tokens=MAX_TOKENS,
        thinking=ThinkingConfig("off"),
        modalities=("text",) if len(outputs) > 1 else (),
    )


def _with_project(credential: Credential, project: str) -> Credential:
    if not project:
        return credential
    return replace(credential, extra={**credential.extra, "project": project})


def _too_slow(result: Usage | Failure | None, timeout: float) -> Usage | Failure | None:
    """Turn what a cancelled request gives into an error that says why."""
    if isinstance(result, Failure) and result.check(CancelledError, GatewayError):
        raise DeadlineError(f"The upstream did not answer within {timeout:g} seconds.")
    return result
