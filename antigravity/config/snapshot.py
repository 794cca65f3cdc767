"""A validated configuration, which running requests use until they end."""

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
    """Valid settings, and their sources.

    If ``file`` does not exist, no file was read.  ``raw`` has the origin of each value.
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
    """Return the configuration of file, environment and command line.

    :param home: the home directory, which may be missing.
    :param config_file: read this file instead of the one in ``home``.
    :param overrides: settings of the command line, by dotted name; ``None`` is ignored.
    :param known: the names that plugins have registered, if they are loaded.
    :raises ConfigurationError: with all problems.
    """
    file = config_file or home / FILE_NAME
    raw = RawConfiguration(None if config_file is None and is_missing(file) else file)
    raw.read_environment(environ)
    raw.read_overrides(overrides or {})
    settings, warnings = validate(raw, known)
    return Configuration(settings, home, file, raw, warnings)
