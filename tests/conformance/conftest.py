"""The gateway is the one of ``tests/mcp``; Node is found as for ``tests/clients``."""

from __future__ import annotations

import sys
from pathlib import Path

for neighbour in ("mcp", "clients"):
    sys.path.insert(0, str(Path(__file__).parents[1] / neighbour))
