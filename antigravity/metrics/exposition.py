"""The page for Prometheus, written by its client library.

Names that begin with ``gen_ai`` are those of the semantic conventions of OpenTelemetry for
generative AI, as Prometheus writes them: https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from antigravity.ir.genai_names import operation_name
from antigravity.metrics.families import counters, histograms
from antigravity.metrics.requests import Histogram, Labels, RequestMetrics, RequestSums
from antigravity.metrics.state import GatewayNumbers
from antigravity.metrics.state_collector import StateCollector

_GENAI: Final = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
_OWN: Final = ("protocol", "upstream", "model")
_NANO: Final = 1e-9

#: Requests added up by the values of some labels.
_Sums = list[tuple[tuple[str, ...], RequestSums]]


def render(
    requests: RequestMetrics, state: GatewayNumbers, *, old_names: bool
) -> tuple[str, bytes]:
    """Return the media type and the page.  It can be called in a thread.

    :param old_names: whether the names of the conventions until 1.41 are written, too.
    """
    registry = CollectorRegistry()
    registry.register(_RequestCollector(requests, old_names))
    registry.register(StateCollector(state))
    ProcessCollector(registry=registry)
    return CONTENT_TYPE_LATEST, generate_latest(registry)


class _RequestCollector(Collector):
    def __init__(self, requests: RequestMetrics, old_names: bool) -> None:
        self._requests = requests
        self._old_names = old_names
        self._by_genai: _Sums = []
        self._by_own: _Sums = []

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that nothing is collected when it is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return what requests did."""
        sums = list(self._requests.sums.items())
        self._by_genai, self._by_own = _merge(sums, _genai), _merge(sums, _own)
        yield from self._durations()
        yield from self._tokens()
        if self._old_names:
            yield from self._old()
        yield from self._own()
        yield from self._costs()

    def _histograms(
        self, name: str, text: str, choose: Callable[[RequestSums], Histogram]
    ) -> HistogramMetricFamily:
        return histograms(
            name, text, _GENAI, ((labels, choose(sums)) for labels, sums in self._by_genai)
        )

    def _durations(self) -> Iterator[Metric]:
        for name, text, choose in (
            (
                "gen_ai_client_inference_duration_seconds",
                "Duration of requests.",
                lambda sums: sums.duration,
            ),
            (
                "gen_ai_client_inference_time_to_first_chunk_seconds",
                "Time until the response began.",
                lambda sums: sums.first_byte,
            ),
            (
                "gen_ai_server_time_per_output_token_seconds",
                "Time for each token of a stream after the first one.",
                lambda sums: sums.token_time,
            ),
            (
                "gen_ai_client_inference_operation_input_tokens",
                "Input of requests, with what was read from a cache.",
                lambda sums: sums.input_tokens,
            ),
            (
                "gen_ai_client_inference_operation_output_tokens",
                "Output of requests, with reasoning.",
                lambda sums: sums.output_tokens,
            ),
        ):
            yield self._histograms(name, text, choose)

    def _tokens(self) -> Iterator[Metric]:
        for name, text, count in (
            ("input_tokens", "Input, with what was read from a cache.", _input),
            ("output_tokens", "Output, with reasoning.", _output),
        ):
            family = CounterMetricFamily(
                f"gen_ai_client_inference_usage_{name}",
                text,
                labels=(*_GENAI, "gen_ai_token_modality"),
            )
            for labels, sums in self._by_genai:
                for modality, tokens in count(sums).items():
                    family.add_metric((*labels, modality), tokens)
            yield family
        for name, text, attribute in (
            ("cache_read_input_tokens", "Input read from a cache.", "cached"),
            ("cache_write_input_tokens", "Input written to a cache.", "cache_write"),
            ("reasoning_output_tokens", "Reasoning.", "reasoning"),
        ):
            yield counters(
                f"gen_ai_client_inference_usage_{name}",
                text,
                _GENAI,
                ((labels, getattr(sums, attribute)) for labels, sums in self._by_genai),
            )

    def _old(self) -> Iterator[Metric]:
        yield self._histograms(
            "gen_ai_client_operation_duration_seconds",
            "Duration of requests; the old name.",
            lambda sums: sums.duration,
        )
        yield self._histograms(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "Time until the response began; the old name.",
            lambda sums: sums.first_byte,
        )
        values = [
            ((*labels, kind), histogram)
            for labels, sums in self._by_genai
            for kind, histogram in (("input", sums.input_tokens), ("output", sums.output_tokens))
        ]
        yield histograms(
            "gen_ai_client_token_usage",
            "Tokens of requests; the old name.",
            (*_GENAI, "gen_ai_token_type"),
            values,
        )

    def _own(self) -> Iterator[Metric]:
        for name, text, label, attribute in (
            ("requests", "Finished requests.", "outcome", "outcomes"),
            ("request_errors", "Errors of requests.", "error", "errors"),
            ("retries", "Attempts after another one, by its error.", "error", "retries"),
        ):
            yield counters(
                f"antigravity_{name}",
                text,
                (*_OWN, label),
                [
                    ((*labels, value), number)
                    for labels, sums in self._by_own
                    for value, number in getattr(sums, attribute).items()
                ],
            )
        yield histograms(
            "antigravity_overhead_seconds",
            "What the gateway has added to the time of its upstreams.",
            (),
            [((), self._requests.overhead)],
        )
        yield histograms(
            "antigravity_queue_seconds",
            "How long requests waited for a turn and for accounts.",
            (),
            [((), self._requests.queue)],
        )

    def _costs(self) -> Iterator[Metric]:
        for name, text, attribute, unit in (
            ("cost_dollars", "What requests cost, by the ledger.", "cost", _NANO),
            ("list_cost_dollars", "What they cost without a flat rate.", "list_cost", _NANO),
            ("unpriced_requests", "Requests whose price is unknown.", "unpriced", 1),
        ):
            yield counters(
                f"antigravity_{name}",
                text,
                _OWN,
                ((labels, getattr(sums, attribute) * unit) for labels, sums in self._by_own),
            )


def _merge(
    sums: Iterable[tuple[Labels, RequestSums]], choose: Callable[[Labels], tuple[str, ...]]
) -> _Sums:
    """Return sums for fewer labels: no two samples of a family may have the same ones."""
    merged: dict[tuple[str, ...], RequestSums] = {}
    for labels, each in sums:
        merged.setdefault(choose(labels), RequestSums()).merge(each)
    return list(merged.items())


def _genai(labels: Labels) -> tuple[str, str, str]:
    return operation_name(labels.operation), labels.upstream, labels.model


def _own(labels: Labels) -> tuple[str, str, str]:
    return labels.protocol, labels.upstream, labels.model


def _input(sums: RequestSums) -> dict[str, int]:
    return _by_modality(sums.input, sums.image_input, sums.audio_input)


def _output(sums: RequestSums) -> dict[str, int]:
    return _by_modality(sums.output, sums.image_output, sums.audio_output)


def _by_modality(total: int, image: int, audio: int) -> dict[str, int]:
    parts = {"image": image, "audio": audio}
    found = {name: count for name, count in parts.items() if count}
    return {"text" if found else "unknown": max(0, total - image - audio), **found}
