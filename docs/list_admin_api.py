"""Write the list in docs/admin-api.rst from the gateway's own document of its admin API.

Run it with ``python docs/list_admin_api.py`` after a change of a route or of its types.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

PAGE: Final = Path(__file__).parent / "admin-api.rst"
#: What follows this line is written by :func:`render`.
MARKER: Final = ".. Written by python docs/list_admin_api.py; do not edit what follows.\n"
ADDRESS: Final = "http://127.0.0.1:8045"
_KEY: Final = "sk-documentation"


def read_document() -> dict[str, Any]:
    """Return the document of a demo gateway with everything switched on."""
    from antigravity.testing import run_gateway

    config = f'[proxy]\nadmin_key = "{_KEY}"\n'
    with run_gateway(config=config) as gateway:
        response = gateway.get("/admin/openapi.json", {"x-api-key": _KEY})
    found: dict[str, Any] = response.json()
    return found


def render(document: Mapping[str, Any]) -> str:
    """Return the list of requests and types."""
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    operations.sort(key=lambda each: (each[1].split("/")[2], each[1], each[0]))
    lines = ["", *_table(operations), "", "Requests", "--------"]
    for method, path, operation in operations:
        lines += ["", *_request(method, path, operation)]
    lines += ["", "Types", "-----", "", "A field with a star is always there.", ""]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += ["", *_type(name, schema)]
    return "\n".join(lines) + "\n"


def _table(operations: list[tuple[str, str, Any]]) -> Iterator[str]:
    yield ".. list-table::"
    yield "   :header-rows: 1"
    yield "   :widths: 40 60"
    yield ""
    yield "   * - Request"
    yield "     - Effect"
    for method, path, operation in operations:
        yield f"   * - ``{method} {path}``"
        yield f"     - {_prose(operation['summary'])}"


def _request(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    title = f"``{method} {path}``"
    yield title
    yield "~" * len(title)
    yield ""
    yield _prose(" ".join([operation["summary"], operation.get("description", "")]).strip())
    parameters = operation.get("parameters", ())
    if parameters:
        yield ""
    for each in parameters:
        yield f"* ``{each['name']}``: {_parameter(each)}"
    body = operation.get("requestBody")
    if body is not None:
        optional = "" if body["required"] else ", which may be empty"
        yield ""
        yield f"The body is {_kind(body['content']['application/json']['schema'])}{optional}."
    yield ""
    errors = [each for each in operation["responses"] if each not in ("200", "401", "default")]
    known = f"  Its errors are {', '.join(errors)}." if errors else ""
    yield f"The response is {_response(operation['responses']['200']['content'])}.{known}"
    yield ""
    yield ".. code-block:: console"
    yield ""
    yield f"   $ {_curl(method, path, parameters, body)}"


def _parameter(parameter: Mapping[str, Any]) -> str:
    schema = parameter["schema"]
    if "description" in parameter:
        return _prose(parameter["description"])
    parts = [_kind(schema)]
    if "minimum" in schema:
        parts.append(f"from {schema['minimum']} to {schema['maximum']}")
    if schema.get("default", "") != "":
        parts.append(f"default ``{schema['default']}``")
    if parameter["required"]:
        parts.append("required")
    return ", ".join(parts)


def _response(content: Mapping[str, Any]) -> str:
    return " or ".join(
        _kind(each["schema"]) if "schema" in each else f"``{name}``"
        for name, each in content.items()
    )


def _curl(method: str, path: str, parameters: Any, body: Mapping[str, Any] | None) -> str:
    path = re.sub(r"{(\w+)}", lambda name: name[1].upper(), path)
    query = {each["name"]: each["example"] for each in parameters if "example" in each}
    words = ["curl", f"{ADDRESS}{path}{'?' * bool(query)}{urlencode(query, safe=',/')}"]
    words += ["-H", "Authorization: Bearer ADMIN_KEY"]
    if body is not None:
        example = body["content"]["application/json"].get("example", {})
        words += ["-d", json.dumps(example)]
    if method not in ("GET", "POST") or (method == "POST" and body is None):
        words[1:1] = ["-X", method]
    return shlex.join(words)


def _type(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield name
    yield "~" * len(name)
    yield ""
    yield _prose(schema.get("description", ""))
    yield ""
    required = schema.get("required", ())
    for field, each in schema.get("properties", {}).items():
        star = " \\*" if field in required else ""
        yield f"* ``{field}``{star}: {_kind(each)}"


def _kind(schema: Mapping[str, Any]) -> str:
    """Return the type of a value in words."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`_"
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"``{each}``" if each else "empty" for each in schema["enum"])
    kind = schema.get("type", "any value")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if kind == "object" and schema.get("additionalProperties"):
        return f"object with values: {_kind(schema['additionalProperties'])}"
    return str(kind)


def _prose(text: str) -> str:
    """Return text of a docstring in one line, with roles as literals."""
    return re.sub(r"(?<!`)`([^`]+)`(?![`_])", r"``\1``", " ".join(text.split()))


def main() -> None:
    """Write the list."""
    head = PAGE.read_text("utf-8").partition(MARKER)[0]
    PAGE.write_text(head + MARKER + render(read_document()), "utf-8")


if __name__ == "__main__":
    main()
