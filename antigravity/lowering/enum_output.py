"""Gemini's response format ``text/x.enum``: one of some values as plain text.

No other protocol has it: structured output would be JSON, with the value in quotes.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from antigravity.ir.capabilities import Loss
from antigravity.ir.parts import Text
from antigravity.ir.request import Request

_CONFIG: Final = "generationConfig"
_TYPE: Final = "responseMimeType"
_SCHEMAS: Final = ("responseSchema", "responseJsonSchema")


def instruct_enum(request: Request) -> tuple[Request, tuple[Loss, ...]]:
    """Return a request for another protocol with an instruction instead of this format."""
    config = request.extensions.get(_CONFIG)
    if not isinstance(config, dict) or config.get(_TYPE) != "text/x.enum":
        return request, ()
    values = _values(config)
    if not values:
        return request, ()
    listed = "\n".join(f"- {value}" for value in values)
    text = f"Answer with exactly one of these values and nothing else, without quotes:\n{listed}"
    loss = Loss("response_format", "the response format became an instruction")
    rest = {name: value for name, value in config.items() if name not in (_TYPE, *_SCHEMAS)}
    extensions = {**request.extensions, _CONFIG: rest}
    request = replace(request, system=(*request.system, Text(text)), extensions=extensions)
    return request, (loss,)


def _values(config: dict[str, Any]) -> list[str]:
    """Return the values that the schema allows."""
    for name in _SCHEMAS:
        schema = config.get(name)
        values = schema.get("enum") if isinstance(schema, dict) else None
        if isinstance(values, list):
            return [value for value in values if isinstance(value, str)]
    return []
