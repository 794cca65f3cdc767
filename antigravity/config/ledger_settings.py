"""The settings of the ledger and of the metrics."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from antigravity.config.secret import Secret
from antigravity.config.value_types import Bytes, Seconds, TextSecret


class MetricsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[metrics]``: the page for Prometheus at ``/metrics``, which needs ``proxy.admin_key``.

    See `operations <operations.rst#metrics>`_.
    """

    enabled: bool = True
    """``false``: there is no such page."""
    listen: list[str] = []
    """Twisted endpoints that serve only ``/metrics``, without a key.

    Over the loopback, host names are checked as on the gateway's own ports
    (``proxy.allowed_hosts``).

    Example: ``["tcp:9464:interface=127.0.0.1"]``
    """
    old_names: bool = False
    """Add the names that the conventions of OpenTelemetry had until version 1.41."""


class LedgerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[ledger]``: a row of every request: who asked, who served it, what it used.

    It has no content, unless ``payloads`` is set.

    The rows are in ``state/ledger.db``; see `operations <operations.rst>`_.
    """

    enabled: bool = True
    """``false`` keeps no rows; the file stays as it is."""
    max_age: Seconds = 90 * 86_400.0
    """How long rows are kept; 0 is no limit.  Sums by hour are kept for 400 days, and sums by day
    for five years.
    """
    max_bytes: Bytes = 1024 * 1024 * 1024
    """The largest size of the rows and sums; the oldest rows beyond it are deleted.  0 is no limit.
    """
    payloads: Literal["off", "errors", "all"] = "off"
    """Of which requests headers and bodies are kept, without keys: ``"off"``, ``"errors"`` (those
    that did not succeed) or ``"all"``.

    See `payloads <operations.rst#payloads>`_ for what is removed from them.

    Example: ``"errors"``
    """
    payload_max_age: Seconds = 3 * 86_400.0
    """How long payloads are kept; 0 is no limit."""
    payload_max_bytes: Bytes = 512 * 1024 * 1024
    """The largest size of the payloads, compressed; the oldest ones beyond it are deleted.  0 is no
    limit.
    """
    url: TextSecret = Secret()
    """A PostgreSQL database instead of the file, which several gateways can share.  Needs ``pip
    install 'antigravity-gateway[postgres]'``.

    See `operations <operations.rst#a-ledger-in-postgresql>`_.

    Example: ``"postgresql://user:password@db.example.org/antigravity"``
    """
    max_spool: Bytes = 256 * 1024 * 1024
    """The largest size of ``state/ledger.spool``, in which rows wait while that server is away."""
