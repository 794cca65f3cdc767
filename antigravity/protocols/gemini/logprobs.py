"""Log probabilities: ``logprobsResult`` on the wire, OpenAI's ``content`` inside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct


class TokenLogprob(Struct, rename="camel"):
    """A token that was chosen or considered."""

    token: str | None = None
    log_probability: float | None = None


class TopCandidates(Struct, rename="camel"):
    """The most likely tokens at one position."""

    candidates: list[TokenLogprob] | None = None


class LogprobsResult(Struct, rename="camel"):
    """The chosen and the most likely tokens, by position."""

    chosen_candidates: list[TokenLogprob] | None = None
    top_candidates: list[TopCandidates] | None = None


def from_wire(result: LogprobsResult) -> list[dict[str, Any]]:
    """Return ``logprobs.content`` as OpenAI writes it."""
    tops = result.top_candidates or []
    content = []
    for place, chosen in enumerate(result.chosen_candidates or ()):
        top = tops[place].candidates if place < len(tops) else None
        content.append({**_entry(chosen), "top_logprobs": [_entry(each) for each in top or ()]})
    return content


def to_wire(content: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return ``logprobsResult``."""
    chosen, tops = [], []
    for entry in content:
        chosen.append(_token(entry))
        others = entry.get("top_logprobs")
        listed = others if isinstance(others, list) else []
        tops.append({"candidates": [_token(each) for each in listed if isinstance(each, dict)]})
    return {"topCandidates": tops, "chosenCandidates": chosen}


def _entry(token: TokenLogprob) -> dict[str, Any]:
    text = token.token or ""
    return {"token": text, "logprob": token.log_probability or 0.0, "bytes": list(text.encode())}


def _token(entry: dict[str, Any]) -> dict[str, Any]:
    token, logprob = entry.get("token"), entry.get("logprob")
    return {
        "token": token if isinstance(token, str) else "",
        "logProbability": logprob if isinstance(logprob, int | float) else 0.0,
    }
