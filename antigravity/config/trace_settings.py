"""The settings of traces, and their checks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from antigravity.config.addresses import address_problem
from antigravity.config.errors import Problem
from antigravity.config.paths import KeyPath
from antigravity.config.value_types import Fraction, HeaderSecret
from antigravity.installation import extra_command

_PACKAGES: Final = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f]")


class TraceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[traces]``: traces of requests for OpenTelemetry.

    They need ``pip install 'antigravity-gateway[otel]'``.

    See `operations <operations.rst#traces>`_.
    """

    enabled: bool = False
    """``true`` sends a trace of every request, without content."""
    endpoint: str = ""
    """The address of the collector with its path.  Empty: ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT``,
    ``OTEL_EXPORTER_OTLP_ENDPOINT``, or port 4318 of this machine.

    Example: ``"http://127.0.0.1:4318/v1/traces"``
    """
    headers: dict[str, HeaderSecret] = {}
    """Headers for the collector, such as a key; their values are secret.

    Example: ``{ authorization = "Bearer KEY" }``
    """
    sample_ratio: Fraction = 1.0
    """The share of new traces that are sent, from 0 to 1; for 1, ``OTEL_TRACES_SAMPLER`` can
    decide.

    Example: ``0.1``
    """
    service_name: str = ""
    """The name of the service; empty: ``OTEL_SERVICE_NAME``, or ``antigravity``.

    Example: ``"llm-gateway"``
    """
    propagate: bool = True
    """Send the context of the trace to upstreams."""


def trace_check(traces: TraceSettings) -> Iterator[tuple[KeyPath, Problem]]:
    """Yield each problem in ``traces``."""
    missing = _missing_packages() if traces.enabled else []
    if missing:
        yield (
            ("traces", "enabled"),
            Problem(
                f"traces need {' and '.join(missing)}, which the extra otel installs: "
                f"{extra_command('otel')}"
            ),
        )
    problem = address_problem(traces.endpoint) if traces.endpoint else None
    if problem is not None:
        yield ("traces", "endpoint"), problem
    for name, value in traces.headers.items():
        if not _HEADER_NAME.fullmatch(name) or _UNPRINTABLE.search(value.reveal()):
            yield ("traces", "headers", name), Problem("this is not a valid HTTP header")


def _missing_packages() -> list[str]:
    from importlib.metadata import PackageNotFoundError, version

    missing = []
    for package in _PACKAGES:
        try:
            version(package)
        except PackageNotFoundError:
            missing.append(package)
    return missing
