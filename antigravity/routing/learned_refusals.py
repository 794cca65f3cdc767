"""The parameters that upstreams have refused, by upstream and model."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

#: Seconds after which an upstream is asked again; it may have learnt a parameter meanwhile.
TTL: Final = 24 * 3600.0
#: Models with refusals; the one that learned least recently is forgotten first.
MAX_MODELS: Final = 1000
#: In place of a model: the upstream refuses something whatever the model is.
ANY_MODEL: Final = ""
_NONE: Final[frozenset[str]] = frozenset()
_LONGEST: Final = 300


class Refusal(Struct, frozen=True):
    """A refused parameter: the upstream's message, and when it is forgotten."""

    message: str
    until: float


class LearnedRefusals:
    """What was learned from the errors of upstreams, in memory.

    :param seconds: returns the time in seconds.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._models: OrderedDict[tuple[str, str], dict[str, Refusal]] = OrderedDict()

    def learn(self, upstream: str, model: str, names: Iterable[str], message: str) -> None:
        """Remember that an upstream refuses parameters for a model, and its ``message``."""
        refusal = Refusal(message[:_LONGEST], self._seconds() + TTL)
        known = self._models.setdefault((upstream, model), {})
        known.update(dict.fromkeys(names, refusal))
        self._models.move_to_end((upstream, model))
        while len(self._models) > MAX_MODELS:
            self._models.popitem(last=False)

    def forget(self, upstream: str, model: str, name: str) -> None:
        """Forget one refusal."""
        self._models.get((upstream, model), {}).pop(name, None)

    def names(self, upstream: str, model: str) -> frozenset[str]:
        """Return the parameters that an upstream refuses for a model."""
        if not self._models:
            return _NONE
        return frozenset(self.refusals(upstream, model))

    def refusals(self, upstream: str, model: str) -> dict[str, Refusal]:
        """Return the refused parameters with what is known about each."""
        known = self._models.get((upstream, model))
        if known is None:
            return {}
        now = self._seconds()
        for name in [name for name, refusal in known.items() if refusal.until <= now]:
            del known[name]
        if not known:
            del self._models[upstream, model]
        return dict(known)

    def clear(self) -> None:
        """Forget everything, because upstreams may have changed."""
        self._models.clear()
