"""The log of a gateway in its home: files of limited size and number, for its owner only."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from twisted.python.logfile import LogFile

from antigravity.config.log_files import LOG_NAME, log_directory
from antigravity.config.settings import LogSettings
from antigravity.logs import make_logger
from antigravity.stores.lock_file import LockFile

_LOCK_NAME: Final = f"{LOG_NAME}.lock"


class HomeLogFile:
    """The log in ``home``, which one gateway at a time writes; the first line opens it.

    :ivar settings: the settings in force.
    :ivar problem: why it is not written; it is logged once.
    """

    log = make_logger()

    def __init__(self, home: Path, settings: LogSettings) -> None:
        self._directory = log_directory(home)
        self._lock = LockFile(self._directory / _LOCK_NAME)
        self._file: LogFile | None = None
        self.settings = settings
        self.problem = ""

    def write(self, text: str) -> None:
        """Write lines, unless the settings or an earlier problem forbid it.  It never raises."""
        if not self.settings.file or self.problem:
            self._close_file()
            return
        try:
            file = self._file or self._open()
            if file is not None:
                file.rotateLength = self.settings.max_bytes
                file.maxRotatedFiles = self.settings.keep
                file.write(text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            self._close_file()
            self._give_up(f"{self._directory} cannot be written: {error.strerror}")

    def close(self) -> None:
        """Let another gateway write the file, after the last lines of this one."""
        self._close_file()
        self._lock.release()

    def _open(self) -> LogFile | None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._lock.acquire():
            self._give_up(f"another gateway writes the one in {self._directory}")
            return None
        self._file = LogFile(LOG_NAME, str(self._directory), defaultMode=0o600)
        return self._file

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _give_up(self, problem: str) -> None:
        self.problem = problem
        self.log.warn("the log is not kept: {problem}", problem=problem)
