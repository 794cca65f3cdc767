"""An observer that counts requests by model, and a route that shows the counts."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from antigravity.ir.record import ExchangeRecord


class Visits:
    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count(self, record: ExchangeRecord) -> None:
        self._counts[record.model] += 1

    def show(self, request: Any) -> bytes:
        request.setHeader("Content-Type", "application/json")
        return json.dumps(self._counts).encode()
