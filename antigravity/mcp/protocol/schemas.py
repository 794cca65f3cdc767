"""JSON Schema: whether one is sound, and whether a value fits it.

Nothing is ever fetched: a reference to another document makes a schema unusable.
"""

from __future__ import annotations

from typing import Any, Final

from antigravity.interfaces.mcp_values import Json

_MOST_ERRORS: Final = 3
_LONGEST: Final = 300


class SchemaError(ValueError):
    """A schema that can't be used, with the reason."""


class Validator:
    """Checks values against one schema, of draft 2020-12 unless it names another.

    :raises SchemaError: if the schema is not sound.
    """

    def __init__(self, schema: Json) -> None:
        # The library takes a while to import: only who has a schema to check pays for it.
        from jsonschema import exceptions, validators
        from referencing import Registry

        self.schema = schema
        default = validators.Draft202012Validator if "$schema" not in schema else None
        kind = validators.validator_for(schema, default=default)
        if kind is None:
            raise SchemaError(f"the dialect {schema['$schema']!r} is not known")
        try:
            kind.check_schema(schema)
        except exceptions.SchemaError as error:
            raise SchemaError(f"the schema is not valid: {error.message[:_LONGEST]}") from None
        except RecursionError:
            raise SchemaError("the schema is nested too deeply") from None
        self._inner = kind(schema, registry=Registry())

    def problems(self, value: Any) -> str:
        """Return what is wrong with ``value``, ``""`` if it fits.

        :raises SchemaError: if the schema refers to what is not there.
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
            raise SchemaError("the schema refers to something that is not in it") from error
        except RecursionError:  # of the value, or a schema that refers to itself for ever
            return "it is nested too deeply to be checked"
        return "; ".join(found)
