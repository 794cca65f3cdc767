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
#: The most combinations of labels; further models are counted as :data:`OTHER`.
_LIMIT: Final = 500
OTHER: Final = "other"
_NAME_LIMIT: Final = 100
#: What an error of no class of the gateway is called.
_NO_ERROR: Final = ""


class Histogram(Struct):
    """How many values there were up to each bound, and above the last one."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

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
    """The requests with the same labels, added up.  ``errors`` counts by kind."""

    duration: Histogram = field(default_factory=lambda: Histogram(DURATIONS))
    first_byte: Histogram = field(default_factory=lambda: Histogram(DURATIONS))
    outcomes: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    retries: int = 0
    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    image_input: int = 0
    image_output: int = 0
    audio_input: int = 0
    audio_output: int = 0


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
            sums.retries += len(attempts) - 1
        if record.error is not None:
            kind = record.error.partition(":")[0][:_NAME_LIMIT]
            sums.errors[kind] = sums.errors.get(kind, 0) + 1
        times = record.times
        self.overhead.add(times.overhead)
        self.queue.add(times.queue)
        usage = record.usage
        if usage is not None:
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
