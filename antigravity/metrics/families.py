"""Families of samples, as the client library of Prometheus wants them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from antigravity.metrics.requests import Histogram

Names = tuple[str, ...]


def histograms(
    name: str, text: str, labels: Names, values: Iterable[tuple[Names, Histogram]]
) -> HistogramMetricFamily:
    """Return histograms, each with the values of its labels."""
    family = HistogramMetricFamily(name, text, labels=labels)
    for names, histogram in values:
        family.add_metric(names, buckets=histogram.buckets(), sum_value=histogram.total)
    return family


def counters(
    name: str, text: str, labels: Names, values: Iterable[tuple[Names, float]]
) -> CounterMetricFamily:
    """Return counters, each with the values of its labels; the page adds ``_total``."""
    family = CounterMetricFamily(name, text, labels=labels)
    for names, value in values:
        family.add_metric(names, value)
    return family


def gauges(
    name: str, text: str, labels: Names, values: Iterable[tuple[Names, float]]
) -> GaugeMetricFamily:
    """Return gauges, each with the values of its labels."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for names, value in values:
        family.add_metric(names, value)
    return family


def by_label(values: Mapping[str, int]) -> Iterable[tuple[Names, float]]:
    """Return numbers with one label."""
    return (((label,), number) for label, number in values.items())
