"""Checks that tool calls and results of the Messages API match; pure."""

from __future__ import annotations

from typing import Any

from antigravity.simulator.errors import refuse
from antigravity.simulator.validation.anthropic_thinking import (
    blocks_of,
)


def check_pairing(messages: list[dict[str, Any]]) -> None:
    """Refuse calls without results and results without calls; adjacent equal roles are merged."""
    turns: list[tuple[int, str, list[dict[str, Any]]]] = []
    for index, message in enumerate(messages):
        if turns and turns[-1][1] == message["role"]:
            turns[-1][2].extend(blocks_of(message))
        else:
            turns.append((index, message["role"], list(blocks_of(message))))
    seen: set[str] = set()
    open_ids: list[str] = []
    opened = 0
    for index, role, blocks in turns:
        leading: list[str] = []
        results: list[tuple[int, str]] = []
        for position, block in enumerate(blocks):
            if block["type"] == "tool_result":
                results.append((position, block["tool_use_id"]))
                if len(results) == position + 1:
                    leading.append(block["tool_use_id"])
        missing = [id_ for id_ in open_ids if id_ not in leading]
        for position, id_ in results:
            if id_ not in open_ids:
                refuse(
                    f"messages.{index}.content.{position}: unexpected `tool_use_id` found in "
                    f"`tool_result` blocks: {id_}. Each `tool_result` block must have a "
                    "corresponding `tool_use` block in the previous message."
                )
        if missing:
            refuse(
                f"messages.{opened}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {', '.join(missing)}. Each `tool_use` block must have a "
                "corresponding `tool_result` block in the next message."
            )
        if len({id_ for _, id_ in results}) != len(results):
            doubled = next(i for _, i in results if [r[1] for r in results].count(i) > 1)
            refuse(
                f"messages.{index}.content: each tool_use must have a single result. Found "
                f"multiple `tool_result` blocks with id: {doubled}"
            )
        open_ids, opened = [], index
        for position, block in enumerate(blocks):
            if role == "assistant" and block["type"] == "tool_use":
                if block["id"] in seen:
                    refuse(f"messages.{index}.content.{position}: `tool_use` ids must be unique")
                seen.add(block["id"])
                open_ids.append(block["id"])
    if open_ids:
        refuse(
            f"messages.{opened}: `tool_use` ids were found without `tool_result` blocks "
            f"immediately after: {', '.join(open_ids)}. Each `tool_use` block must have a "
            "corresponding `tool_result` block in the next message."
        )
