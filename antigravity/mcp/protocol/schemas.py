"""Validate JSON Schemas, and values against them.

Nothing is fetched: a schema with a reference to another document is invalid.
"""

from __future__ import annotations

from typing import Any, Final

from antigravity.interfaces.mcp_values import Json

_MOST_ERRORS: Final = 3
_LONGEST: Final = 300


class SchemaError(ValueError):
    """A schema is invalid; the message says why."""


class Validator:
    """Validates values against one schema, of draft 2020-12 unless it names another.

    :raises SchemaError: if the schema is invalid.
    """

    def __init__(self, schema: Json) -> None:
        # Imported on first use: importing the library takes long.
        from jsonschema import exceptions, validators
        from referencing import Registry

        self.schema = schema
        default = validators.Draft202012Validator if "$schema" not in schema else None
        kind = validators.validator_for(schema, default=default)
        if kind is None:
            raise SchemaError(f"the dialect {schema['$schema']!r} is unknown")
        try:
            kind.check_schema(schema)
        except exceptions.SchemaError as error:
            raise SchemaError(f"the schema is not valid: {error.message[:_LONGEST]}") from None
        except RecursionError:
            raise SchemaError("the schema is nested too deeply") from None
        self._inner = kind(schema, registry=Registry())

    def problems(self, value: Any) -> str:
        """Return the problems of ``value``, ``""`` if it is valid.

        :raises SchemaError: if the schema has a reference that cannot be resolved.
        """
        from referencing.exceptions import Unresolvable

        found: list[str] = []
        try:
            for error in self._inner.iter_errors(value):
                where = error.json_path
                found.append(f"{where}: {error.message[:_LONGEST]}")
                if len(found) == _MOST_ERRORS:
                    break
        except Unresolvable as error:
            raise SchemaError("the schema has a reference that cannot be resolved") from error
        except RecursionError:  # the value is nested too deeply, or the schema refers to itself
            return "it is nested too deeply"
        return "; ".join(found)
