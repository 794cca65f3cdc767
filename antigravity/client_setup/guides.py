"""How each client is set up to use the gateway, with an address, a key and models filled in."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

#: The data; a note there says what it means.
GUIDES_FILE: Final = Path(__file__).parent / "guides.toml"
#: The most models in one text.
MOST_MODELS: Final = 8
#: What stands for the model if the gateway serves none that can be written into a text.
NO_MODEL: Final = "MODEL"

Language = Literal["json", "toml", "yaml", "sh", "powershell", "fields"]
#: What cannot end a string or a command in any of these languages.
_HARMLESS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(?:/[A-Za-z0-9._~/-]*)?")


class GuideStep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file to write, commands for a shell, or the fields of a dialog.

    ``windows`` is the path of ``file`` there, if it is another one.
    """

    text: str
    language: Language
    title: str = ""
    file: str = ""
    windows: str = ""


class ClientGuide(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one client is set up.

    ``protocol`` is the one that it speaks then, ``offers`` are patterns of the models that it shows
    or works best with (none: any), and ``notes`` are sentences about what goes wrong otherwise.
    """

    name: str
    title: str
    protocol: str
    offers: list[str] = []
    notes: list[str] = []
    step: list[GuideStep]


@cache
def client_guides() -> tuple[ClientGuide, ...]:
    """Return the guides of all clients, their texts not filled in."""
    data = tomllib.loads(GUIDES_FILE.read_text("utf-8"))
    return tuple(msgspec.convert(data["client"], list[ClientGuide]))


def fill(step: GuideStep, address: str, key: str, models: Sequence[str]) -> GuideStep:
    """Return a step with the address of the gateway, a key, and models.

    Names that could end a string or a command are left out, because people paste these texts into
    shells.

    :raises ValueError: if the address or the key could do so.
    """
    if not _ADDRESS.fullmatch(address) or not _HARMLESS.fullmatch(key):
        raise ValueError("the address or the key cannot be written into a text")
    good = [name for name in models if _HARMLESS.fullmatch(name)] or [NO_MODEL]
    lines = [
        line.replace("@EACH@", name)
        for line in step.text.lstrip("\n").splitlines(keepends=True)
        for name in (good[:MOST_MODELS] if "@EACH@" in line else [""])
    ]
    text = "".join(lines)
    if step.language == "json":  # after the last of several there is no comma
        text = re.sub(r",(\s*[}\]])", r"\1", text)
    values = {"@GATEWAY@": address.rstrip("/"), "@KEY@": key, "@MODEL@": good[0]}
    for name, value in values.items():
        text = text.replace(name, value)
    return msgspec.structs.replace(step, text=text)
