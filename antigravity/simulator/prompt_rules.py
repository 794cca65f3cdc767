r"""Directives for prompts that cannot contain them, such as those of another project's tests; pure.

A rule file is TOML::

    [[rule]]
    prompt = "weather in (?P<city>[A-Z][a-z]+)"
    directives = '[[tool get_weather {"city": "\g<city>"}]]'
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from antigravity.simulator.directives import has_directives

#: Longer prompts are not searched.
_LONGEST_PROMPT: Final = 65_536
_FIELDS: Final = {"prompt", "directives"}


@dataclass(frozen=True)
class PromptRule:
    r"""A regular expression, and the directives for prompts in which it is found.

    ``directives`` is a template: ``\1`` and ``\g<name>`` are groups of the match.
    """

    pattern: re.Pattern[str]
    directives: str


def parse_rules(text: str) -> tuple[PromptRule, ...]:
    """Return the rules of a file.

    :raises ValueError: if the text is not TOML, or a rule is invalid.
    """
    content = tomllib.loads(text)
    rules = content.pop("rule", [])
    if content or not isinstance(rules, list):
        raise ValueError("a rule file contains [[rule]] tables only")
    return tuple(_parse_rule(number, rule) for number, rule in enumerate(rules, start=1))


def _parse_rule(number: int, rule: Any) -> PromptRule:
    if not isinstance(rule, dict) or set(rule) != _FIELDS:
        raise ValueError(f"rule {number} needs prompt and directives, and nothing else")
    if not all(isinstance(value, str) for value in rule.values()):
        raise ValueError(f"rule {number}: prompt and directives are strings")
    try:
        pattern = re.compile(rule["prompt"])
        _check_template(pattern, rule["directives"])
    except (re.error, IndexError) as error:
        raise ValueError(f"rule {number}: {error}") from error
    return PromptRule(pattern, rule["directives"])


def _check_template(pattern: re.Pattern[str], template: str) -> None:
    """Check the groups in a template.

    :raises re.error: if a number or an escape is invalid.
    :raises IndexError: if a name is unknown.
    """
    # The alternative matches the empty string, and leaves the pattern's groups unset.
    probe = re.compile(f"(?:{pattern.pattern})|", pattern.flags).match("")
    assert probe is not None
    probe.expand(template)


def apply_rules(rules: Iterable[PromptRule], prompt: str) -> str:
    """Return the directives of the first rule that matches, or else the prompt.

    Directives in the prompt itself come before the rules.
    """
    if len(prompt) > _LONGEST_PROMPT:
        return prompt
    for rule in rules:
        match = rule.pattern.search(prompt)
        if match is not None:
            return prompt if has_directives(prompt) else match.expand(rule.directives)
    return prompt
