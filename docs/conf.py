"""How Sphinx builds the pages: ``make docs``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from antigravity.version import VERSION  # noqa: E402

project = "antigravity"
author = "the authors of antigravity"
project_copyright = author
version = release = VERSION
extensions = ["sphinx_click", "sphinx_copybutton", "page_contents", "source_links"]
exclude_patterns = ["screenshots/*.rst"]
root_doc = "index"
# Names that the pages quote are not references.
default_role = None
smartquotes = False
highlight_language = "none"
# A prompt is not part of a command.
copybutton_prompt_text = r"\$ |PS> |>>> "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
copybutton_line_continuation_character = "\\"

html_theme = "furo"
html_title = f"antigravity {VERSION}"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5fbf", "color-brand-content": "#1f5fbf"},
    "dark_css_variables": {"color-brand-primary": "#7fb0ff", "color-brand-content": "#7fb0ff"},
}


def setup(app: Any) -> None:
    """Leave the options of all commands to the first section of the page of commands."""
    app.connect("sphinx-click-process-options", drop_common_options)


def drop_common_options(app: Any, context: Any, lines: list[str]) -> None:
    """Remove the options of all commands from the lines of a command, in place."""
    if context.parent is None:
        return
    from antigravity.cli.options import CommonOption

    common = {
        name
        for each in context.command.params
        if isinstance(each, CommonOption)
        for name in each.opts
    }
    kept, drops = [], False
    for line in lines:
        if line.startswith(".. option:: "):
            drops = line.split()[2].rstrip(",") in common
        if not drops:
            kept.append(line)
    lines[:] = kept
