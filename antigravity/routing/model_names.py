"""Model names: their plain form, which rules use, and the generation in it.

Brokers, clouds and local servers decorate names: ``anthropic/claude-opus-4.6:free``,
``us.anthropic.claude-opus-4-6-v1:0``, ``models/gemini-3-flash``, ``claude-opus-4-5@20251101``,
``accounts/fireworks/models/glm-4p6``, ``zai-glm-4.7``, ``gpt-35-turbo``.
"""

from __future__ import annotations

import re
from typing import Final

Generation = tuple[int, int]

#: Vendors and regions before a name: words that end with a dot and have no number.
_VENDORS: Final = re.compile(r"^(?:[a-z][a-z-]*\.)+(?=[a-z])")
#: The vendor of a name that has the family in the vendor only: ``deepseek.r1-v1:0``.
_FAMILY_VENDOR: Final = re.compile(r"^(?:[a-z-]+\.)*deepseek\.(?=[rv]\d)")
#: Anything before the family in a name that was derived from one of these.
_DERIVED: Final = re.compile(r"^.*[-.](?=(?:claude|gemini)-|gpt-\d)")
#: The beginning of names with a family of their own, which end at a family behind them.
_FAMILY: Final = (
    r"claude|gemini|gemma|gpt|chatgpt|codex|o[134](?=-|$)|deepseek|kimi|moonshot-v|glm|chatglm"
    r"|qwen|qwq|qvq|minimax-m|mistral|ministral|magistral|codestral|devstral|pixtral|mixtral"
    r"|grok|llama|doubao|sonar|imagen|text-embedding|whisper|tts"
)
_KNOWN: Final = re.compile(rf"^(?:{_FAMILY})")
#: Vendors before a family: ``zai-glm-4.7``, ``openai-o3``, ``databricks-gpt-oss-120b``.
_PREFIXED: Final = re.compile(rf"^[a-z0-9.-]*?-(?={_FAMILY})")
_BLANKS: Final = re.compile(r"[\s_]+")
#: Something in brackets behind a name, such as the window in ``claude-opus-4-6[1m]``.
_BRACKETS: Final = re.compile(r"\[[^\]]*\]$")
_DOT: Final = re.compile(r"(?<=\d)\.(?=\d)")
#: ``claude-4.5-sonnet`` and similar; up to 3.7 the number comes first.
_NUMBER_FIRST: Final = re.compile(r"^claude-([4-9])(?:-(\d{1,2}))?-([a-z]+)")
#: ``claude-opus-45``, without a separator.
_JOINED_CLAUDE: Final = re.compile(r"^(claude-[a-z]+)-([4-9])(\d)(?=-|$)")
#: ``gpt-41``, ``gpt-35-turbo``.
_JOINED_GPT: Final = re.compile(r"^gpt-([3-9])([1-9])(?=-|$)")
#: ``glm-4p6``, ``deepseek-v3p1``: a dot that a name could not have.
_LETTER_FOR_DOT: Final = re.compile(r"(?<=\d)p(?=\d)")
#: Families that write their generations with a dot: ``glm-4-6`` is ``glm-4.6``.  Sizes (``-8b``)
#: and dates (``-0905``) stay.
_DASH: Final = re.compile(
    r"^((?:gemini|gemma|gpt|glm|grok|llama)-|kimi-k|minimax-m|deepseek-v|qwen"
    r"|(?:mistral|ministral|magistral|devstral)-(?:large-|medium-|small-)?)"
    r"(\d)-(\d{1,2})(?=-|$)"
)
#: Families whose spelling with or without a dash is not the usual one.
_RESPELLED: Final = (
    (re.compile(r"^qwen-(?=\d)"), "qwen"),
    (re.compile(r"^llama-?v?(?=\d)"), "llama-"),
    (re.compile(r"^kimi-?k-?(?=\d)"), "kimi-k"),
    (re.compile(r"^minimax-?m-?(?=\d)"), "minimax-m"),
    (re.compile(r"^deepseek-?v-?(?=\d)"), "deepseek-v"),
    (re.compile(r"^(glm|grok)(?=\d)"), r"\1-"),
    (re.compile(r"^chatglm"), "glm"),
    (re.compile(r"^(claude|gemini|gpt)(?=\d)"), r"\1-"),
)
_GENERATION: Final = re.compile(r"(?<!\d)(\d{1,2})(?:[.-](\d{1,2}))?(?![\db])")


def plain_name(model: str) -> str:
    """Return a model's name in the spelling of its provider, as far as it can be recognized."""
    name = model.lower().strip().rpartition("/")[2]
    name = name.partition(":")[0].partition("@")[0]
    name = _BLANKS.sub("-", _BRACKETS.sub("", name))
    name = _FAMILY_VENDOR.sub("deepseek-", name)
    name = _VENDORS.sub("", name)
    name = _DERIVED.sub("", name)
    if not _KNOWN.match(name):
        name = _PREFIXED.sub("", name)
    for pattern, spelling in _RESPELLED:
        name = pattern.sub(spelling, name)
    name = _LETTER_FOR_DOT.sub(".", name)
    if name.startswith("claude"):
        name = _JOINED_CLAUDE.sub(r"\1-\2-\3", _DOT.sub("-", name))
        return _NUMBER_FIRST.sub(_line_first, name)
    return _DASH.sub(r"\1\2.\3", _JOINED_GPT.sub(r"gpt-\1.\2", name))


def _line_first(match: re.Match[str]) -> str:
    major, minor, line = match.groups()
    return f"claude-{line}-{major}" + (f"-{minor}" if minor else "")


def generation_of(plain: str) -> Generation | None:
    """Return the generation in a plain name, ``(4, 6)`` for claude-opus-4-6; ignore dates."""
    match = _GENERATION.search(plain)
    return None if match is None else (int(match[1]), int(match[2] or 0))


def parse_generation(text: str) -> Generation:
    """Return the generation in a rule, such as ``4.6``.

    :raises ValueError: if it is not a number.
    """
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)
