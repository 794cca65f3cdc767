"""The examples of the page about plugins."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]


def example_of(section: str, number: int = 0) -> Any:
    """Return the example in a hook's section of the page, as a plugin.

    :param number: which one, if there are several.
    """
    text = (ROOT / "docs/plugins.rst").read_text("utf-8")
    body = text.split(f"\n{section}(")[1].split(".. code-block:: python\n\n")[1 + number]
    code = re.split(r"\n(?=\S)", body)[0]
    plugin = ModuleType(section)
    exec(inspect.cleandoc(code), vars(plugin))  # our own page
    return plugin
