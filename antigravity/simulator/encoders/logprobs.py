"""Log probabilities in the format of OpenAI's APIs; pure."""

from __future__ import annotations

from typing import Any

from antigravity.simulator.encoders.chunks import alternatives, split_tokens


def build_logprobs(text: str, count: int) -> list[dict[str, Any]]:
    """Return one entry for each token of the text, with ``count`` alternatives."""
    content = []
    for token in split_tokens(text):
        found = [
            {"token": word, "logprob": value, "bytes": list(word.encode())}
            for word, value in alternatives(token, max(1, count))
        ]
        content.append({**found[0], "top_logprobs": found[:count]})
    return content
