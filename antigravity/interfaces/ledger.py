"""Questions to the ledger, and its answers: the JSON of the admin API.

Times are in ISO 8601 in answers, and in seconds since the epoch in questions.  Durations are in
seconds, costs in US dollars.  ``client_key`` is the opaque name of a client's API key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field
from twisted.internet.defer import Deferred
from zope.interface import Interface

from antigravity.interfaces.payloads import RequestPayloads

#: The most requests of one page.
PAGE_LIMIT: Final = 500

#: Seconds since the epoch, until 2100: the database could not hold all later times.
Moment = Annotated[float, Meta(ge=0, le=4_102_444_800)]
#: A place in the list of requests, as the database can hold it.
Place = Annotated[int, Meta(ge=0, le=2**63 - 1)]

Outcome = Literal["ok", "error", "cancelled"]
#: What a list can be sorted by: newest, longest, most or most expensive first.
Order = Literal["time", "duration", "first_byte", "tokens", "cost"]
#: The most requests that one page looks at, unless an index finds them.
WINDOW: Final = 20_000
#: What sums can be grouped by: names, and one period of time.
Group = Literal["model", "upstream", "account", "client_key", "client", "hour", "day", "month"]


#: What is looked for: SQLite refuses much longer patterns.
SearchText = Annotated[str, Meta(max_length=1000)]


class RequestQuestion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which requests to list, newest first.

    ``since`` and ``until`` are about the end of a request.  ``model`` is the served one, or the
    requested one if none was served.  ``text`` is looked for in messages of errors, without regard
    to case.  ``before`` is ``next`` of the page before; ``after`` is ``newest`` of an earlier page,
    for the requests that have ended since then.

    With another ``sort`` than ``time``, a page has the first ``limit`` in that order of the newest
    20,000 requests, and ``next`` of it continues with the 20,000 before them.
    """

    since: Moment | None = None
    until: Moment | None = None
    model: str | None = None
    requested_model: str | None = None
    upstream: str | None = None
    account: str | None = None
    client_key: str | None = None
    client: str | None = None
    session: str | None = None
    outcome: Outcome | None = None
    text: SearchText | None = None
    before: Place | None = None
    after: Place | None = None
    sort: Order = "time"
    limit: Annotated[int, Meta(ge=1, le=PAGE_LIMIT)] = 50


