"""Code that Google ran, as Markdown for clients whose protocol has no form for it."""

from __future__ import annotations


def code_block(code: str, language: str = "") -> str:
    """Return code or its output as a block, nothing if there is none."""
    return f"\n```{language.lower()}\n{code.rstrip()}\n```\n" if code else ""
