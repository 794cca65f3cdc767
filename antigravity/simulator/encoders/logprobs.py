"""Log probabilities in the format of OpenAI's APIs; pure."""

from __future__ import annotations

from typing import Any

from antigravity.simulator.encoders.chunks import alternatives, split_tokens


def build_logprobs(text: str, wanted: int) -> list[dict[str, Any]]:
    """Return one entry for each token of the text, with ``wanted`` alternatives."""
    content = []
    for token in split_tokens(text):
        found = [
            {"token": word, "logprob": value, "bytes": list(word.encode())}
            for word, value in alternatives(token, max(1, wanted))
        ]
        content.append({**found[0], "top_logprobs": found[:wanted]})
    return content
