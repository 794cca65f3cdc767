"""What can be read of this machine: files below the folders that are listed, and nothing else."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest

from antigravity.mcp.vision import files
from antigravity.mcp.vision.files import FileRefusedError, FileTooLargeError, read_below

LIMIT = 1000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a.png").write_bytes(b"inside")
    (tmp_path / "secret").write_bytes(b"outside")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.png").write_bytes(b"outside")
    return folder


def refused(root: Path, path: object) -> str:
    with pytest.raises(FileRefusedError) as caught:
        read_below([root], str(path), LIMIT)
    assert "outside" not in str(caught.value)
    return str(caught.value)


def test_read_below_reads_files_below_root(root: Path) -> None:
    assert read_below([root], str(root / "inner" / "a.png"), LIMIT) == b"inside"
    assert read_below([root], f"{root}//inner/./a.png", LIMIT) == b"inside"
    assert read_below([Path("/nowhere"), root], str(root / "inner/a.png"), LIMIT) == b"inside"


def test_read_below_rejects_everything_without_roots(root: Path) -> None:
    with pytest.raises(FileRefusedError, match="configuration allows"):
        read_below([], str(root / "inner" / "a.png"), LIMIT)


def test_read_below_rejects_paths_outside_roots(root: Path) -> None:
    above = root.parent
    assert "configuration allows" in refused(root, above / "secret")
    assert "configuration allows" in refused(root, "/etc/passwd")
    assert "configuration allows" in refused(root, root)
    assert "configuration allows" in refused(root, f"{root}x/a.png")
    assert ".." in refused(root, f"{root}/../secret")
    assert ".." in refused(root, f"{root}/inner/../../secret")
    assert "absolute" in refused(root, "inner/a.png")
    assert "absolute" in refused(root, "")
    refused(root, f"{root}/inner/a.png\0.png")
    assert "file not found" in refused(root, root / "inner" / "b.png")


def test_existing_and_missing_outside_files_give_same_error(root: Path) -> None:
    assert refused(root, root.parent / "secret") == refused(root, root.parent / "nothing")


def test_read_below_rejects_links(root: Path) -> None:
    above = root.parent
    (root / "file").symlink_to(above / "secret")
    (root / "folder").symlink_to(above / "other")
    (root / "within").symlink_to(root / "inner" / "a.png")
    for path in (root / "file", root / "folder" / "a.png", root / "within"):
        assert "link" in refused(root, path)


def test_root_may_be_a_link(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    assert read_below([link], str(link / "inner" / "a.png"), LIMIT) == b"inside"


def test_read_below_rejects_pipes_and_folders(root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert "not a file" in refused(root, root / "pipe")
    assert "not a file" in refused(root, root / "inner")


def test_read_below_rejects_files_over_limit(root: Path) -> None:
    (root / "large").write_bytes(b"x" * (LIMIT + 1))
    (root / "just").write_bytes(b"x" * LIMIT)
    with pytest.raises(FileTooLargeError):
        read_below([root], str(root / "large"), LIMIT)
    assert len(read_below([root], str(root / "just"), LIMIT)) == LIMIT


def test_folder_swapped_for_link_is_never_followed(root: Path) -> None:
    """Somebody swaps a folder for a link while files are read, as fast as that goes."""
    inner, spare, link = root / "inner", root / "spare", root / "link"
    link.symlink_to(root.parent / "other")
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            inner.rename(spare)
            link.rename(inner)
            inner.rename(link)
            spare.rename(inner)

    thread = threading.Thread(target=swap)
    thread.start()
    found: set[bytes] = set()
    try:
        for _ in range(3000):
            try:
                found.add(read_below([root], str(inner / "a.png"), LIMIT))
            except FileRefusedError:
                found.add(b"")
    finally:
        over.set()
        thread.join()
    assert b"outside" not in found
    assert b"" in found


def test_read_below_rejects_on_systems_without_safe_open(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_CAN_BE_SAFE", False)
    assert "safely" in refused(root, root / "inner" / "a.png")


def test_read_below_closes_descriptors(root: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    for path in (root / "inner" / "a.png", root / "inner" / "b.png", root / "x" / "y", root):
        with contextlib.suppress(FileRefusedError):
            read_below([root], str(path), LIMIT)
    assert len(os.listdir("/dev/fd")) == before
