"""Read what the documentation shows: code blocks and commands."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PORT = re.compile(r"http://127\.0\.0\.1:(?:8045|9045)")


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page in a language."""
    text = (ROOT / page).read_text("utf-8")
    found = re.findall(rf"^\.\. code-block:: {language}\n\n((?:   .*\n|\n)+)", text, re.MULTILINE)
    return [re.sub(r"^   ", "", block, flags=re.MULTILINE).strip() for block in found]


def commands(page: str) -> list[str]:
    """Return the shell commands of a page, each with its continuation, without comments."""
    text = "\n".join(blocks(page, "console")).replace("\\\n", " ")
    lines = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
    return [re.sub(r"\s+# .*", "", line).strip() for line in lines]


def at(address: str, text: str) -> str:
    """Return a snippet for the address of a running gateway."""
    assert PORT.search(text), text
    return PORT.sub(address, text)
