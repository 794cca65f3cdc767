"""Changes of files are reported within a second, by events of the system."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor as default_reactor
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import TestCase

from antigravity.config import directory_events as module
from antigravity.config import file_watcher
from antigravity.config.directory_events import DirectoryEvents, existing
from antigravity.config.file_watcher import FileWatcher, open_events

reactor: Any = default_reactor
#: Long enough for a loaded machine, and far below what polling would take here.
PATIENCE = 20.0
SETTLED = 0.05


class EventTests(TestCase):
    """A watcher that polls so rarely that only events can report a change."""

    timeout = 60
    if sys.platform != "linux":
        skip = "there is no inotify"

    async def start(self, *paths: Path) -> None:
        self.changes = 0
        self.patch(file_watcher, "INTERVAL", 3600.0)
        self.patch(file_watcher, "SLOW_INTERVAL", 3600.0)
        self.watcher = FileWatcher(reactor, lambda: self.paths, self.changed, open_events)
        self.paths = paths
        self.watcher.startService()
        self.addCleanup(self.watcher.stopService)
        await self.wait_until(lambda: self.watcher.has_events)
        self.assertEqual(self.changes, 0)

    def setUp(self) -> None:
        self.patch(file_watcher, "SETTLING_TIME", SETTLED)
        self.home = Path(self.mktemp()).absolute()
        self.home.mkdir()
        self.file = self.home / "antigravity.toml"
        self.file.write_text("a")
        self.accounts = self.home / "accounts"

    def changed(self) -> None:
        self.changes += 1

    async def wait_until(self, condition: Callable[[], object]) -> None:
        end = reactor.seconds() + PATIENCE
        while not condition():
            self.assertLess(reactor.seconds(), end, "it did not happen")
            await deferLater(reactor, 0.02)

    async def expect(self, number: int) -> None:
        """Wait for a number of reports, and for none more."""
        await self.wait_until(lambda: self.changes >= number)
        await deferLater(reactor, 4 * SETTLED)
        self.assertEqual(self.changes, number)

    async def test_written_file_is_reported_once(self) -> None:
        await self.start(self.file)
        self.file.write_text("longer")
        await self.expect(1)

    async def test_file_that_an_editor_replaces_is_reported_each_time(self) -> None:
        await self.start(self.file)
        for number in (1, 2):
            new = self.home / "antigravity.toml~"
            new.write_text("x" * (number + 1))
            new.replace(self.file)
            await self.expect(number)

    async def test_directory_that_comes_later_is_watched(self) -> None:
        await self.start(self.file, self.accounts)
        self.accounts.mkdir()
        await self.expect(1)
        (self.accounts / "one.json").write_text("{}")
        await self.expect(2)

    async def test_directories_that_come_later_are_watched(self) -> None:
        deep = self.home / "a" / "b" / "models.toml"
        await self.start(deep)
        deep.parent.mkdir(parents=True)
        await deferLater(reactor, 3 * SETTLED)
        self.assertEqual(self.changes, 0)
        deep.write_text("x")
        await self.expect(1)

    async def test_deleted_directory_is_watched_when_it_is_back(self) -> None:
        self.accounts.mkdir()
        await self.start(self.accounts)
        shutil.rmtree(self.accounts)
        await self.expect(1)
        self.accounts.mkdir()
        await self.expect(2)
        (self.accounts / "one.json").write_text("{}")
        await self.expect(3)

    async def test_moved_directory_is_not_watched_where_it_went(self) -> None:
        self.accounts.mkdir()
        await self.start(self.accounts)
        self.accounts.rename(self.home / "elsewhere")
        await self.expect(1)
        (self.home / "elsewhere" / "one.json").write_text("{}")
        await deferLater(reactor, 3 * SETTLED)
        self.assertEqual(self.changes, 1)

    async def test_file_behind_a_link_is_watched(self) -> None:
        target = self.home / "versions" / "1.toml"
        target.parent.mkdir()
        target.write_text("a")
        self.file.unlink()
        self.file.symlink_to(target)
        await self.start(self.file)
        target.write_text("longer")
        await self.expect(1)
        other = target.with_name("2.toml")
        other.write_text("even longer")
        link = self.home / "link"
        link.symlink_to(other)
        link.replace(self.file)
        await self.expect(2)

    async def test_other_files_are_not_reported(self) -> None:
        await self.start(self.file)
        for number in range(50):
            (self.home / "other.log").write_text(str(number))
        await deferLater(reactor, 3 * SETTLED)
        self.assertEqual(self.changes, 0)

    async def test_stop_closes_the_descriptor(self) -> None:
        await self.start(self.file)
        with_events = len(os.listdir("/proc/self/fd"))
        self.watcher.stopService()
        self.assertEqual(len(os.listdir("/proc/self/fd")), with_events - 1)
        self.file.write_text("longer")
        await deferLater(reactor, 2 * SETTLED)
        self.assertEqual(self.changes, 0)

    async def test_polling_goes_on_where_no_watch_is_left(self) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise OSError("no space left")

        self.patch(module.INotify, "watch", refuse)
        self.changes = 0
        watcher = FileWatcher(reactor, lambda: (self.file,), self.changed, open_events)
        watcher.startService()
        self.addCleanup(watcher.stopService)
        await deferLater(reactor, 3 * SETTLED)
        self.assertFalse(watcher.has_events)
        self.file.write_text("longer")
        await self.expect(1)

    async def test_many_events_are_one_look(self) -> None:
        """However often files are written, the looks are limited."""
        looks = 0

        def paths() -> tuple[Path]:
            nonlocal looks
            looks += 1
            return (self.file,)

        await self.start(self.file)
        self.watcher._paths = paths  # counted from now on
        began = reactor.seconds()
        for number in range(300):
            self.file.write_text("x" * number)
            await deferLater(reactor, 0.002)
        # Two calls for a look: one for the directories, one for the files.
        self.assertLess(looks, 2 * ((reactor.seconds() - began) / SETTLED + 2))
        await self.wait_until(lambda: self.changes)


class DirectoryTests(TestCase):
    def test_nearest_directory_is_found(self) -> None:
        home = Path(self.mktemp()).absolute()
        home.mkdir()
        self.assertEqual(existing(home), home)
        self.assertEqual(existing(home / "a" / "b"), home)

    def test_events_come_from_the_watched_directories_only(self) -> None:
        if sys.platform != "linux":
            return
        home = Path(self.mktemp()).absolute()
        home.mkdir()
        events = DirectoryEvents(reactor, lambda: None)
        self.addCleanup(events.stop)
        self.assertTrue(events.watch({home}))
        self.assertTrue(events.watch({home}))
        self.assertFalse(events.watch({home / "missing"}))

    def test_there_is_only_polling_without_inotify(self) -> None:
        name = "antigravity.config.directory_events"
        self.addCleanup(sys.modules.__setitem__, name, sys.modules[name])
        sys.modules[name] = None  # type: ignore[assignment]
        self.assertIsNone(open_events(Clock(), lambda: None))
