"""Let the installed ``antigravity`` package win over the joke module of that name.

The standard library ships ``antigravity.py`` and stands before site-packages on
``sys.path``.  This module puts one finder for this one name first on
``sys.meta_path``; the finder looks everywhere but in the standard library.
It never touches another name and it imports nothing at start-up.
"""

import sys

_NAME = "antigravity"


class AntigravityFinder:
    """A meta-path finder for the package ``antigravity`` and for nothing else."""

    @staticmethod
    def find_spec(name, path=None, target=None):  # type: ignore[no-untyped-def]
        """Return the spec of the gateway's package, or ``None`` to let others look."""
        if name != _NAME or path is not None:
            return None
        import os
        from importlib.machinery import PathFinder

        standard = os.path.dirname(os.__file__)
        elsewhere = [entry for entry in sys.path if os.path.abspath(entry or ".") != standard]
        spec = PathFinder.find_spec(name, elsewhere, target)
        return spec if spec is not None and spec.submodule_search_locations else None


def install():  # type: ignore[no-untyped-def]
    """Put the finder first on ``sys.meta_path``, once."""
    if AntigravityFinder not in sys.meta_path:
        sys.meta_path.insert(0, AntigravityFinder)
        stale = sys.modules.get(_NAME)
        if stale is not None and not hasattr(stale, "__path__"):
            del sys.modules[_NAME]
