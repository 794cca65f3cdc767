"""The list of models as Codex reads it: windows, efforts, tools and instructions.

Codex asks for it with its version, ``GET /v1/models?client_version=0.169.0``, if the provider's
table has a command for the key; the same JSON can be the file of ``model_catalog_json``.  It then
knows no other models.

Source: https://github.com/openai/codex, ``codex-rs/protocol/src/openai_models.rs``.  Older versions
require some members that newer ones have dropped, so all of them are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from antigravity.ir.capabilities import Capabilities, Model
from antigravity.ir.request import Effort

#: The parameter of the query with the client's version.
VERSION: Final = "client_version"

#: The first version that is known to read an effort of its own choice; before, one that it does
#: not know makes the whole list unreadable.
_OPEN_EFFORTS: Final = (0, 150)
_LATE_EFFORTS: Final = frozenset(("max",))
_ANY_BUDGET: Final[tuple[Effort, ...]] = ("low", "medium", "high")
_USUAL_WINDOW: Final = 128_000
_DESCRIPTIONS: Final[dict[Effort, str]] = {
    "none": "No thinking",
    "minimal": "Very little thinking",
    "low": "Little thinking, fast",
    "medium": "A balance of speed and thinking",
    "high": "Much thinking, for difficult tasks",
    "xhigh": "Very much thinking",
    "max": "As much thinking as the model can do",
}
#: How many tokens of a tool's output Codex keeps.
_OUTPUT_TOKENS: Final = 10_000

_INSTRUCTIONS: Final = """\
You are a coding agent. You work in the user's workspace with the tools of Codex, a program that \
runs on the user's computer and shows your messages in a terminal.

Work
- Carry the task through: read what you need, change the files, run what shows that it works. Stop \
when it is done, or when only the user can decide how to go on.
- Read before you write. Find files and texts with `rg` if it is installed. Keep to the style of \
the code around yours, and change nothing that the task does not need.
- The workspace may have changes that are not yours. Never revert them, and never discard work, \
for example with `git reset --hard` or `git checkout`, unless the user asks for it.
- Make no commits and no branches unless the user asks for them.
- If a command fails, read its output and find the cause before you try again.

Files
- Change files with the tool `apply_patch` if there is one. Its input begins with the line \
`*** Begin Patch` and ends with the line `*** End Patch`. Between them each file has a head, \
`*** Add File: PATH`, `*** Update File: PATH` or `*** Delete File: PATH`. Every line of an added \
file begins with `+`. An update has sections that begin with `@@`; their lines begin with a space \
for context, `-` for what is removed or `+` for what is added, and the context must be exactly as \
in the file. Paths are relative.

Messages
- Before a group of calls, say in one sentence what you are about to do.
- At the end, say shortly what you changed and where, how you checked it, and what is left. Name \
files by their paths. Do not repeat whole files.
"""


def encode_codex_models(models: Sequence[Model], version: str) -> list[dict[str, Any]]:
    """Return the entries for the models that can be agents, in their order.

    :param version: the client's, such as ``0.169.0``.
    """
    agents = [model for model in models if _can_be_agent(model.capabilities)]
    open_efforts = _numbers(version) >= _OPEN_EFFORTS
    return [_entry(model, place, open_efforts) for place, model in enumerate(agents, 1)]


def _numbers(version: str) -> tuple[int, ...]:
    """Return major and minor version; what is no version counts as new."""
    parts = version.split(".")[:2]
    if len(parts) == 2 and all(part.isascii() and part.isdigit() for part in parts):
        return tuple(int(part[:9]) for part in parts)
    return _OPEN_EFFORTS


def _can_be_agent(capabilities: Capabilities) -> bool:
    return (
        capabilities.tools
        and "text" in capabilities.outputs
        and not capabilities.embedding
        and not capabilities.own_endpoint
    )


def _entry(model: Model, place: int, open_efforts: bool) -> dict[str, Any]:
    capabilities = model.capabilities
    efforts = [each for each in _efforts(capabilities) if open_efforts or each not in _LATE_EFFORTS]
    window = model.input_token_limit or _USUAL_WINDOW
    verbosity = "verbosity" in capabilities.fields
    return {
        "slug": model.id,
        "display_name": model.display_name or model.id,
        "description": None,
        "default_reasoning_level": _default_effort(efforts),
        "supported_reasoning_levels": [
            {"effort": each, "description": _DESCRIPTIONS[each]} for each in efforts
        ],
        "shell_type": "unified_exec",
        "visibility": "list",
        "supported_in_api": True,
        "priority": place,
        "upgrade": None,
        "base_instructions": _INSTRUCTIONS,
        "supports_reasoning_summaries": bool(efforts),
        "default_reasoning_summary": "auto" if efforts else "none",
        "support_verbosity": verbosity,
        "default_verbosity": "low" if verbosity else None,
        "apply_patch_tool_type": "freeform",
        "web_search_tool_type": "text",
        "truncation_policy": {"mode": "tokens", "limit": _OUTPUT_TOKENS},
        "supports_parallel_tool_calls": True,
        "supports_image_detail_original": False,
        "context_window": window,
        "max_context_window": window,
        "effective_context_window_percent": 95,
        "experimental_supported_tools": [],
        "input_modalities": ["text", "image"] if capabilities.reads("image") else ["text"],
        "supports_search_tool": False,
        "use_responses_lite": False,
    }


def _efforts(capabilities: Capabilities) -> tuple[Effort, ...]:
    if capabilities.thinking == "none":
        return ()
    if capabilities.efforts:
        return capabilities.efforts
    can_be_off = capabilities.thinking == "budget" and capabilities.min_budget == 0
    return ("none", *_ANY_BUDGET) if can_be_off else _ANY_BUDGET


def _default_effort(efforts: Sequence[Effort]) -> Effort | None:
    thinking = [each for each in efforts if each != "none"]
    if "medium" in thinking:
        return "medium"
    return thinking[-1] if thinking else None
