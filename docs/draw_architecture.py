"""Draw docs/architecture.svg from docs/architecture.toml: ``python docs/draw_architecture.py``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

HERE: Final = Path(__file__).parent
DATA: Final = HERE / "architecture.toml"
PICTURE: Final = HERE / "architecture.svg"

WIDTH: Final = 1080
LEFT: Final = 120
GAP: Final = 12
BOX: Final = 64
LAYER: Final = BOX + 2 * GAP
TOP: Final = 56
HEAD: Final = (
    '<marker id="head" markerWidth="8" markerHeight="8" refX="6" refY="3" orient="auto">'
    '<path d="M0,0 L6,3 L0,6 z" fill="#2680c2"/></marker>'
)
STYLE: Final = """
  text { font-family: Helvetica, Arial, sans-serif; fill: #1f2933; }
  .layer { fill: #f3f6f9; } .title { font-size: 14px; font-weight: bold; fill: #52606d; }
  .room { fill: #ffffff; stroke: #9aa5b1; } .path { stroke: #2680c2; stroke-width: 2; }
  .name { font-size: 14px; font-weight: bold; } .text { font-size: 11px; fill: #52606d; }
  .step { fill: #2680c2; } .number { font-size: 11px; font-weight: bold; fill: #ffffff; }
  .outside { font-size: 13px; fill: #2680c2; font-weight: bold; }
  .line, .arrow { stroke: #2680c2; stroke-width: 2; fill: none; } .arrow { marker-end: url(#head); }
"""


def _text(x: float, y: float, kind: str, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _room(room: Mapping[str, Any], x: float, y: float, width: float) -> Iterator[str]:
    """Yield the box of one room: its name, what it does, and its steps."""
    steps: Sequence[int] = room.get("steps", ())
    kind = "room path" if steps else "room"
    yield f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{BOX}" rx="6" class="{kind}"/>'
    yield _text(x + width / 2, y + 20, "name", f"{room['name']}/")
    for number, line in enumerate(room["text"].split("\n")):
        yield _text(x + width / 2, y + 38 + 14 * number, "text", line)
    for number, step in enumerate(steps):
        centre = x + width - 12 - 20 * (len(steps) - 1 - number)
        yield f'<circle cx="{centre:g}" cy="{y:g}" r="9" class="step"/>'
        yield _text(centre, y + 4, "number", str(step))


def _layer(layer: Mapping[str, Any], y: float) -> Iterator[str]:
    """Yield one layer with its rooms side by side."""
    yield f'<rect x="0" y="{y:g}" width="{WIDTH}" height="{LAYER}" class="layer"/>'
    yield _text(GAP, y + LAYER / 2 + 5, "title", layer["name"], "start")
    rooms = layer["rooms"]
    shares = sum(room.get("width", 1) for room in rooms)
    unit = (WIDTH - LEFT - GAP * len(rooms)) / shares
    x = float(LEFT)
    for room in rooms:
        width = unit * room.get("width", 1)
        yield from _room(room, x, y + GAP, width)
        x += width + GAP


def draw(data: Mapping[str, Any]) -> str:
    """Return the picture: layers from top to bottom, and the two ways out of the gateway."""
    layers = data["layer"]
    height = TOP + len(layers) * (LAYER + GAP)
    edge = TOP + LAYER + GAP + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>The rooms of antigravity, and the path of a request through them</title>",
        f"<style>{STYLE}</style>",
        f"<defs>{HEAD}</defs>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for number, layer in enumerate(layers):
        parts += _layer(layer, TOP + number * (LAYER + GAP))
    middle = edge + BOX / 2
    left, right = LEFT - GAP / 2, WIDTH - GAP / 2
    parts += [
        _text(left, TOP - 32, "outside", "clients"),
        f'<path d="M{left:g},{TOP - 24} V{middle:g} h{GAP / 2:g}" class="line"/>',
        _text(WIDTH - 4, TOP - 32, "outside", "upstreams", "end"),
        f'<path d="M{right - GAP / 2:g},{middle:g} h{GAP / 2:g} V{TOP - 20}" class="arrow"/>',
    ]
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(draw(tomllib.loads(DATA.read_text("utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
