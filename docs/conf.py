"""How Sphinx builds the pages: ``make docs``."""

from __future__ import annotations

import sys
from pathlib import Path

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
