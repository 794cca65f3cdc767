"""The text of the configuration file, as the operator of a running gateway edits it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from msgspec import structs

from antigravity.app.configuration_editor import require_file, with_environment
from antigravity.config.atomic import write_atomically
from antigravity.config.errors import ConfigurationError, Problem
from antigravity.config.known_names import KnownNames
from antigravity.config.masked_text import mask_text, restore_text
from antigravity.config.raw_configuration import read_file
from antigravity.config.replacement_checks import check_replacement
from antigravity.config.snapshot import Configuration
from antigravity.config.validation import validate
from antigravity.interfaces.system import ConfigurationProblem, ConfigurationText
from antigravity.ir.errors import ConflictError

#: The end of the name of the file with the content before a change.
BACKUP: Final = ".backup"
#: The largest file in bytes, nearly twice the one that a new home gets.  It comes back as JSON,
#: which is longer, in a body of at most 64 KiB.
LARGEST: Final = 48 * 1024


class PreparedText:
    """A text that was checked, ready to be written.

    :param known: the names that plugins have registered.
    :ivar problems: its errors and warnings.
    """

    def __init__(self, text: ConfigurationText, known: KnownNames) -> None:
        self._text = text
        self._known = known
        self.version = text.version
        self.backup = ""
        self.problems: list[ConfigurationProblem] = []

    def check(self, source: Configuration | None) -> tuple[Path, bytes, bytes]:
        """Return the file, its content and its new content; note all problems.

        :raises ConflictError: if the file is not the one that the text was made from.
        """
        source = require_file(source)
        path, before = _read(source)
        if version_of(before) != self._text.version:
            raise ConflictError(
                f"{path} has been changed meanwhile.  Load it again, and repeat your changes.",
                code="configuration_changed",
            )
        after = before
        try:
            wanted = self._text.text.replace("\r\n", "\n")
            after = restore_text(wanted, mask_text(_decode(path, before))).encode()
            self._validate(source, path, after)
        except ConfigurationError as error:
            self._note(error.problems)
        self.version = version_of(after)
        return path, before, after

    def prepare(self, source: Configuration | None) -> tuple[Path, bytes, bytes]:
        """Return what to write, once the content that it replaces is in another file.

        :raises ConflictError: if the text cannot be used.
        """
        path, before, after = self.check(source)
        errors = [each for each in self.problems if each.severity == "error"]
        if errors:
            raise ConflictError(
                f"Nothing was written: {describe(errors[0])}.", code="bad_configuration"
            )
        if before != after:
            backup = path.with_name(path.name + BACKUP)
            try:
                write_atomically(backup, before)
            except OSError as error:
                raise ConflictError(
                    f"{backup} cannot be written: {error.strerror}.  Give the gateway's user the "
                    "right to write to its folder, or edit the file yourself."
                ) from error
            self.backup = str(backup)
        return path, before, after

    def _validate(self, source: Configuration, path: Path, content: bytes) -> None:
        raw = with_environment(path, content)
        settings, warnings = validate(raw, self._known)
        self._note(warnings)
        check_replacement(source, structs.replace(source, settings=settings, raw=raw))

    def _note(self, problems: Any) -> None:
        self.problems += [_view(each) for each in problems]


def read_text(source: Configuration | None) -> ConfigurationText:
    """Return the text of the configuration file without its secrets.

    :raises ConflictError: if there is no file, or it cannot be shown.
    """
    path, content = _read(require_file(source))
    try:
        masked = mask_text(_decode(path, content))
    except ConfigurationError as error:
        raise ConflictError(
            f"{path} cannot be shown without its secrets: {error}.  Edit the file itself.",
            code="bad_configuration",
        ) from None
    return ConfigurationText(masked.text, version_of(content))


def version_of(content: bytes) -> str:
    """Return a name of the content of a file."""
    return hashlib.sha256(content).hexdigest()[:32]


def describe(problem: ConfigurationProblem) -> str:
    """Return a problem as a text, with its line."""
    line = "" if problem.line is None else f"line {problem.line}"
    return ": ".join(part for part in (line, problem.key, problem.message) if part)


def _read(source: Configuration) -> tuple[Path, bytes]:
    path = source.file.resolve()
    try:
        content = read_file(path)
    except OSError as error:
        raise ConflictError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > LARGEST:
        raise ConflictError(
            f"{path} is larger than {LARGEST} bytes.  Edit the file itself.", code="file_too_large"
        )
    return path, content


def _decode(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConflictError(f"{path} is not UTF-8 text.  Edit the file itself.") from None


def _view(problem: Problem) -> ConfigurationProblem:
    fields = structs.asdict(problem)
    return ConfigurationProblem(**{**fields, "allowed": list(problem.allowed)})
