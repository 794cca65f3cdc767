"""The attempts of one request for an answer, until one of them begins to answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from antigravity.exchange.native import attempt_native
from antigravity.exchange.translated import attempt_translated
from antigravity.exchange.upstream_call import Refused
from antigravity.exchange.work import Work
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.protocols import ICompleteness
from antigravity.interfaces.upstreams import Credential, UpstreamOperation
from antigravity.ir.errors import GatewayError, UnavailableError, UpstreamCredentialError
from antigravity.routing.router import Candidate, Decision

#: Attempts for one request at the most; all before the first byte went to the client.
MAX_ATTEMPTS = 3


async def generate(work: Work, decision: Decision) -> Reply:
    """Return the reply of the first attempt that succeeds.

    An attempt that fails in a way that another account may not is followed by another one.

    :raises GatewayError: the last attempt's error.
    """
    last: GatewayError | None = None
    refusal: Reply | None = None
    for candidate, credential in _plan(work, decision):
        passed = _passes(candidate, work)
        work.recorder.attempt(candidate, credential, passed=passed)
        try:
            if passed:
                return await attempt_native(work, candidate, credential)
            return await attempt_translated(work, candidate, credential)
        except Refused as refused:
            last = refused.error
            refusal = _refusal(refused, native=passed)
        except GatewayError as error:
            last, refusal = error, None
        work.recorder.failed(last)
        if not last.retryable:
            break
    if last is None:
        raise _no_credential(decision)
    if refusal is not None:
        work.recorder.end(last, None)
        return refusal
    raise last


def _passes(candidate: Candidate, work: Work) -> bool:
    if not candidate.native:
        return False
    operation: UpstreamOperation = "stream" if work.head.stream else "generate"
    body = work.call.body
    if not candidate.upstream.passes(candidate.client.name, operation, body):
        return False
    protocol = work.protocol
    if not ICompleteness.providedBy(protocol):
        return True
    return bool(cast(ICompleteness, protocol).is_complete(body, candidate.target.capabilities))


def _plan(work: Work, decision: Decision) -> Iterator[tuple[Candidate, Credential]]:
    """Yield what to try: each candidate with each of its credentials, up to the limit."""
    attempts = 0
    for candidate in decision.candidates:
        used: frozenset[str] = frozenset()
        while attempts < MAX_ATTEMPTS:
            credential = work.snapshot.credentials.lease(candidate.upstream.name, used)
            if credential is None or credential.id in used:
                break
            used |= {credential.id}
            attempts += 1
            yield candidate, credential


def _refusal(refused: Refused, *, native: bool) -> Reply | None:
    """Return the upstream's own error answer for a client of the same protocol.

    Trouble with our credential is not the client's, and what is no JSON is no error shape.
    """
    error = refused.error
    if not native or isinstance(error, UpstreamCredentialError):
        return None
    if "json" not in refused.content_type or not refused.body.lstrip().startswith((b"{", b"[")):
        return None
    headers = () if error.retry_after is None else (("Retry-After", _seconds(error.retry_after)),)
    return Reply(error.upstream_status or error.status, refused.content_type, headers, refused.body)


def _seconds(delay: float) -> str:
    return str(max(1, round(delay + 0.4999)))


def _no_credential(decision: Decision) -> UnavailableError:
    names = ", ".join(sorted({c.upstream.name for c in decision.candidates}))
    return UnavailableError(
        f"No credential for {names}: add one with 'antigravity accounts add', or set api_key in "
        "the configuration file.",
        code="no_credential",
    )
