"""What people should know about each client, and how they connect it in its own dialogs."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from antigravity.connect.client import Client, Target

#: The data; a note there says what it means.
TEXTS_FILE: Final = Path(__file__).with_name("texts.toml")


class Dialog(Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of a dialog, and the way to it."""

    title: str
    fields: list[str]


class _Texts(Struct, frozen=True, forbid_unknown_fields=True):
    hints: list[str]
    dialogs: list[Dialog] = []


def hints(client: Client, target: Target) -> list[str]:
    """Return what people should know about a client; a key that is demanded is not shown."""
    return [_fill(text, target) for text in _texts()[client.name].hints]


def dialogs(client: Client, target: Target) -> list[Dialog]:
    """Return what people enter in the dialogs of a client that has no file for this."""
    return [
        Dialog(each.title, [_fill(field, target) for field in each.fields])
        for each in _texts()[client.name].dialogs
    ]


def _fill(text: str, target: Target) -> str:
    key = "KEY" if target.demands_key else target.key
    return text.format(
        address=target.address, openai=target.openai, key=key, model=target.model or "MODEL"
    )


@cache
def _texts() -> dict[str, _Texts]:
    data = tomllib.loads(TEXTS_FILE.read_text("utf-8"))
    return msgspec.convert(data, dict[str, _Texts])
