"""The home directory: its path, and the content of a new one."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from antigravity.config.atomic import write_atomically
from antigravity.config.errors import ConfigurationError, Problem
from antigravity.config.last_run import explain_missing_settings, read_last_run

#: The environment variable that names the home directory.
HOME_VARIABLE = "ANTIGRAVITY_HOME"
FILE_NAME = "antigravity.toml"
ACCOUNTS_NAME = "accounts"

_API_KEY_LINE = '#api_key = ""\n'
_ADMIN_KEY_LINE = '#admin_key = ""\n'


def find_home(option: str | Path | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the home directory from the option, the environment or the platform's default."""
    chosen = option or environ.get(HOME_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs  # large, and not needed for a home that is given

    return Path(platformdirs.user_data_dir("antigravity", appauthor=False))


def prepare_home(home: Path, *, with_file: bool = True) -> bool:
    """Create the missing parts of ``home``; return whether a configuration file was created.

    Existing files are never changed.

    :param with_file: whether to create a configuration file; false if it is elsewhere.
    :raises ConfigurationError: if the file is missing and the last run of the gateway required a
        key: a new file might remove that requirement.
    :raises OSError: if something cannot be created.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / ACCOUNTS_NAME).mkdir(mode=0o700, exist_ok=True)
    path = home / FILE_NAME
    if not with_file or not is_missing(path):
        return False
    last = read_last_run(home)
    if last is not None and last.file == str(path) and last.auth_mode != "off":
        raise ConfigurationError(
            [
                Problem(
                    explain_missing_settings("the configuration file is missing", home),
                    place=str(path),
                )
            ]
        )
    with contextlib.suppress(FileExistsError):
        write_atomically(path, initial_text(new_api_key(), new_api_key()).encode(), replace=False)
        return True
    return False


def is_missing(path: Path) -> bool:
    """Return whether there is no file, folder or dangling link of that name.

    If the path cannot be examined, the result is false, and reading the file reports why.
    """
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def new_api_key() -> str:
    """Return a random key for clients of this gateway."""
    return f"sk-{secrets.token_hex(24)}"


def master_text() -> str:
    """Return the configuration file with every setting in a comment."""
    return (files(__package__) / FILE_NAME).read_text(encoding="utf-8")


def initial_text(api_key: str, admin_key: str) -> str:
    """Return a new configuration file: all settings in comments, except for the two keys."""
    text = master_text()
    for line, name, key in (
        (_API_KEY_LINE, "api_key", api_key),
        (_ADMIN_KEY_LINE, "admin_key", admin_key),
    ):
        before, found, after = text.partition(line)
        assert found, f"the master file has no line for {name}"
        text = f'{before}{name} = "{key}"\n{after}'
    return text


def open_to_others(path: Path) -> bool:
    """Return whether other users have rights on ``path`` (always false on Windows)."""
    return os.name != "nt" and bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
