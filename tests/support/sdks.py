"""Runs without the providers' SDKs: they are large, and not there for every version of Python.

With ``pytest --without-sdks`` an import of an SDK gives a stand-in, and a test that calls one is
skipped there.  Checks that a test makes besides can ask :func:`are_installed`.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
import types
from collections.abc import Sequence
from typing import Any, NoReturn

import pytest

#: What the SDKs, and what they bring along, are imported as.
NAMES = frozenset({"anthropic", "google", "mcp", "openai", "pydantic", "uvicorn"})


def are_installed() -> bool:
    """Return whether this run has the SDKs."""
    return _Finder not in sys.meta_path


def do_without() -> None:
    """Give stand-ins to whoever imports an SDK from now on."""
    sys.meta_path.insert(0, _Finder)


def skip() -> NoReturn:
    """Skip the test that runs, or the module that is imported."""
    pytest.skip("this needs the SDKs", allow_module_level=True)


class _StandIn(types.ModuleType):
    """A module, a class or a function that is not there."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _StandIn(f"{self.__name__}.{name}")

    def __call__(self, *arguments: object, **named: object) -> Any:
        if "PYTEST_CURRENT_TEST" in os.environ:
            skip()
        return self  # a module that makes what its tests will need

    def __mro_entries__(self, bases: object) -> tuple[type, ...]:
        return ()


class _Loader(importlib.abc.Loader):
    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


class _Finder:
    """A meta-path finder for the SDKs alone."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] not in NAMES:
            return None
        return importlib.machinery.ModuleSpec(name, _Loader(), is_package=True)
