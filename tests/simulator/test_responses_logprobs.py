"""Log probabilities of the simulated Responses API."""

from __future__ import annotations

from antigravity.simulator.encoders.events import Context
from antigravity.simulator.encoders.logprobs import build_logprobs
from antigravity.simulator.encoders.responses import encode_events, encode_output
from antigravity.simulator.parsers.responses import parse
from antigravity.simulator.script import Script

INCLUDE = ["message.output_text.logprobs"]


def context(**body: object) -> Context:
    return Context(parse({"model": "gpt-4.1", "input": "hi", **body}, []), 1, 0)


def test_logprobs_are_returned_only_if_included() -> None:
    script = Script(chunks=("one ", "two"))
    wanted = context(include=INCLUDE, top_logprobs=2)
    [item] = encode_output(script, wanted)
    assert item["content"][0]["logprobs"] == build_logprobs("one two", 2)
    deltas = [
        entry["token"]
        for event in encode_events(script, wanted)
        if event.name == "response.output_text.delta"
        for entry in event.value["logprobs"]
    ]
    assert "".join(deltas) == "one two"
    [item] = encode_output(script, context(top_logprobs=2))
    assert item["content"][0]["logprobs"] == []
