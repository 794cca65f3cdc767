"""Counts and log probabilities of the simulated OpenAI Responses API."""

from __future__ import annotations

from antigravity.simulator.encoders.events import Context
from antigravity.simulator.encoders.logprobs import logprobs
from antigravity.simulator.encoders.responses import events, output
from antigravity.simulator.parsers.responses import read
from antigravity.simulator.script import Script

INCLUDE = ["message.output_text.logprobs"]


def context(**body: object) -> Context:
    return Context(read({"model": "gpt-4.1", "input": "hi", **body}, []), 1, 0)


def test_log_probabilities_come_where_they_are_wanted() -> None:
    script = Script(chunks=("one ", "two"))
    wanted = context(include=INCLUDE, top_logprobs=2)
    [item] = output(script, wanted)
    assert item["content"][0]["logprobs"] == logprobs("one two", 2)
    deltas = [
        entry["token"]
        for event in events(script, wanted)
        if event.name == "response.output_text.delta"
        for entry in event.value["logprobs"]
    ]
    assert "".join(deltas) == "one two"
    [item] = output(script, context(top_logprobs=2))
    assert item["content"][0]["logprobs"] == []
