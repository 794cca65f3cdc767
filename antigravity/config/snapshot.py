"""A configuration as it was at one moment; exchanges keep the one that they began with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from antigravity.config.errors import Problem
from antigravity.config.home import FILE_NAME, is_missing
from antigravity.config.known_names import KnownNames
from antigravity.config.raw_configuration import RawConfiguration
from antigravity.config.settings import Settings
from antigravity.config.validation import validate


class Configuration(Struct, frozen=True):
    """Settings that were found good, and where they come from.

    ``file`` may not exist: then no file was read.  ``raw`` knows the origin of each value.
    """

    settings: Settings
    home: Path
    file: Path
    raw: RawConfiguration
    warnings: tuple[Problem, ...] = ()


def load(
    home: Path,
    config_file: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    overrides: Mapping[str, object] | None = None,
    known: KnownNames | None = None,
) -> Configuration:
    """Return the configuration that file, environment and command line make together.

    :param home: the home directory; it need not exist.
    :param config_file: read this file instead of the one in ``home``.
    :param overrides: what the command line says, by dotted key; ``None`` says nothing.
    :param known: what plugins have registered, if they were asked.
    :raises ConfigurationError: with everything that is wrong.
    """
    file = config_file or home / FILE_NAME
    raw = RawConfiguration(None if config_file is None and is_missing(file) else file)
    raw.read_environment(environ)
    raw.read_overrides(overrides or {})
    settings, warnings = validate(raw, known)
    return Configuration(settings, home, file, raw, warnings)
