"""Calibration of token estimates by the usage that upstreams report, for each model."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from antigravity.ir.usage import Usage

LOWEST: Final = 0.5
HIGHEST: Final = 4.0
#: The number of reports after which a factor is used.
ENOUGH: Final = 3
#: The weight of the newest report in the moving average.
WEIGHT: Final = 0.2
#: Shorter requests are ignored, since their fixed overhead dominates.
SMALLEST: Final = 100
#: The number of models with a factor.
MODELS: Final = 256


class _Factor(Struct):
    """The factor for a model's estimates, and the number of reports that it is based on."""

    value: Annotated[float, Meta(ge=LOWEST, le=HIGHEST)] = 1.0
    reports: Annotated[int, Meta(ge=0)] = 0


class _StoredCalibration(Struct):
    models: dict[str, _Factor] = {}


class Calibration:
    """The factors of all models; ``changed`` is called when one has changed."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._changed = changed
        self._factors: OrderedDict[str, _Factor] = OrderedDict()

    def factor(self, model: str) -> float:
        """Return the factor for estimates of ``model``; 1 until there are enough reports."""
        known = self._factors.get(model)
        return 1.0 if known is None or known.reports < ENOUGH else known.value

    def applied(self, model: str, estimate: int) -> int:
        """Return a calibrated estimate, at least 1."""
        return max(1, math.ceil(estimate * self.factor(model)))

    def observe(self, model: str, usage: Usage, estimate: Callable[[], int]) -> None:
        """Update the factor by a reported usage; ``estimate`` returns the uncalibrated estimate.

        Reports that do not show the length of the request are ignored: with cached tokens, with
        hosted tools, which add to the prompt, and from upstreams that count something else.
        """
        if usage.cached or usage.tool_input or usage.searches or usage.input_total < SMALLEST:
            return
        estimated = estimate()
        if estimated < SMALLEST:
            return
        ratio = usage.input_total / estimated
        if not LOWEST / 2 <= ratio <= HIGHEST * 2:
            return
        self._learn(model, min(max(ratio, LOWEST), HIGHEST))

    def snapshot(self) -> Mapping[str, Any]:
        """Return all factors as plain data."""
        return {"models": {name: msgspec.to_builtins(f) for name, f in self._factors.items()}}

    def restore(self, data: Mapping[str, Any]) -> bool:
        """Restore a snapshot; return whether it was valid."""
        try:
            models = msgspec.convert(data, _StoredCalibration).models
        except msgspec.ValidationError:
            return False
        self._factors = OrderedDict(list(models.items())[-MODELS:])
        return True

    def _learn(self, model: str, ratio: float) -> None:
        known = self._factors.setdefault(model, _Factor())
        self._factors.move_to_end(model)
        known.reports += 1
        # The mean of the first reports, so that the initial value of 1 has no effect.
        known.value += (ratio - known.value) * max(WEIGHT, 1 / known.reports)
        known.value = min(max(known.value, LOWEST), HIGHEST)
        if len(self._factors) > MODELS:
            self._factors.popitem(last=False)
        self._changed()
