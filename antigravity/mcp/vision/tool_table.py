"""The eight vision tools: names, arguments and instructions for the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from antigravity.mcp.vision.media_sources import IMAGE, VIDEO, Kind

_WHERE: Final = "an http(s) address, a data: URL, or the path of a file that the gateway may read"
_IMAGE: Final = f"The image: {_WHERE}. Png or jpeg, up to 5 MiB."
_VIDEO: Final = f"The video: {_WHERE}. Mp4, mov or m4v, up to 8 MiB."
_PROMPT: Final = "What you want to know."


class VisionTool(Struct, frozen=True):
    """One tool.

    ``sources`` are the arguments that name media, with their descriptions.  ``choices`` map the
    values of a required argument to the kind of response.  ``optional`` arguments add a sentence
    with their ``{value}`` to the prompt.
    """

    name: str
    title: str
    description: str
    instructions: str
    sources: Mapping[str, str]
    kind: Kind = IMAGE
    choices: Mapping[str, Mapping[str, str]] = {}
    optional: Mapping[str, tuple[str, str]] = {}

    def input_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of its arguments."""
        properties: dict[str, Any] = {
            name: {"type": "string", "description": text, "minLength": 1}
            for name, text in self.sources.items()
        }
        for name, choices in self.choices.items():
            text = "; ".join(f"{value}: {what}" for value, what in choices.items())
            properties[name] = {"type": "string", "enum": list(choices), "description": text}
        properties["prompt"] = {"type": "string", "description": _PROMPT}
        required = list(properties)
        for name, (text, _) in self.optional.items():
            properties[name] = {"type": "string", "description": text}
        return {"type": "object", "properties": properties, "required": required}

    def prompt(self, arguments: Mapping[str, Any]) -> str:
        """Return the prompt for the model."""
        lines = [arguments["prompt"]]
        for name, choices in self.choices.items():
            lines.append(f"Your answer is {choices[arguments[name]]}.")
        for name, (_, words) in self.optional.items():
            if value := arguments.get(name):
                lines.append(words.format(value=value))
        return "\n\n".join(lines)


TOOLS: Final = (
    VisionTool(
        "ui_to_artifact",
        "Interface to artifact",
        "Turn a screenshot of a user interface into code, a prompt for another model, a "
        "specification, or a description.",
        "You are given a screenshot of a user interface. Work out its structure, components, "
        "texts, colours, sizes and spacing exactly, and leave nothing visible out.",
        {"image_source": _IMAGE},
        choices={
            "output_type": {
                "code": "complete code that reproduces the interface",
                "prompt": "a prompt with which another model can rebuild the interface",
                "spec": "a specification of its components, layout, styles and behaviour",
                "description": "a description of the interface in plain words",
            }
        },
    ),
    VisionTool(
        "extract_text_from_screenshot",
        "Text in a screenshot",
        "Read the text in a screenshot: code, terminal output, documents.",
        "You transcribe the text in a screenshot. Keep line breaks, indentation, punctuation and "
        "case as they are, do not correct anything, and mark what cannot be read.",
        {"image_source": _IMAGE},
        optional={
            "language_hint": (
                "The programming language or human language of the text, if it is known.",
                "The text is probably in this language: {value}",
            )
        },
    ),
    VisionTool(
        "diagnose_error_screenshot",
        "Error in a screenshot",
        "Explain an error that a screenshot shows, and how to get rid of it.",
        "You are given a screenshot of an error. Quote the message exactly, say what causes it "
        "as far as that can be seen, and how to solve it, the likeliest way first.",
        {"image_source": _IMAGE},
        optional={
            "context": (
                "What was done when it happened.",
                "This was going on when it happened: {value}",
            )
        },
    ),
    VisionTool(
        "understand_technical_diagram",
        "Technical diagram",
        "Explain a diagram: architecture, flow, UML, relations of entities, sequences.",
        "You are given a technical diagram. Name its elements and how they are connected, with "
        "directions and labels, then what it means as a whole.",
        {"image_source": _IMAGE},
        optional={
            "diagram_type": (
                "What kind of diagram it is, if that is known.",
                "It is a diagram of this kind: {value}",
            )
        },
    ),
    VisionTool(
        "analyze_data_visualization",
        "Chart or dashboard",
        "Read a chart or a dashboard: values, trends, what stands out.",
        "You are given a chart or a dashboard. Read axes, units, legends and values, say which "
        "values are estimates, then name trends, outliers and what follows from them.",
        {"image_source": _IMAGE},
        optional={
            "analysis_focus": (
                "What matters most.",
                "What matters most: {value}",
            )
        },
    ),
    VisionTool(
        "ui_diff_check",
        "Two interfaces compared",
        "Compare two screenshots of an interface: how it should be and how it is.",
        "You are given two screenshots: first how an interface should look, then how it looks. "
        "List every visible difference in layout, texts, colours, sizes and states, with its "
        "place and how serious it is. If there is none, say so.",
        {
            "expected_image_source": f"How it should look. {_IMAGE}",
            "actual_image_source": f"How it looks. {_IMAGE}",
        },
    ),
    VisionTool(
        "analyze_image",
        "Image",
        "Look at an image and answer a question about it, where no other tool fits.",
        "You are given an image. Answer from what can be seen in it, and say what cannot.",
        {"image_source": _IMAGE},
    ),
    VisionTool(
        "analyze_video",
        "Video",
        "Watch a short video and answer a question about it.",
        "You are given a video. Answer from what can be seen in it, with times where they help.",
        {"video_source": _VIDEO},
        kind=VIDEO,
    ),
)
