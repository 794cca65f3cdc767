"""Accounts survive in their files: private, whole, with what this version does not know."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from msgspec import structs

from antigravity.accounts.files import AccountError, AccountFiles
from antigravity.accounts.records import AccountRecord, credential_id
from antigravity.config.home import prepare_home
from antigravity.config.secret import Secret


@pytest.fixture
def files(tmp_path: Path) -> AccountFiles:
    prepare_home(tmp_path)
    return AccountFiles(tmp_path)


def record(identifier: str = "openai-1", **fields: object) -> AccountRecord:
    values = {"kind": "openai", "secret": Secret("sk-veiled-0123456789"), **fields}
    return AccountRecord(identifier, **values)  # type: ignore[arg-type]


def test_saved_account_is_loaded_and_private(files: AccountFiles) -> None:
    saved = record(label="ä@example.org", created=12.5, extra={"project": "p"})
    files.save(saved)
    assert files.load() == ([saved], [])
    (path,) = files.paths()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "veiled" not in repr(files.load())


def test_unknown_fields_survive_a_rewrite(files: AccountFiles) -> None:
    path = files.directory / "openai-1.json"
    extra = {"project": "p", "future": {"deep": [1]}}
    path.write_text(
        json.dumps({"kind": "openai", "secret": "s", "quota": {"a": 1}, "extra": extra})
    )
    (loaded,), _ = files.load()
    files.save(structs.replace(loaded, enabled=False, disabled_reason="why"))
    fields = json.loads(path.read_text())
    assert fields["quota"] == {"a": 1}
    assert fields["extra"] == extra
    assert fields["disabled_reason"] == "why"
    (again,), _ = files.load()
    files.save(structs.replace(again, enabled=True, disabled_reason=""))
    assert json.loads(path.read_text())["disabled_reason"] == ""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        b'{"kind": "openai"}',
        b'{"kind": "", "secret": "s"}',
        b'{"kind": "openai", "secret": ""}',
        b'{"kind": "openai", "secret": 4711}',
        b'{"kind": "openai", "secret": "s", "base_url": "https://veiled@x"}',
        b'{"kind": "openai", "secret": "s", "upstream": "a b"}',
        b'{"kind": "openai", "secret": "veiled", "enabled": "veiled"}',
    ],
)
def test_invalid_file_is_reported(files: AccountFiles, data: bytes) -> None:
    files.save(record("good"))
    path = files.directory / "bad.json"
    path.write_bytes(data)
    records, (broken,) = files.load()
    assert [each.id for each in records] == ["good"]
    assert broken.path == path
    assert "veiled" not in broken.reason
    assert "4711" not in broken.reason
    with pytest.raises(AccountError, match="move the file away"):
        files.save(record("bad"))
    assert path.read_bytes() == data


def test_missing_directory_has_no_accounts(tmp_path: Path) -> None:
    assert AccountFiles(tmp_path / "none").load() == ([], [])


def test_ids_cannot_leave_the_directory(files: AccountFiles) -> None:
    for name in ("../x", "", ".hidden", "a/b", "a\n"):
        with pytest.raises(AccountError):
            files.save(record(name))
        with pytest.raises(AccountError):
            files.remove(name)


def test_find_by_id_label_or_prefix(files: AccountFiles) -> None:
    for number, label in (("10", "one"), ("11", "two"), ("2", "two")):
        files.save(record(f"openai-{number}", label=label))
    assert files.find("openai-10").id == "openai-10"
    assert files.find("one").id == "openai-10"
    assert files.find("openai-2").id == "openai-2"
    for unclear in ("two", "openai-1"):
        with pytest.raises(AccountError, match="matches several"):
            files.find(unclear)
    for missing in ("", "three"):
        with pytest.raises(AccountError, match="does not exist"):
            files.find(missing)
    files.remove("openai-10")
    with pytest.raises(AccountError, match="does not exist"):
        files.remove("openai-10")


def test_ids_depend_on_the_secret_without_revealing_it() -> None:
    identifier = credential_id("up", "sk-veiled")
    assert identifier == credential_id("up", "sk-veiled")
    assert identifier != credential_id("up", "sk-other")
    assert identifier.startswith("up-")
    assert "veiled" not in identifier


def test_untidy_secret_is_stripped_and_reported(
    files: AccountFiles,
) -> None:
    path = files.directory / "openai-1.json"
    path.write_text(json.dumps({"kind": "openai", "secret": '"Bearer sk-1"\u200b\n'}))
    (loaded,), broken = files.load()
    assert (loaded.secret.reveal(), broken, files.untidy) == ("sk-1", [], [path])
    files.save(loaded)
    files.load()
    assert files.untidy == []


def test_invalid_secret_is_refused_with_its_line(files: AccountFiles) -> None:
    path = files.directory / "openai-1.json"
    path.write_text('{\n"kind": "openai",\n"secret": "veiled veiled"\n}')
    records, (broken,) = files.load()
    assert records == []
    assert "(line 3)" in str(broken)
    assert "veiled" not in str(broken)
