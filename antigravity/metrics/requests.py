"""Adds up finished requests for monitoring.  One look-up and some additions for each request."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import Final

from msgspec import Struct, field

from antigravity.ir.record import ExchangeRecord

#: Bounds of durations in seconds, as the semantic conventions of OpenTelemetry have them.
DURATIONS: Final = tuple(0.01 * 2**power for power in range(14))
#: Bounds of the gateway's own times in seconds.
OVERHEADS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
#: Bounds of the time for one token of output in seconds, and of numbers of tokens, likewise.
TOKEN_TIMES: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKENS: Final = tuple(float(4**power) for power in range(14))
#: The most combinations of labels; further models are counted as :data:`OTHER`.
_LIMIT: Final = 500
OTHER: Final = "other"
_NAME_LIMIT: Final = 100


class Histogram(Struct):
    """How many values there were up to each bound, and above the last one."""

    bounds: tuple[float, ...] = DURATIONS
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def merge(self, other: Histogram) -> None:
        """Add all values of another one with the same bounds."""
        self.counts = list(map(int.__add__, self.counts, other.counts))
        self.total += other.total

    def buckets(self) -> list[tuple[str, int]]:
        """Return the cumulative counts with their bounds, as Prometheus wants them."""
        names = [*map(repr, self.bounds), "+Inf"]
        return list(zip(names, accumulate(self.counts), strict=True))


class Labels(Struct, frozen=True):
    """What a sum is for; ``model`` is the served one."""

    operation: str
    protocol: str
    upstream: str
    model: str


class RequestSums(Struct):
    """The requests with the same labels, added up.

    ``errors`` counts requests by the kind of their error, ``retries`` attempts by that of the
    attempt before.  ``token_time`` is the time for one token of streamed output.  ``cost`` and
    ``list_cost`` are in nanodollars; ``unpriced`` counts requests with tokens whose price is
    unknown.
    """

    duration: Histogram = field(default_factory=Histogram)
    first_byte: Histogram = field(default_factory=Histogram)
    token_time: Histogram = field(default_factory=lambda: Histogram(TOKEN_TIMES))
    input_tokens: Histogram = field(default_factory=lambda: Histogram(TOKENS))
    output_tokens: Histogram = field(default_factory=lambda: Histogram(TOKENS))
    outcomes: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    retries: dict[str, int] = field(default_factory=dict)
    cost: int = 0
    list_cost: int = 0
    unpriced: int = 0
    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    image_input: int = 0
    image_output: int = 0
    audio_input: int = 0
    audio_output: int = 0

    def merge(self, other: RequestSums) -> None:
        """Add all requests of another one."""
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, Histogram):
                mine.merge(theirs)
            elif isinstance(mine, dict):
                for key, number in list(theirs.items()):
                    mine[key] = mine.get(key, 0) + number
            else:
                setattr(self, name, mine + theirs)


class RequestMetrics:
    """All requests since the start of the gateway.

    :ivar overhead: what the gateway has added to the time of its upstreams.
    :ivar queue: how long requests waited for a turn and for accounts.
    """

    def __init__(self) -> None:
        self.sums: dict[Labels, RequestSums] = {}
        self.overhead = Histogram(OVERHEADS)
        self.queue = Histogram(OVERHEADS)
        self._known: dict[tuple[str, str, str, str], RequestSums] = {}

    def add(self, record: ExchangeRecord) -> None:
        """Add a finished request."""
        attempts = record.attempts
        upstream = attempts[-1].upstream if attempts else ""
        key = (record.operation, record.protocol, upstream, record.mapped_model)
        sums = self._known.get(key) or self._find(key)
        sums.outcomes[record.outcome] = sums.outcomes.get(record.outcome, 0) + 1
        sums.duration.add(record.duration or 0.0)
        if record.first_byte is not None:
            sums.first_byte.add(record.first_byte)
        if len(attempts) > 1:
            for attempt in attempts[:-1]:
                _count(sums.retries, attempt.error)
        if record.error is not None:
            _count(sums.errors, record.error)
        times = record.times
        self.overhead.add(times.overhead)
        self.queue.add(times.queue)
        usage = record.usage
        if usage is not None:
            sums.input_tokens.add(usage.input_total)
            sums.output_tokens.add(usage.output)
            if record.stream and usage.output > 1 and record.first_byte is not None:
                seconds = (record.duration or 0.0) - record.first_byte
                sums.token_time.add(seconds / (usage.output - 1))
            sums.input += usage.input_total
            sums.cached += usage.cached
            sums.cache_write += usage.cache_write
            sums.output += usage.output
            sums.reasoning += usage.reasoning
            if usage.image_input or usage.image_output or usage.audio_input or usage.audio_output:
                sums.image_input += usage.image_input
                sums.image_output += usage.image_output
                sums.audio_input += usage.audio_input
                sums.audio_output += usage.audio_output

    def add_cost(
        self, key: tuple[str, str, str, str], cost: int | None, list_cost: int | None
    ) -> None:
        """Add what a finished request cost, in nanodollars; ``None`` if the price is unknown.

        :param key: its operation, protocol, upstream and served model.
        """
        sums = self._known.get(key) or self._find(key)
        if cost is None:
            sums.unpriced += 1
        else:
            sums.cost += cost
            sums.list_cost += list_cost or 0

    def _find(self, key: tuple[str, str, str, str]) -> RequestSums:
        """Return the sums for labels; those of too many models are counted together.

        A model that no upstream was asked for has no name here: clients choose it.
        """
        operation, protocol, upstream, model = key
        # Names of models can hold halves of characters, which the page cannot.
        name = model[:_NAME_LIMIT].encode("utf-8", "replace").decode() if upstream else ""
        labels = Labels(operation, protocol, upstream, name)
        if len(self.sums) >= _LIMIT and labels not in self.sums:
            labels = Labels(operation, protocol, upstream, OTHER)
        found = self.sums.get(labels)
        if found is None:
            found = self.sums[labels] = RequestSums()
        if len(self._known) < 2 * _LIMIT:
            self._known[key] = found
        return found


def _count(counts: dict[str, int], error: str | None) -> None:
    """Count an error by its kind, the beginning of ``KIND: TEXT``."""
    kind = "" if error is None else error.partition(":")[0][:_NAME_LIMIT]
    counts[kind] = counts.get(kind, 0) + 1
