"""The results of the gateway's own tools.

They go to the provider of the model that calls the tools.  So they have ids in the place of
labels, no paths, no sessions, and no e-mail addresses, and their lists are short.  Durations are
in seconds, costs in US dollars.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from antigravity.interfaces.administration import (
    AccountExplanation,
    Explanation,
    MappingStep,
    UpstreamExplanation,
)
from antigravity.interfaces.ledger import (
    AttemptDetail,
    RequestDetail,
    RequestPage,
    RequestSummary,
    Sums,
    UsageReport,
    UsageRow,
)
from antigravity.interfaces.status import (
    GatewayStatus,
    LockStatus,
    ProtectedQuota,
    QueueState,
    QuotaStatus,
)
from antigravity.redaction.credentials import CREDENTIALS

T = TypeVar("T")

#: The most entries of each list in a result, and the longest text in characters.
LIST_LIMIT: Final = 100
_TEXT_LIMIT: Final = 500
_ADDRESS: Final = re.compile(r"[^\s@<>()\"',;:]{1,64}@[A-Za-z0-9.-]{1,255}")


class AccountState(Struct, frozen=True):
    """One account; ``running`` counts its requests."""

    id: str
    upstream: str
    running: int


class ServerState(Struct, frozen=True):
    """The connection to another MCP server."""

    name: str
    state: str
    reason: str
    tools: int


class LedgerHealth(Struct, frozen=True):
    """Whether requests are recorded; ``waiting`` and ``lost`` count rows."""

    enabled: bool
    problem: str
    waiting: int
    lost: int


class StatusResult(Struct, frozen=True, kw_only=True):
    """The state of the gateway.

    ``omitted`` counts the entries that were left out, by list.
    """

    version: str
    demo: bool
    configuration_problem: str
    running_requests: int
    queue: QueueState
    selection_mode: str
    fixed_account: str | None
    accounts: list[AccountState]
    locks: list[LockStatus]
    protected_quotas: list[ProtectedQuota]
    quotas: list[QuotaStatus]
    mcp_servers: list[ServerState]
    ledger: LedgerHealth
    omitted: dict[str, int]


class UsageResult(Struct, frozen=True):
    """Requests added up; ``refused`` counts requests that were not admitted, by reason."""

    since: str
    until: str
    total: Sums
    rows: list[UsageRow]
    omitted_rows: int
    refused: dict[str, int]


class RequestsResult(Struct, frozen=True):
    """A page of requests, newest first; ``next`` is ``before`` of the next page."""

    requests: list[RequestSummary]
    next: str | None


class RequestExplanation(Struct, frozen=True):
    """What happened to one request.

    ``queue`` is how long it waited for its turn or for an account.
    """

    request: RequestSummary
    route: list[str]
    warnings: list[str]
    queue: float
    attempts: list[AttemptDetail]
    omitted_attempts: int


class ModelExplanation(Struct, frozen=True):
    """How a request for a model would be routed now, and why."""

    model: str
    mapped_model: str
    steps: list[MappingStep]
    upstreams: list[UpstreamExplanation]
    accounts: list[AccountExplanation]
    omitted_accounts: int


class ExplainResult(Struct, frozen=True):
    """The explanation of a request, or of a model."""

    request: RequestExplanation | None = None
    model: ModelExplanation | None = None


def status_result(status: GatewayStatus) -> StatusResult:
    """Return the state of the gateway for a model."""
    pool, ledger = status.pool, status.ledger
    omitted: dict[str, int] = {}

    def first(name: str, found: list[T]) -> list[T]:
        if len(found) > LIST_LIMIT:
            omitted[name] = len(found) - LIST_LIMIT
        return found[:LIST_LIMIT]

    return StatusResult(
        version=status.version,
        demo=status.demo,
        configuration_problem=masked(status.configuration.problem),
        running_requests=status.running_requests,
        queue=pool.queue,
        selection_mode=pool.mode,
        fixed_account=pool.fixed,
        accounts=[
            AccountState(each.id, each.upstream, each.running)
            for each in first("accounts", pool.accounts)
        ],
        locks=first("locks", pool.locks),
        protected_quotas=first("protected_quotas", pool.protected),
        quotas=first("quotas", status.quotas),
        mcp_servers=[
            ServerState(each.name, each.state, masked(each.reason), each.tools)
            for each in first("mcp_servers", status.mcp.servers)
        ],
        ledger=LedgerHealth(
            ledger.enabled,
            "Rows cannot be written; the gateway's log says why." if ledger.problem else "",
            ledger.waiting,
            ledger.lost,
        ),
        omitted=omitted,
    )


def usage_result(report: UsageReport, limit: int) -> UsageResult:
    """Return sums for a model."""
    rows = report.rows
    omitted = max(0, len(rows) - limit)
    refused = dict(sorted(report.refused.items(), key=lambda each: -each[1])[:LIST_LIMIT])
    return UsageResult(report.since, report.until, report.total, rows[:limit], omitted, refused)


def requests_result(page: RequestPage) -> RequestsResult:
    """Return a page of requests for a model."""
    return RequestsResult([_summary(each) for each in page.requests], page.next)


def explained_request(detail: RequestDetail) -> ExplainResult:
    """Return what happened to one request."""
    attempts = [
        msgspec.structs.replace(each, error=each.error and masked(each.error))
        for each in detail.attempts[:LIST_LIMIT]
    ]
    return ExplainResult(
        request=RequestExplanation(
            _summary(detail.request),
            [masked(each) for each in detail.route[:LIST_LIMIT]],
            [masked(each) for each in detail.warnings[:LIST_LIMIT]],
            detail.queue,
            attempts,
            len(detail.attempts) - len(attempts),
        )
    )


def explained_model(found: Explanation) -> ExplainResult:
    """Return how a model would be routed."""
    accounts = [
        msgspec.structs.replace(each, reason=masked(each.reason))
        for each in found.accounts[:LIST_LIMIT]
    ]
    return ExplainResult(
        model=ModelExplanation(
            found.model,
            found.mapped_model,
            found.steps[:LIST_LIMIT],
            found.upstreams[:LIST_LIMIT],
            accounts,
            len(found.accounts) - len(accounts),
        )
    )


def masked(text: str) -> str:
    """Return a text without credentials and addresses of accounts, shortened."""
    text = _ADDRESS.sub(lambda found: f"***@{found[0].partition('@')[2]}", CREDENTIALS.redact(text))
    return text if len(text) <= _TEXT_LIMIT else f"{text[:_TEXT_LIMIT]}…"


def _summary(summary: RequestSummary) -> RequestSummary:
    return msgspec.structs.replace(
        summary, session=None, error=summary.error and masked(summary.error)
    )
