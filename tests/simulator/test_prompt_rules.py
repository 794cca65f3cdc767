"""Rules give directives to prompts that contain none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import inlineCallbacks
from twisted.internet.testing import MemoryReactorClock
from twisted.python.usage import UsageError

from antigravity.simulator.prompt_rules import apply_rules, parse_rules
from antigravity.simulator.tap import Options, make_service
from tests.simulator.fixtures import SimulatorTestCase, chat

RULES = """
[[rule]]
prompt = "weather in (?P<city>[A-Z][a-z]+)"
directives = '[[tool get_weather {"city": "\\g<city>"}]][[then]][[say Sunny.]]'

[[rule]]
prompt = "(\\\\d+) weather"
directives = "[[say \\\\1]]"
"""


def test_first_rule_that_matches_applies() -> None:
    rules = parse_rules(RULES)
    call = '[[tool get_weather {"city": "Paris"}]][[then]][[say Sunny.]]'
    assert apply_rules(rules, "5 weather in Paris?") == call
    assert apply_rules(rules, "5 weather in paris?") == "[[say 5]]"
    assert apply_rules(rules, "no rule") == "no rule"


def test_directives_in_the_prompt_come_first() -> None:
    prompt = "weather in Paris [[say no]]"
    assert apply_rules(parse_rules(RULES), prompt) == prompt


def test_long_prompts_are_not_searched() -> None:
    prompt = "weather in Paris" + " " * 65_536
    assert apply_rules(parse_rules(RULES), prompt) == prompt


@pytest.mark.parametrize(
    "text",
    [
        "rule = 1",
        "[[rules]]\n",
        "[[rule]]\nprompt = 'a'\n",
        "[[rule]]\nprompt = 'a'\ndirectives = 1\n",
        "[[rule]]\nprompt = '('\ndirectives = 'a'\n",
        "[[rule]]\nprompt = 'a'\ndirectives = '\\2'\n",
        "[[rule]]\nprompt = 'a'\ndirectives = '\\g<b>'\n",
        "[[rule]\n",
    ],
)
def test_invalid_rules_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_rules(text)


def test_option_reads_rules(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    options = Options()
    options.parseOptions(["--rules", str(file)])
    service = make_service(MemoryReactorClock(), options)
    assert service.simulator.state.rules == parse_rules(RULES)
    file.write_text("rule = 1")
    for path in (file, tmp_path / "missing"):
        with pytest.raises(UsageError, match=path.name):
            Options().parseOptions(["--rules", str(path)])


class PromptRulesTests(SimulatorTestCase):
    @inlineCallbacks
    def test_rules_apply_in_every_round(self) -> Any:
        self.simulator.state.rules = parse_rules(RULES)
        tools = [{"type": "function", "function": {"name": "get_weather"}}]
        request = chat("What is the weather in Rome?", tools=tools)
        _, first = yield self.ask("/v1/chat/completions", request)
        turn = first["choices"][0]["message"]
        (call,) = turn["tool_calls"]
        assert call["function"]["arguments"] == '{"city":"Rome"}'
        result = {"role": "tool", "tool_call_id": call["id"], "content": "22 degrees"}
        request["messages"] += [turn, result]
        _, second = yield self.ask("/v1/chat/completions", request)
        assert second["choices"][0]["message"]["content"] == "Sunny."
