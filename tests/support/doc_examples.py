"""The examples of the page about plugins."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


def example_of(section: str) -> object:
    """Return the example in a hook's section of the page, as a plugin."""
    text = (ROOT / "docs/plugins.rst").read_text("utf-8")
    body = text.split(f"\n{section}(")[1].split(".. code-block:: python\n\n")[1]
    code = re.split(r"\n(?=\S)", body)[0]
    plugin = ModuleType(section)
    exec(inspect.cleandoc(code), vars(plugin))  # our own page
    return plugin
