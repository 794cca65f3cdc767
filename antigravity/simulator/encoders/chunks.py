"""Split texts into chunks, cited ranges and tokens; pure."""

from __future__ import annotations

from antigravity.simulator.script import Citation, Script


def split_in_half(text: str) -> list[str]:
    """Return the two halves of a text, or one piece if it is short."""
    middle = (len(text) + 1) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


def split_by_citation(script: Script) -> list[tuple[list[str], Citation | None]]:
    """Return the chunks of the text, grouped by the citation that they belong to."""
    edges = [(item.start, item.stop, item) for item in script.citations]
    groups: list[tuple[list[str], Citation | None]] = []
    position = 0
    for chunk in script.chunks:
        while chunk:
            inside = next((e for e in edges if e[0] <= position < e[1]), None)
            ends = [inside[1]] if inside else [e[0] for e in edges if e[0] > position]
            size = min([len(chunk), *(end - position for end in ends)])
            owner = inside[2] if inside else None
            if not groups or groups[-1][1] is not owner:
                groups.append(([], owner))
            groups[-1][0].append(chunk[:size])
            chunk = chunk[size:]
            position += size
    return groups


def split_tokens(text: str) -> list[str]:
    """Return the tokens of a text."""
    return [text[i : i + 4] for i in range(0, len(text), 4)]


def alternatives(token: str, count: int) -> list[tuple[str, float]]:
    """Return a token and its alternatives, with log probabilities."""
    return [(token if i == 0 else f"{token}~{i}", -0.25 - i) for i in range(count)]
