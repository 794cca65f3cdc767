"""The settings of the ledger and of the metrics."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from antigravity.config.secret import Secret
from antigravity.config.value_types import Bytes, Seconds, TextSecret


class MetricsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[metrics]``: the page for Prometheus at ``/metrics``.

    ``listen`` are Twisted endpoints that serve only this page, without a key.  ``old_names`` adds
    the names that the conventions of OpenTelemetry had until version 1.41.
    """

    enabled: bool = True
    listen: list[str] = []
    old_names: bool = False


class LedgerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[ledger]``: a row of every request, in ``state/ledger.db``, or in the database at ``url``.

    While its server is away, rows wait in ``state/ledger.spool``, in ``max_spool`` bytes at most.
    Rows older than ``max_age``, and the oldest beyond ``max_bytes``, are deleted; 0 is no limit.
    Sums by hour are kept for longer.  ``payloads`` says of which requests the bodies are kept, too,
    with limits of their own.
    """

    enabled: bool = True
    max_age: Seconds = 90 * 86_400.0
    max_bytes: Bytes = 1024 * 1024 * 1024
    payloads: Literal["off", "errors", "all"] = "off"
    payload_max_age: Seconds = 3 * 86_400.0
    payload_max_bytes: Bytes = 512 * 1024 * 1024
    url: TextSecret = Secret()
    max_spool: Bytes = 256 * 1024 * 1024
