"""The page for Prometheus, written by its client library.

Names that begin with ``gen_ai`` are those of the semantic conventions of OpenTelemetry for
generative AI, as Prometheus writes them: https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from antigravity.ir.genai_names import operation_name
from antigravity.metrics.requests import Histogram, Labels, RequestMetrics, RequestSums
from antigravity.metrics.state import GatewayState

_GENAI: Final = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
_OWN: Final = ("protocol", "upstream", "model")


def render(requests: RequestMetrics, state: GatewayState, *, old_names: bool) -> tuple[str, bytes]:
    """Return the media type and the page.  It can be called in a thread.

    :param old_names: whether the names of the conventions until 1.41 are written, too.
    """
    registry = CollectorRegistry()
    registry.register(_RequestCollector(requests, old_names))
    registry.register(_StateCollector(state))
    return CONTENT_TYPE_LATEST, generate_latest(registry)


class _RequestCollector(Collector):
    def __init__(self, requests: RequestMetrics, old_names: bool) -> None:
        self._requests = requests
        self._old_names = old_names

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that nothing is collected when it is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return what requests did."""
        items = list(self._requests.sums.items())
        yield from self._genai(items)
        if self._old_names:
            yield from self._old(items)
        yield from self._own(items)

    def _genai(self, items: list[tuple[Labels, RequestSums]]) -> Iterator[Metric]:
        yield _histogram(
            "gen_ai_client_inference_duration_seconds",
            "Duration of requests.",
            _GENAI,
            ((_genai(labels), sums.duration) for labels, sums in items),
        )
        yield _histogram(
            "gen_ai_client_inference_time_to_first_chunk_seconds",
            "Time until the response began.",
            _GENAI,
            ((_genai(labels), sums.first_byte) for labels, sums in items),
        )
        for name, text, count in (
            ("input_tokens", "Input, with what was read from a cache.", _input),
            ("output_tokens", "Output, with reasoning.", _output),
        ):
            family = CounterMetricFamily(
                f"gen_ai_client_inference_usage_{name}",
                text,
                labels=(*_GENAI, "gen_ai_token_modality"),
            )
            for labels, sums in items:
                for modality, tokens in count(sums).items():
                    family.add_metric((*_genai(labels), modality), tokens)
            yield family
        for name, text, attribute in (
            ("cache_read_input_tokens", "Input read from a cache.", "cached"),
            ("cache_write_input_tokens", "Input written to a cache.", "cache_write"),
            ("reasoning_output_tokens", "Reasoning.", "reasoning"),
        ):
            yield _counter(
                f"gen_ai_client_inference_usage_{name}",
                text,
                _GENAI,
                ((_genai(labels), getattr(sums, attribute)) for labels, sums in items),
            )

    def _old(self, items: list[tuple[Labels, RequestSums]]) -> Iterator[Metric]:
        yield _histogram(
            "gen_ai_client_operation_duration_seconds",
            "Duration of requests; the old name.",
            _GENAI,
            ((_genai(labels), sums.duration) for labels, sums in items),
        )
        yield _histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "Time until the response began; the old name.",
            _GENAI,
            ((_genai(labels), sums.first_byte) for labels, sums in items),
        )

    def _own(self, items: list[tuple[Labels, RequestSums]]) -> Iterator[Metric]:
        outcomes = CounterMetricFamily(
            "antigravity_requests", "Finished requests.", labels=(*_OWN, "outcome")
        )
        errors = CounterMetricFamily(
            "antigravity_request_errors", "Errors of requests.", labels=(*_OWN, "error")
        )
        for labels, sums in items:
            names = (labels.protocol, labels.upstream, labels.model)
            for outcome, number in list(sums.outcomes.items()):
                outcomes.add_metric((*names, outcome), number)
            for kind, number in list(sums.errors.items()):
                errors.add_metric((*names, kind), number)
        yield outcomes
        yield errors
        yield _counter(
            "antigravity_retries",
            "Attempts after the first one.",
            _OWN,
            (((each.protocol, each.upstream, each.model), sums.retries) for each, sums in items),
        )
        yield _histogram(
            "antigravity_overhead_seconds",
            "What the gateway has added to the time of its upstreams.",
            (),
            [((), self._requests.overhead)],
        )
        yield _histogram(
            "antigravity_queue_seconds",
            "How long requests waited for a turn and for accounts.",
            (),
            [((), self._requests.queue)],
        )


class _StateCollector(Collector):
    def __init__(self, state: GatewayState) -> None:
        self._state = state

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that nothing is collected when it is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return the state of the gateway."""
        state = self._state
        info = InfoMetricFamily("antigravity", "The gateway.")
        info.add_metric((), {"version": state.version, "demo": str(state.demo).lower()})
        yield info
        yield GaugeMetricFamily("antigravity_requests_running", "Running requests.", state.running)
        yield GaugeMetricFamily(
            "antigravity_requests_waiting", "Requests that wait for an account.", state.waiting
        )
        yield CounterMetricFamily(
            "antigravity_wrong_keys", "Requests with a wrong key.", state.wrong_keys
        )
        yield GaugeMetricFamily("antigravity_tunnel_connected", "1 or 0.", int(state.tunnel))
        flights = GaugeMetricFamily(
            "antigravity_account_requests_running", "By account.", labels=("account", "upstream")
        )
        quotas = GaugeMetricFamily(
            "antigravity_account_quota_remaining_ratio",
            "What is left of a quota, from 0 to 1.",
            labels=("account", "upstream", "quota"),
        )
        for each in state.accounts:
            flights.add_metric((each.id, each.upstream), each.in_flight)
            for name, left in each.quota.items():
                quotas.add_metric((each.id, each.upstream, name), left)
        yield flights
        yield quotas
        yield _gauge("antigravity_account_locks", "Locks by reason.", "reason", state.locks)
        yield _gauge("antigravity_mcp_servers", "By state.", "state", state.mcp_servers)
        for name, value in (state.ledger or {}).items():
            yield GaugeMetricFamily(f"antigravity_ledger_{name}", "Of the ledger.", value)


def _genai(labels: Labels) -> tuple[str, str, str]:
    return operation_name(labels.operation), labels.upstream, labels.model


def _input(sums: RequestSums) -> dict[str, int]:
    return _by_modality(sums.input, sums.image_input, sums.audio_input)


def _output(sums: RequestSums) -> dict[str, int]:
    return _by_modality(sums.output, sums.image_output, sums.audio_output)


def _by_modality(total: int, image: int, audio: int) -> dict[str, int]:
    parts = {"image": image, "audio": audio}
    found = {name: count for name, count in parts.items() if count}
    return {"text" if found else "unknown": max(0, total - image - audio), **found}


def _histogram(
    name: str,
    text: str,
    labels: tuple[str, ...],
    values: Iterable[tuple[tuple[str, ...], Histogram]],
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=labels)
    for names, histogram in values:
        family.add_metric(names, buckets=histogram.buckets(), sum_value=histogram.total)
    return family


def _counter(
    name: str, text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], int]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for names, value in values:
        family.add_metric(names, value)
    return family


def _gauge(name: str, text: str, label: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for value, number in values.items():
        family.add_metric((value,), number)
    return family