class ExportQuestion(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Which requests to export, oldest first, and how.

    ``since`` and ``until`` are about the end of a request; by default all are exported.
    ``payloads`` adds what was sent and received, where it is kept; ``har`` has it always, and
    ``csv`` never.  E-mail addresses are masked unless ``unmasked`` is set.
    """

    since: Moment | None = None
    until: Moment | None = None
    format: Literal["jsonl", "csv", "har"] = "jsonl"
    payloads: bool = False
    unmasked: bool = False
    model: str | None = None
    upstream: str | None = None
    account: str | None = None
    client_key: str | None = None
    client: str | None = None
    session: str | None = None
    outcome: Outcome | None = None


class UsageQuestion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which requests to add up.

    ``by`` lists what the rows are grouped by, separated by commas: see :data:`Group`.  ``zone`` is
    the name of a time zone, whose days and months they are.
    """

    since: Moment | None = None
    until: Moment | None = None
    by: str = ""
    zone: str = "UTC"
    model: str | None = None
    upstream: str | None = None
    account: str | None = None
    client_key: str | None = None
    client: str | None = None


class Tokens(Struct, frozen=True):
    """Numbers of tokens.  All but ``total`` are disjoint parts of it.

    ``cache_write`` was written to a cache for some minutes, ``cache_write_1h`` for an hour.
    """

    total: int = 0
    input: int = 0
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0


class RequestSummary(Struct, frozen=True):
    """One request in a list.

    ``model`` is the name that the client used.  ``cost`` is ``None`` if the price of the model is
    unknown; ``list_cost`` is the cost without an account's flat rate.  ``overhead`` is what the
    gateway has added to the upstream's time.  Clients choose the ``id``, and may use one twice:
    ``reference`` can be used in its place, and names this request alone.
    """

    id: str
    time: str
    protocol: str
    operation: str
    stream: bool
    model: str
    served_model: str
    upstream: str
    account: str
    client: str
    client_key: str
    session: str | None
    outcome: Outcome
    status: int | None
    error: str | None
    attempts: int
    duration: float
    first_byte: float | None
    overhead: float
    tokens: Tokens
    cost: float | None
    list_cost: float | None
    compressed: str | None
    intercepted: str | None
    reference: str = ""


class AttemptDetail(Struct, frozen=True):
    """One attempt of a request; ``started`` and ``ended`` are seconds since its start."""

    upstream: str
    model: str
    account: str
    protocol: str
    passed_through: bool
    status: int | None
    error: str | None
    started: float
    ended: float | None


class RequestDetail(Struct, frozen=True):
    """One request whole; ``queue`` is how long it waited for a turn or an account.

    ``same_id`` has the references of the newest other requests with its id.
    """

    request: RequestSummary
    route: list[str]
    warnings: list[str]
    queue: float
    price_version: str
    attempts: list[AttemptDetail]
    same_id: list[str] = []


class RequestPage(Struct, frozen=True):
    """One page of a list.

    ``next`` is ``before`` of the next page, ``None`` at the end.  A page can have fewer requests
    than there is room for, or none, although there is a next one: a filter without an index looks
    at a limited number of rows.  ``newest`` is ``after`` of a
    later question.  Both are text because they are too large for the numbers of JavaScript.
    """

    requests: list[RequestSummary]
    next: str | None
    newest: str | None


class Sums(Struct, frozen=True):
    """Requests added up.

    ``cost`` is that of the requests whose price is known; ``unpriced`` counts the others that used
    tokens.  ``duration``, ``first_byte`` and ``overhead`` are means, ``None`` without requests.
    """

    requests: int
    errors: int
    cancelled: int
    tokens: Tokens
    cost: float
    list_cost: float
    unpriced: int
    attempts: int
    searches: int
    duration: float | None
    first_byte: float | None
    overhead: float | None


class UsageRow(Struct, frozen=True, omit_defaults=True):
    """The sums of one group; the fields that the question groups by have its names."""

    sums: Sums
    model: str | None = None
    upstream: str | None = None
    account: str | None = None
    client_key: str | None = None
    client: str | None = None
    period: str | None = None


class UsageReport(Struct, frozen=True):
    """The sums of a time range, and of each group in it, those with most requests first.

    ``refused`` counts requests that were refused before they were admitted or read, by reason;
    they are in no other number.
    """

    since: str
    until: str
    total: Sums
    rows: list[UsageRow]
    refused: dict[str, int] = field(default_factory=dict)


class ILedger(Interface):
    """Answers questions about finished requests."""

    def requests(question: RequestQuestion) -> Deferred[RequestPage]:
        """Return a Deferred that fires with a page of requests.

        It fails with an ``UnavailableError`` if there is no ledger, or it cannot be read.
        """

    def request(reference: str) -> Deferred[RequestDetail]:
        """Return a Deferred that fires with one request; it fails with a ``NotFoundError``.

        :param reference: that of a ``RequestSummary``, or an id: that of several requests stands
            for the last one.
        """

    def payloads(reference: str) -> Deferred[RequestPayloads]:
        """Return a Deferred that fires with what was sent and received for a request.

        It fails with a ``NotFoundError`` if there is no such request, or nothing is kept of it.
        """

    def export(question: ExportQuestion) -> Deferred[Callable[[], Deferred[bytes]]]:
        """Return a Deferred that fires with a function that returns the pieces of an export.

        Each call returns a Deferred that fires with the next piece, ``b""`` at the end.  It fails
        with an ``InvalidRequestError`` if the question asks for what a format does not have.
        """

    def usage(question: UsageQuestion) -> Deferred[UsageReport]:
        """Return a Deferred that fires with sums.

        It fails with an ``InvalidRequestError`` if the groups or the time zone are unknown.
        """

    def listen(listener: Callable[[int], None]) -> Callable[[], None]:
        """Call ``listener`` with the number of new requests; return a function that ends that."""
