"""Checks of rules: warm-up filters, background detectors and selection policies."""

from __future__ import annotations

from typing import Any, Final

from antigravity.interfaces.accounts import UpstreamModel
from antigravity.interfaces.selection import Candidate, Selection, SelectionContext
from antigravity.testing.attempts import Problems, UnexpectedError, attempt
from antigravity.testing.samples import SAMPLES

_OPTION: Final = UpstreamModel("an-upstream", "a-model")
_CANDIDATES: Final = (
    Candidate(0, _OPTION, "busy-1", busy=True, load=4),
    Candidate(0, _OPTION, "free-1", tier=1, remaining=0.5, last_used=9.0),
    Candidate(1, _OPTION, "free-2", load=1),
    Candidate(1, _OPTION, "locked-1", locked_for=5.0, lock="rate"),
)


def check_warmup_filter(rule: Any) -> Problems:
    """Check a filter for warm-ups."""
    if not isinstance(rule.marks, tuple) or not all(isinstance(m, bytes) for m in rule.marks):
        yield "has marks that are not a tuple of bytes"
    yield from _check_rule(rule, "matches", bool)


def check_background_detector(rule: Any) -> Problems:
    """Check a detector of background tasks."""
    yield from _check_rule(rule, "detect", str | None)


def _check_rule(rule: Any, method: str, kind: Any) -> Problems:
    for headers in ({}, {"user-agent": "unknown-client/1.0"}):
        found = attempt(rule.may_match, headers)
        if not isinstance(found, bool):
            problem = (
                found if isinstance(found, UnexpectedError) else f"returns {found!r}, not a bool"
            )
            yield f"may_match {problem} for the headers {headers}"
            break
    for what, request in SAMPLES:
        found = attempt(getattr(rule, method), request, {})
        if not isinstance(found, kind):
            problem = (
                found if isinstance(found, UnexpectedError) else f"returns a {type(found).__name__}"
            )
            yield f"{method} {problem} for {what}"
            break


def check_selection_policy(policy: Any) -> Problems:
    """Check a selection policy: it selects among its candidates."""
    for candidates in ((), _CANDIDATES):
        selection = policy.select(candidates, SelectionContext())
        if not isinstance(selection, Selection):
            yield "does not return a Selection"
            return
        if any(each not in candidates for each in selection.order):
            yield "selects accounts that are not candidates"
            return
    if not any(each.available for each in selection.order):
        yield "selects no account although some are free"
    for bound in (None, _CANDIDATES[0]):
        moves = attempt(policy.moves, bound, _CANDIDATES, SelectionContext("a-session"))
        if not isinstance(moves, bool):
            problem = (
                moves if isinstance(moves, UnexpectedError) else f"returns {moves!r}, not a bool"
            )
            yield f"moves {problem}"
            return
