"""Requests of several kinds to measure the estimate with: languages, code, JSON, schemas."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any, Final

from antigravity.ir.parts import Text, ToolCall, ToolResult
from antigravity.ir.request import Message, Request
from antigravity.ir.tools import FunctionTool

_TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "English": (
        "The harbour was empty when the last ferry came in, and nobody waited on the quay. ",
        "Please move the parser into a module of its own, and keep the tests as they are. ",
        "Most of the delay comes from the second query, which reads the whole table twice. ",
        "She asked whether the report could be ready by Friday; it could, but only just. ",
    ),
    "German": (
        "Der Hafen war leer, als die letzte Fähre einlief, und niemand wartete am Kai. ",
        "Bitte verschiebe den Parser in ein eigenes Modul und lass die Prüfungen, wie sie sind. ",
        "Die größte Verzögerung kommt von der zweiten Abfrage, die alles doppelt liest. ",
        "Sie fragte, ob der Bericht bis Freitag fertig sein könne; er konnte es gerade noch. ",
    ),
    "Russian": (
        "Гавань была пуста, когда пришёл последний паром, и на причале никто не ждал. ",
        "Перенеси, пожалуйста, разбор в отдельный модуль; проверки оставь как есть. ",
        "Больше всего времени уходит на второй запрос, который читает таблицу дважды. ",
        "Она спросила, будет ли отчёт готов к пятнице; он был готов в последний час. ",
    ),
    "Chinese": (
        "最后一班渡轮进港的时候,港口空无一人,码头上没有人在等。",
        "请把解析器移到单独的模块里,测试保持原样。",
        "大部分延迟来自第二个查询,它把整张表读了两遍。",
        "她问报告能不能在星期五之前完成,勉强可以。",
    ),
    "program code": (
        "def total(rows: list[Row]) -> int:\n    return sum(row.amount for row in rows)\n\n",
        "for index, line in enumerate(lines):\n    if not line.strip():\n        continue\n",
        "class Cache:\n    def __init__(self, size: int) -> None:\n        self._items = {}\n\n",
        "    assert response.status == 200, f'{response.status}: {await response.text()}'\n",
    ),
}
KINDS: Final = (*_TEXTS, "tool results", "schemas")


def requests(kind: str, number: int, seed: int) -> list[Request]:
    """Return so many requests of a kind, of very different lengths."""
    luck = random.Random(f"{kind} {seed}")
    return [_request(kind, luck, luck.randint(10, 200)) for _ in range(number)]


def _request(kind: str, luck: random.Random, length: int) -> Request:
    if kind == "tool results":
        return _with_results(luck, length)
    if kind == "schemas":
        ask = Message("user", (Text("Which of these tools helps?"),))
        tools = tuple(_tool(luck, number) for number in range(length // 5 + 1))
        return Request("m", (ask,), "test", tools=tools)
    text = "".join(luck.choices(_TEXTS[kind], k=length))
    return Request("m", (Message("user", (Text(text),)),), "test")


def _with_results(luck: random.Random, length: int) -> Request:
    rows = [{"id": luck.randrange(10**6), "name": "row", "ok": True} for _ in range(length)]
    call = ToolCall("call_1", "query", json.dumps({"table": "rows", "limit": length}))
    return Request(
        "m",
        (
            Message("user", (Text("What is in the table?"),)),
            Message("assistant", (call,)),
            Message("user", (ToolResult("call_1", (Text(json.dumps(rows)),)),)),
        ),
        "test",
        tools=(_tool(luck, 0),),
    )


def _tool(luck: random.Random, number: int) -> FunctionTool:
    properties: dict[str, Any] = {
        f"field_{index}": {"type": "string", "description": "What to look for."}
        for index in range(luck.randint(1, 8))
    }
    schema = {"type": "object", "properties": properties, "required": ["field_0"]}
    return FunctionTool(f"query_{number}", "Looks something up in a table.", schema)
