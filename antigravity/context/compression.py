"""Decide how far each layer has to reach: seldom, and then in large steps.  Pure.

Every change of an old message costs the upstream's prefix cache from there on.  So nothing is
changed before a limit is passed; and then so much is that the limit is far away again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from antigravity.context.history import clean_cuts, head_length, last_user, rounds
from antigravity.context.layers import CompressionPlan, apply, changed
from antigravity.ir.request import Message

#: A layer has done enough if so much of its limit is left in use.
ENOUGH: Final = 0.75
#: So much of the limit is left in use by a fork, which costs a summary.
FORK_ENOUGH: Final = 0.5
#: A cut that need not be is not worth a prefix cache if it frees less than this of the limit.
WORTH: Final = 0.25
#: A summary has so many tokens at the most, and no larger part of what fits.
SUMMARY_TOKENS: Final = 4_000
SUMMARY_SHARE: Final = 0.125
#: Estimates may be too high by so much: what is beyond that will not fit.
DOUBT: Final = 1.15
#: The last messages keep their thinking.
PROTECTED: Final = 4

#: The estimated tokens of a request with these messages.
Measure = Callable[[Sequence[Message]], int]


class Limits(Struct, frozen=True):
    """In estimated tokens: what fits, and from where on each layer acts."""

    fit: int
    l1: int
    l2: int
    l3: int

    @property
    def lowest(self) -> int:
        """Below this nothing is done."""
        return min(self.fit, self.l1, self.l2, self.l3)

    @property
    def summary(self) -> int:
        """How many tokens a summary may have."""
        return min(SUMMARY_TOKENS, int(self.fit * SUMMARY_SHARE))

    def cannot_fit(self, tokens: int) -> bool:
        """Return whether so many tokens will not fit, even if the estimate is too high."""
        return tokens > self.fit * DOUBT


class CompressionRules(Struct, frozen=True):
    """What a decision has to respect."""

    limits: Limits
    keep_rounds: int = 5
    keep_signatures: bool = False


class CompressionDecision(Struct, frozen=True):
    """The new plan, the tokens after it, and where a fork is wanted besides (0: nowhere)."""

    plan: CompressionPlan
    before: int
    tokens: int
    fork: int = 0


def decide(
    messages: Sequence[Message], plan: CompressionPlan, terms: CompressionRules, measure: Measure
) -> CompressionDecision:
    """Return the plan for a history that an earlier ``plan`` was made for, if there was one."""
    limits = terms.limits
    before = measure(messages)
    first = now = _after(messages, plan, terms, measure)
    if first <= limits.lowest:
        return CompressionDecision(plan, before, now)
    must = first > limits.fit
    for limit, further in _layers(messages, plan, terms):
        if first <= limit or now <= limit * ENOUGH:
            continue
        candidate = _joined(plan, further)
        after = _after(messages, candidate, terms, measure)
        if after < now and (must or now - after >= limit * WORTH):
            plan, now = candidate, after
    fork = 0
    if first > limits.l3 and now > limits.l3 * ENOUGH:
        fork = _fork(messages, plan, terms, measure, now, must=must)
    return CompressionDecision(plan, before, now, fork)


def with_fork(plan: CompressionPlan, fork: int, summary: str) -> CompressionPlan:
    """Return the plan with a fork; an empty ``summary`` leaves the history before it out."""
    return replace(plan, fork=fork, summary=summary)


def _after(
    messages: Sequence[Message], plan: CompressionPlan, terms: CompressionRules, measure: Measure
) -> int:
    return measure(apply(messages, plan, keep_signatures=terms.keep_signatures).messages)


def _layers(
    messages: Sequence[Message], plan: CompressionPlan, terms: CompressionRules
) -> list[tuple[int, CompressionPlan]]:
    """Return the limit of each layer but the last, and how far the layer may reach."""
    limits, end = terms.limits, last_user(messages)
    starts = [start for start in rounds(messages) if start <= end]
    old = starts[-terms.keep_rounds] if 0 < terms.keep_rounds <= len(starts) else 0
    if terms.keep_rounds == 0:
        old = end
    recent = _answer_start(messages, min(end, len(messages) - PROTECTED))
    return [
        (limits.l1, CompressionPlan(results=end)),
        (limits.l1, CompressionPlan(rounds=old)),
        (limits.l2, CompressionPlan(thinking=recent)),
    ]


def _answer_start(messages: Sequence[Message], index: int) -> int:
    """Return the beginning of the answer that ``index`` is within."""
    index = max(0, index)
    while 0 < index < len(messages) and messages[index - 1].role == "assistant":
        if messages[index].role != "assistant":
            break
        index -= 1
    return index


def _joined(plan: CompressionPlan, further: CompressionPlan) -> CompressionPlan:
    """Return the plan reaching as far as either; a layer never draws back."""
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
    must: bool,
) -> int:
    """Return the first place for a fork that frees enough, else the last place; 0 if none."""
    begin = max(head_length(messages), plan.fork)
    places = [cut for cut in clean_cuts(messages) if cut > begin]
    if not places:
        return 0
    head = messages[: head_length(messages)]
    wanted = terms.limits.l3 * FORK_ENOUGH - terms.limits.summary
    end = last_user(messages)
    tail = [
        changed(index, message, plan, {}, keep_signatures=terms.keep_signatures)
        if index < end
        else message
        for index, message in enumerate(messages)
    ]

    def left(place: int) -> int:
        return measure([*head, *tail[place:]])

    place = _first(places, lambda cut: left(cut) <= wanted)
    after = left(place) + terms.limits.summary
    if after >= now or terms.limits.cannot_fit(after):
        return 0
    return place if must or now - after >= terms.limits.l3 * WORTH else 0


def _first(places: Sequence[int], good: Callable[[int], bool]) -> int:
    """Return the first good place (all behind a good one are good), else the last place."""
    low, high = 0, len(places) - 1
    while low < high:
        middle = (low + high) // 2
        if good(places[middle]):
            high = middle
        else:
            low = middle + 1
    return places[low]
