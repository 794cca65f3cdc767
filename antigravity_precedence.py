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
        from importlib.machinery import PathFinder

        # The standard library is known by its content: its address is spelt in many ways
        # (letter case, links, a zip file), and frozen programs do not know it at all.
        elsewhere = [
            entry for entry in sys.path if PathFinder.find_spec("__future__", [entry]) is None
        ]
        spec = PathFinder.find_spec(name, elsewhere, target)
        # A folder of this name without __init__.py has no origin: that is not the package.
        if spec is None or spec.origin is None or spec.submodule_search_locations is None:
            return None
        return spec


def install():  # type: ignore[no-untyped-def]
    """Put the finder first on ``sys.meta_path``, once."""
    if AntigravityFinder not in sys.meta_path:
        sys.meta_path.insert(0, AntigravityFinder)
        stale = sys.modules.get(_NAME)
        if stale is not None and not hasattr(stale, "__path__"):
            del sys.modules[_NAME]
