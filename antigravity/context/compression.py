"""Decides how far each layer of compression applies: rarely, and then in large steps.  Pure.

A change of an old message invalidates the upstream's prompt cache from there on.  So a history is
changed only when a limit is exceeded, and then by so much that the next change is far away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from antigravity.context.history import clean_cuts, head_length, last_user, rounds
from antigravity.context.layers import CompressionPlan, apply, changed
from antigravity.ir.request import Message

#: The share of its limit that a layer reduces a history to.
TARGET: Final = 0.75
#: The share of its limit that a fork reduces a history to; it is lower, since a summary is costly.
FORK_TARGET: Final = 0.5
#: An optional change must free at least this share of the limit.
MIN_GAIN: Final = 0.25
#: The largest number of tokens of a summary, and its largest share of the limit.
SUMMARY_TOKENS: Final = 4_000
SUMMARY_SHARE: Final = 0.125
#: The factor by which an estimate may be too high.
ESTIMATE_ERROR: Final = 1.15
#: The number of last messages that keep their thinking.
KEPT_THINKING: Final = 4

#: Returns the estimated tokens of a request with some messages.
Measure = Callable[[Sequence[Message]], int]


class Limits(Struct, frozen=True):
    """The size that fits, and the size above which each layer applies, in estimated tokens."""

    fit: int
    l1: int
    l2: int
    l3: int

    @property
    def lowest(self) -> int:
        """The size up to which no layer applies."""
        return min(self.fit, self.l1, self.l2, self.l3)

    @property
    def summary(self) -> int:
        """The largest number of tokens of a summary."""
        return min(SUMMARY_TOKENS, int(self.fit * SUMMARY_SHARE))

    def cannot_fit(self, tokens: int) -> bool:
        """Return whether that many tokens cannot fit, even if the estimate is too high."""
        return tokens > self.fit * ESTIMATE_ERROR


class CompressionRules(Struct, frozen=True):
    """Limits, and what compression must keep."""

    limits: Limits
    keep_rounds: int = 5
    keep_signatures: bool = False


class CompressionDecision(Struct, frozen=True):
    """The new plan, and the estimated tokens before and after it.

    ``fork`` is the message before which a summary is also needed, 0 for none.
    """

    plan: CompressionPlan
    before: int
    tokens: int
    fork: int = 0


def decide(
    messages: Sequence[Message], plan: CompressionPlan, terms: CompressionRules, measure: Measure
) -> CompressionDecision:
    """Return the new plan for a history, based on the earlier ``plan``."""
    limits = terms.limits
    before = measure(messages)
    first = now = _after(messages, plan, terms, measure)
    if first <= limits.lowest:
        return CompressionDecision(plan, before, now)
    necessary = first > limits.fit
    for limit, further in _layers(messages, plan, terms):
        if first <= limit or now <= limit * TARGET:
            continue
        candidate = _joined(plan, further)
        after = _after(messages, candidate, terms, measure)
        if after < now and (necessary or now - after >= limit * MIN_GAIN):
            plan, now = candidate, after
    fork = 0
    if first > limits.l3 and now > limits.l3 * TARGET:
        fork = _fork(messages, plan, terms, measure, now, necessary=necessary)
    return CompressionDecision(plan, before, now, fork)


def with_fork(plan: CompressionPlan, fork: int, summary: str) -> CompressionPlan:
    """Return the plan with a fork; with an empty ``summary`` the history before it is removed."""
    return replace(plan, fork=fork, summary=summary)


def _after(
    messages: Sequence[Message], plan: CompressionPlan, terms: CompressionRules, measure: Measure
) -> int:
    return measure(apply(messages, plan, keep_signatures=terms.keep_signatures).messages)


def _layers(
    messages: Sequence[Message], plan: CompressionPlan, terms: CompressionRules
) -> list[tuple[int, CompressionPlan]]:
    """Return the limit of each layer but the last, and how far the layer may apply."""
    limits, end = terms.limits, last_user(messages)
    starts = [start for start in rounds(messages) if start <= end]
    old = starts[-terms.keep_rounds] if 0 < terms.keep_rounds <= len(starts) else 0
    if terms.keep_rounds == 0:
        old = end
    recent = _response_start(messages, min(end, len(messages) - KEPT_THINKING))
    return [
        (limits.l1, CompressionPlan(results=end)),
        (limits.l1, CompressionPlan(rounds=old)),
        (limits.l2, CompressionPlan(thinking=recent)),
    ]


def _response_start(messages: Sequence[Message], index: int) -> int:
    """Return the beginning of the response that the message at ``index`` belongs to."""
    index = max(0, index)
    while 0 < index < len(messages) and messages[index - 1].role == "assistant":
        if messages[index].role != "assistant":
            break
        index -= 1
    return index


def _joined(plan: CompressionPlan, further: CompressionPlan) -> CompressionPlan:
    """Return the plan in which each layer applies as far as in either plan."""
    return replace(
        plan,
        results=max(plan.results, further.results),
        rounds=max(plan.rounds, further.rounds),
        thinking=max(plan.thinking, further.thinking),
    )


def _fork(
    messages: Sequence[Message],
    plan: CompressionPlan,
    terms: CompressionRules,
    measure: Measure,
    now: int,
    *,
    necessary: bool,
) -> int:
    """Return the first index for a fork that frees enough, else the last one; 0 if none."""
    begin = max(head_length(messages), plan.fork)
    places = [cut for cut in clean_cuts(messages) if cut > begin]
    if not places:
        return 0
    head = messages[: head_length(messages)]
    target = terms.limits.l3 * FORK_TARGET - terms.limits.summary
    end = last_user(messages)
    tail = [
        changed(index, message, plan, {}, keep_signatures=terms.keep_signatures)
        if index < end
        else message
        for index, message in enumerate(messages)
    ]

    def remaining(place: int) -> int:
        return measure([*head, *tail[place:]])

    place = _first(places, lambda cut: remaining(cut) <= target)
    after = remaining(place) + terms.limits.summary
    if after >= now or terms.limits.cannot_fit(after):
        return 0
    return place if necessary or now - after >= terms.limits.l3 * MIN_GAIN else 0


def _first(places: Sequence[int], good: Callable[[int], bool]) -> int:
    """Return the first index for which ``good`` is true, by bisection, else the last one."""
    low, high = 0, len(places) - 1
    while low < high:
        middle = (low + high) // 2
        if good(places[middle]):
            high = middle
        else:
            low = middle + 1
    return places[low]
