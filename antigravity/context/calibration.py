"""Learn from the usage that upstreams report how far the estimate is off, model by model."""

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
#: Reports until a factor is believed.
ENOUGH: Final = 3
#: How much the newest report counts, once there are a few.
WEIGHT: Final = 0.2
#: Short requests say more about what stands around the text than about the text.
SMALLEST: Final = 100
#: Models that are known at a time.
MODELS: Final = 256


class _Factor(Struct):
    """What a model's estimates have to be multiplied by, and how many reports say so."""

    value: Annotated[float, Meta(ge=LOWEST, le=HIGHEST)] = 1.0
    reports: Annotated[int, Meta(ge=0)] = 0


class _Kept(Struct):
    """What is kept of a calibration."""

    models: dict[str, _Factor] = {}


def _nothing() -> None:
    """Do nothing."""


class Calibration:
    """The factors of all models; ``changed`` is called when one has changed."""

    def __init__(self, changed: Callable[[], None] = _nothing) -> None:
        self._changed = changed
        self._factors: OrderedDict[str, _Factor] = OrderedDict()

    def factor(self, model: str) -> float:
        """Return what an estimate for ``model`` has to be multiplied by; 1 until it is known."""
        known = self._factors.get(model)
        return 1.0 if known is None or known.reports < ENOUGH else known.value

    def applied(self, model: str, estimate: int) -> int:
        """Return an estimate as it is after calibration, at least 1."""
        return max(1, math.ceil(estimate * self.factor(model)))

    def observe(self, model: str, usage: Usage, estimate: Callable[[], int]) -> None:
        """Learn from a request that an upstream has counted; ``estimate`` has no calibration.

        Reports that do not say how long the request was are passed over: what came from a
        cache is counted in ways of its own, hosted tools add to the prompt, some upstreams
        count nothing or something else.
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
        """Return what :meth:`restore` takes, as plain data."""
        return {"models": {name: msgspec.to_builtins(f) for name, f in self._factors.items()}}

    def restore(self, kept: Mapping[str, Any]) -> bool:
        """Know again what was kept; return whether it made sense."""
        try:
            models = msgspec.convert(kept, _Kept).models
        except msgspec.ValidationError:
            return False
        self._factors = OrderedDict(list(models.items())[-MODELS:])
        return True

    def _learn(self, model: str, ratio: float) -> None:
        known = self._factors.setdefault(model, _Factor())
        self._factors.move_to_end(model)
        known.reports += 1
        # The plain mean of the first few, so that the start at 1 is soon forgotten.
        known.value += (ratio - known.value) * max(WEIGHT, 1 / known.reports)
        known.value = min(max(known.value, LOWEST), HIGHEST)
        if len(self._factors) > MODELS:
            self._factors.popitem(last=False)
        self._changed()
