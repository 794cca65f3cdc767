"""Truncate a script at a stop sequence or at the token limit; pure."""

from __future__ import annotations

from dataclasses import replace

from antigravity.simulator.script import Call, Script
from antigravity.simulator.view import View, compact, count


def truncate_script(view: View, script: Script) -> Script:
    """Return the script, truncated at a stop sequence and at the token limit."""
    text = script.text
    found = [(text.find(stop), stop) for stop in view.stops if stop and stop in text]
    if found:
        place, stop = min(found)
        script = replace(
            _truncate_text(script, place), calls=(), finish="stop_sequence", stop_sequence=stop
        )
    if view.max_tokens is None:
        return script
    room = view.max_tokens * 4
    if len(script.thinking) > room:
        cut = replace(script, thinking=script.thinking[:room], chunks=(), calls=(), citations=())
        return replace(cut, image=False, finish="length", stop_sequence=None)
    room -= -(-len(script.thinking) // 4) * 4
    if len(script.text) > room:
        cut = replace(_truncate_text(script, room), calls=(), image=False)
        return replace(cut, finish="length", stop_sequence=None)
    room -= -(-len(script.text) // 4) * 4
    calls: list[Call] = []
    for call in script.calls:
        room -= count(len(call.name) + len(compact(call.arguments))) * 4
        if room < 0:
            return replace(script, calls=tuple(calls), finish="length")
        calls.append(call)
    return script


def _truncate_text(script: Script, size: int) -> Script:
    """Return the script with the first ``size`` characters of its text."""
    chunks: list[str] = []
    for chunk in script.chunks:
        piece = chunk[:size]
        size -= len(piece)
        if piece:
            chunks.append(piece)
    total = sum(map(len, chunks))
    citations = tuple(
        replace(item, stop=min(item.stop, total)) for item in script.citations if item.start < total
    )
    return replace(script, chunks=tuple(chunks), citations=citations)
