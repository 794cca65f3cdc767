"""Clients are connected and disconnected without touching what is not ours."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from antigravity.connect.client import Client, Places, ServedModel, Target
from antigravity.connect.client_files import write_file
from antigravity.connect.clients import CLIENTS, find_client
from antigravity.connect.connections import KEPT_BACKUPS, Connections
from antigravity.connect.file_lock import locked
from antigravity.connect.plan import ChangedMeanwhileError, ConnectError
from antigravity.connect.texts import dialogs, hints
from antigravity.stores.lock_file import LockFile

MODELS = (
    ServedModel("gpt-5.1", 400_000, 128_000),
    ServedModel("claude-sonnet-5", 1_000_000, 64_000),
)
TARGET = Target("http://127.0.0.1:8045", "sk-local", models=MODELS)
WITH_FILES = [client for client in CLIENTS.values() if client.files is not None]

#: What somebody has in the files of each client, by the end of their paths.
OWN = Path(__file__).parent / "own"
SETTINGS = {
    path.relative_to(OWN).as_posix(): path.read_text("utf-8")
    for path in OWN.rglob("*")
    if path.is_file()
}


def own_settings(path: Path) -> str:
    """Return what somebody has in a file of a client."""
    return next((text for end, text in SETTINGS.items() if str(path).endswith(end)), "")


class Machine:
    """A user's folder, and the gateway's home."""

    def __init__(self, folder: Path) -> None:
        self.user = folder / "me"
        self.user.mkdir()
        self.home = folder / "home"
        self.home.mkdir()
        self.places = Places(self.user, {"PATH": ""}, "linux")
        self.connections = Connections(self.home, self.places)

    def paths(self, client: Client) -> list[Path]:
        assert client.files is not None
        return [file.path for file in client.files(TARGET, self.places)]

    def fill(self, client: Client) -> dict[Path, bytes]:
        """Write somebody's own settings, and return them."""
        for path in self.paths(client):
            if text := own_settings(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        return self.read(client)

    def read(self, client: Client) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self.paths(client) if path.exists()}

    def connect(self, client: Client, target: Target = TARGET) -> str:
        plan = self.connections.plan_connect(client, target)
        self.connections.apply(plan)
        return plan.diff()

    def disconnect(self, client: Client) -> list[str]:
        plan = self.connections.plan_disconnect(client)
        self.connections.apply(plan)
        return plan.left


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def by_name(client: Client) -> str:
    return client.name


CLAUDE, CODEX = CLIENTS["claude-code"], CLIENTS["codex"]


@pytest.mark.parametrize("client", WITH_FILES, ids=by_name)
def test_disconnected_client_has_its_files_back(machine: Machine, client: Client) -> None:
    before = machine.fill(client)
    diff = machine.connect(client)
    assert "8045" in diff
    assert machine.read(client) != before
    assert machine.connections.state(client).state == "connected"
    assert machine.disconnect(client) == []
    assert machine.read(client) == before
    with pytest.raises(ConnectError, match="was not connected"):
        machine.disconnect(client)


@pytest.mark.parametrize("client", WITH_FILES, ids=by_name)
def test_client_without_files_gets_them_and_loses_them(machine: Machine, client: Client) -> None:
    machine.connect(client)
    made = machine.read(client)
    assert made
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in made)
    assert any(b"8045" in content for content in made.values())
    machine.disconnect(client)
    assert machine.read(client) == {}


@pytest.mark.parametrize("client", WITH_FILES, ids=by_name)
def test_folders_that_were_made_go_with_the_file(machine: Machine, client: Client) -> None:
    machine.connect(client)
    machine.connect(client)
    machine.disconnect(client)
    assert list(machine.user.iterdir()) == []
    assert not machine.connections.is_installed(client)


def test_folders_of_the_user_stay(machine: Machine) -> None:
    (path,) = machine.paths(CLAUDE)
    path.parent.mkdir(parents=True)
    machine.connect(CLAUDE)
    machine.disconnect(CLAUDE)
    assert path.parent.is_dir(), "it was there before"
    path.parent.rmdir()
    machine.connect(CLAUDE)
    (path.parent / "history").write_text("")
    machine.disconnect(CLAUDE)
    assert list(path.parent.iterdir()) == [path.parent / "history"]


@pytest.mark.parametrize("client", WITH_FILES, ids=by_name)
def test_connecting_twice_changes_nothing(machine: Machine, client: Client) -> None:
    before = machine.fill(client)
    machine.connect(client)
    once = machine.read(client)
    assert not machine.connections.plan_connect(client, TARGET).is_change
    machine.connect(client)
    assert machine.read(client) == once
    machine.disconnect(client)
    assert machine.read(client) == before


@pytest.mark.parametrize("client", WITH_FILES, ids=by_name)
def test_other_address_replaces_the_first_one(machine: Machine, client: Client) -> None:
    before = machine.fill(client)
    machine.connect(client)
    other = Target("http://127.0.0.1:9999", "sk-other", models=MODELS[:1])
    machine.connect(client, other)
    text = b"".join(machine.read(client).values())
    assert b"9999" in text
    assert b"8045" not in text
    assert b"sk-local" not in text
    machine.disconnect(client)
    assert machine.read(client) == before


def spoil(path: Path) -> None:
    """Change something in a file, as its client does."""
    text = path.read_text()
    if path.suffix == ".toml":
        path.write_text(text + '\n[projects."/new"]\ntrust_level = "trusted"\n')
    elif path.suffix in (".yaml", ".yml"):
        more = "- model_id: new\n" if text.lstrip().startswith("-") else "new: true\n"
        path.write_text(text + more)
    elif path.name == ".env":
        path.write_text(text + "NEW=1\n")
    else:
        data = json.loads(strip_comments(text))
        if isinstance(data, list):
            data.append({"name": "new"})
        else:
            data["new"] = True
        path.write_text(json.dumps(data))  # in another style, as many clients do


def strip_comments(text: str) -> str:
    from antigravity.connect.files.jsonc_scanner import scan

    return json.dumps(scan(text).plain())


@pytest.mark.parametrize("client", WITH_FILES, ids=by_name)
def test_changes_made_since_stay(machine: Machine, client: Client) -> None:
    machine.fill(client)
    machine.connect(client)
    for path in machine.read(client):
        spoil(path)
    assert machine.disconnect(client) == []
    for path, content in machine.read(client).items():
        text = content.decode()
        assert "new" in text.lower(), path
        assert "8045" not in text, path
        assert "sk-local" not in text, path
        assert "antigravity" not in text, path
        own = own_settings(path)
        for word in ("gopls", "Mine", "azure", "EDITOR", "docs-mcp", "sonnet", "oauth-personal"):
            assert (word in own) <= (word in text), (path, word)


def test_value_that_was_changed_since_stays(machine: Machine) -> None:
    machine.fill(CLAUDE)
    machine.connect(CLAUDE)
    (path,) = machine.paths(CLAUDE)
    text = path.read_text().replace("http://127.0.0.1:8045", "https://third.example")
    path.write_text(text)
    assert machine.connections.state(CLAUDE).state == "changed"
    assert machine.disconnect(CLAUDE) == ["env.ANTHROPIC_BASE_URL"]
    assert "https://third.example" in path.read_text()
    assert "sk-local" not in path.read_text()
    assert machine.connections.state(CLAUDE).state == "elsewhere"


def test_value_that_was_there_before_is_restored(machine: Machine) -> None:
    machine.fill(CODEX)
    machine.connect(CODEX)
    (path,) = machine.paths(CODEX)
    assert tomllib.loads(path.read_text())["model_provider"] == "antigravity"
    spoil(path)
    machine.disconnect(CODEX)
    data = tomllib.loads(path.read_text())
    assert data["model_provider"] == "azure"
    assert list(data["model_providers"]) == ["azure"]


def test_value_that_somebody_has_set_already_stays(machine: Machine) -> None:
    (path,) = machine.paths(CLAUDE)
    path.parent.mkdir()
    path.write_text('{"env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:8045"}}')
    machine.connect(CLAUDE)
    machine.disconnect(CLAUDE)
    assert "8045" in path.read_text()


@pytest.mark.parametrize("before", ["", "oauth-personal", "gateway"])
def test_sign_in_that_leads_elsewhere_is_replaced(machine: Machine, before: str) -> None:
    client = CLIENTS["gemini-cli"]
    path = machine.paths(client)[1]
    path.parent.mkdir()
    if before:
        path.write_text(json.dumps({"security": {"auth": {"selectedType": before}}}))
    old = machine.read(client)
    machine.connect(client)
    assert json.loads(path.read_text())["security"]["auth"]["selectedType"] == "gemini-api-key"
    machine.disconnect(client)
    assert machine.read(client) == old


def test_named_model_becomes_the_default(machine: Machine) -> None:
    target = Target("http://127.0.0.1:8045", "k", models=MODELS, selects_model=True)
    machine.connect(CLAUDE, target)
    machine.connect(CODEX, target)
    (path,) = machine.paths(CLAUDE)
    env = json.loads(path.read_text())["env"]
    assert env["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == env["ANTHROPIC_MODEL"] == "gpt-5.1"
    (path,) = machine.paths(CODEX)
    assert tomllib.loads(path.read_text())["model"] == "gpt-5.1"


def test_file_that_changes_while_somebody_is_asked_is_not_written(machine: Machine) -> None:
    before = machine.fill(CLAUDE)
    plan = machine.connections.plan_connect(CLAUDE, TARGET)
    (path,) = machine.paths(CLAUDE)
    spoil(path)
    spoiled = path.read_bytes()
    with pytest.raises(ChangedMeanwhileError):
        machine.connections.apply(plan)
    assert path.read_bytes() == spoiled != before[path]
    assert machine.connections.state(CLAUDE).state == "elsewhere"


def test_others_cannot_read_a_file_with_a_key(machine: Machine) -> None:
    """And can again, once it is taken out, unless somebody has changed the permissions since."""
    (path,) = machine.paths(CLAUDE)
    path.parent.mkdir()
    path.write_text('{"theme": "dark"}')
    path.chmod(0o644)
    secret = Target("http://127.0.0.1:8045", "sk-secret", demands_key=True, models=MODELS)
    machine.connect(CLAUDE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644  # its key is none
    plan = machine.connections.plan_connect(CLAUDE, secret)
    assert plan.permissions == [
        f"{path} gets the mode 0600 instead of 0644: it holds the gateway's key."
    ]
    machine.connections.apply(plan)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = machine.connections.plan_connect(CLAUDE, secret)
    assert (again.is_change, again.permissions) == (False, [])
    machine.connections.apply(again)
    plan = machine.connections.plan_disconnect(CLAUDE)
    assert plan.permissions == [f"{path} gets the mode 0644 instead of 0600, as it was before."]
    machine.connections.apply(plan)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert path.read_text() == '{"theme": "dark"}'
    machine.connect(CLAUDE, secret)
    path.chmod(0o400)
    machine.disconnect(CLAUDE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_permissions_alone_are_a_change(machine: Machine) -> None:
    """Files that were connected by an earlier version, or that a client has written anew."""
    secret = Target("http://127.0.0.1:8045", "sk-secret", demands_key=True, models=MODELS)
    (path,) = machine.paths(CLAUDE)
    machine.connect(CLAUDE, secret)
    path.chmod(0o664)
    plan = machine.connections.plan_connect(CLAUDE, secret)
    assert (plan.is_change, plan.diff()) == (True, "")
    machine.connections.apply(plan)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    machine.disconnect(CLAUDE)
    assert not path.exists()


def test_permissions_are_given_back_after_a_failure(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = CLIENTS["llm"]
    machine.fill(llm)
    for path in machine.paths(llm):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.chmod(0o644)
    secret = Target("http://127.0.0.1:8045", "sk-secret", demands_key=True, models=MODELS)
    plan = machine.connections.plan_connect(llm, secret)
    assert plan.permissions
    last = plan.files[-1].path

    def fail(target: Path, data: bytes, mode: int | None) -> None:
        if target == last and mode != 0o644:
            raise OSError(28, "No space left on device")
        write_file(target, data, mode)

    monkeypatch.setattr("antigravity.connect.connections.write_file", fail)
    with pytest.raises(ConnectError, match="No space left"):
        machine.connections.apply(plan)
    assert {stat.S_IMODE(path.stat().st_mode) for path in machine.paths(llm)} == {0o644}


def test_process_that_holds_the_lock_is_waited_for(machine: Machine) -> None:
    """Of two processes that connect clients, the second one would forget the first one's."""
    lock = LockFile(machine.home / "state" / "connections.lock")
    assert lock.acquire()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(machine.connect, CLAUDE)
        with pytest.raises(TimeoutError):
            done.result(0.2)
        lock.release()
        done.result(10)
    assert machine.connections.state(CLAUDE).state == "connected"


def test_wait_for_the_lock_has_an_end(tmp_path: Path) -> None:
    lock = LockFile(tmp_path / "lock")
    assert lock.acquire()
    with pytest.raises(ConnectError, match="Another process"), locked(tmp_path / "lock", 0.1):
        pass
    lock.release()
    with locked(tmp_path / "lock", 0.1):
        assert not lock.acquire()
    assert lock.acquire()
    lock.release()


def test_link_and_mode_of_file_stay(machine: Machine) -> None:
    (path,) = machine.paths(CLAUDE)
    real = machine.user / "dotfiles.json"
    real.write_text("{}")
    real.chmod(0o640)
    path.parent.mkdir()
    path.symlink_to(real)
    machine.connect(CLAUDE)
    assert path.is_symlink()
    assert "8045" in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    machine.disconnect(CLAUDE)
    assert path.is_symlink()
    assert real.read_text() == "{}"


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b'{"env": 3}', b"[]"])
def test_file_that_cannot_be_changed_stays(machine: Machine, content: bytes) -> None:
    (path,) = machine.paths(CLAUDE)
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ConnectError, match=str(path)):
        machine.connect(CLAUDE)
    assert path.read_bytes() == content


def test_unreadable_file_is_a_state(machine: Machine) -> None:
    (path,) = machine.paths(CLAUDE)
    path.parent.mkdir()
    path.write_text("{")
    state = machine.connections.state(CLAUDE)
    assert (state.state, state.installed) == ("unreadable", True)
    assert str(path) in state.problem


def test_removed_file_is_no_problem(machine: Machine) -> None:
    machine.fill(CLAUDE)
    machine.connect(CLAUDE)
    (path,) = machine.paths(CLAUDE)
    path.unlink()
    assert machine.disconnect(CLAUDE) == []
    assert not path.exists()


def test_backups_are_private_and_bounded(machine: Machine) -> None:
    before = machine.fill(CLAUDE)
    for number in range(KEPT_BACKUPS + 4):
        machine.connect(CLAUDE, Target(f"http://127.0.0.1:{number + 1}", "k"))
    folder = machine.home / "backups" / "clients" / "claude-code"
    copies = list(folder.iterdir())
    assert len(copies) <= KEPT_BACKUPS + 1, "the first one is needed to undo"
    assert all(stat.S_IMODE(copy.stat().st_mode) == 0o600 for copy in copies)
    machine.disconnect(CLAUDE)
    assert machine.read(CLAUDE) == before


def test_record_is_private_and_holds_no_key(machine: Machine) -> None:
    machine.connect(CLAUDE, Target("http://127.0.0.1:8045", "sk-very-secret", demands_key=True))
    (record,) = machine.home.rglob("connections.json")
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert "sk-very-secret" not in record.read_text()


def test_damaged_record_is_an_error(machine: Machine) -> None:
    machine.connect(CLAUDE)
    (record,) = machine.home.rglob("connections.json")
    record.write_text("{")
    with pytest.raises(ConnectError, match=r"connections\.json"):
        machine.connections.plan_connect(CLAUDE, TARGET)


@pytest.mark.parametrize("existed", [True, False])
@pytest.mark.parametrize("address", ["http://127.0.0.1:8045", "http://127.0.0.1:9"])
def test_changes_made_between_two_connections_stay(
    machine: Machine, existed: bool, address: str
) -> None:
    """The copy of the file as it was before the first one does not have them."""
    (path,) = machine.paths(CLAUDE)
    path.parent.mkdir()
    if existed:
        path.write_text('{"theme": "dark"}')
    machine.connect(CLAUDE)
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "mine": "precious"}))
    machine.connect(CLAUDE, Target(address, "k", models=MODELS))
    machine.connect(CLAUDE, Target(address, "k", models=MODELS))
    assert machine.disconnect(CLAUDE) == []
    left = {"theme": "dark"} if existed else {}
    assert json.loads(path.read_text()) == {**left, "mine": "precious"}


@pytest.mark.parametrize("failing", [0, 1])
def test_nothing_stays_after_a_failure(
    machine: Machine, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = CLIENTS["llm"]
    before = machine.fill(llm)
    plan = machine.connections.plan_connect(llm, TARGET)
    path = plan.files[failing].path

    def fail(target: Path, data: bytes, mode: int | None) -> None:
        if target == path:
            raise OSError(28, "No space left on device")
        write_file(target, data, mode)

    with monkeypatch.context() as patch:
        patch.setattr("antigravity.connect.connections.write_file", fail)
        with pytest.raises(ConnectError, match="No space left"):
            machine.connections.apply(plan)
    assert machine.read(llm) == before
    with pytest.raises(ConnectError, match="was not connected"):
        machine.disconnect(llm)


def test_what_was_written_before_the_process_was_killed_can_be_undone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = machine.fill(CLAUDE)

    def be_killed(target: Path, data: bytes, mode: int | None) -> None:
        write_file(target, data, mode)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("antigravity.connect.connections.write_file", be_killed)
        with pytest.raises(KeyboardInterrupt):
            machine.connect(CLAUDE)
    assert machine.connections.state(CLAUDE).state == "connected"
    machine.disconnect(CLAUDE)
    assert machine.read(CLAUDE) == before


def test_link_to_nothing_stays(machine: Machine) -> None:
    (path,) = machine.paths(CLAUDE)
    path.parent.mkdir()
    real = machine.user / "dotfiles" / "settings.json"
    path.symlink_to(real)
    machine.connect(CLAUDE)
    assert "8045" in real.read_text()
    machine.disconnect(CLAUDE)
    assert path.is_symlink()
    assert not real.exists()


@pytest.mark.skipif(os.name != "posix", reason="there are no such files")
@pytest.mark.parametrize("kind", ["null", "pipe", "folder"])
def test_what_is_no_file_is_not_replaced(machine: Machine, kind: str) -> None:
    """Root could replace /dev/null, to which people let files lead that they do not want."""
    (path,) = machine.paths(CLAUDE)
    path.parent.mkdir()
    if kind == "null":
        path.symlink_to("/dev/null")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(ConnectError, match="not a regular file"):
        machine.connections.plan_connect(CLAUDE, TARGET)
    assert machine.connections.state(CLAUDE).state == "unreadable"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root")
def test_root_gives_files_to_the_owner(machine: Machine) -> None:
    os.chown(machine.user, 1234, 1235)
    (path,) = machine.paths(CLAUDE)
    machine.connect(CLAUDE)
    found = [(each.stat().st_uid, each.stat().st_gid) for each in (path, path.parent)]
    assert found == [(1234, 1235)] * 2
    os.chown(path, 4321, 4322)
    machine.connect(CLAUDE, Target("http://127.0.0.1:9", "k"))
    assert (path.stat().st_uid, path.stat().st_gid) == (4321, 4322)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user without rights")
def test_folder_that_cannot_be_written_is_an_error(machine: Machine) -> None:
    machine.fill(CLAUDE)
    (path,) = machine.paths(CLAUDE)
    path.parent.chmod(0o500)
    try:
        with pytest.raises(ConnectError, match="cannot be written"):
            machine.connect(CLAUDE)
    finally:
        path.parent.chmod(0o700)


def test_folders_named_by_variables_are_whole_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The undo may be called in another folder; XDG demands to ignore relative paths."""
    monkeypatch.chdir(tmp_path)
    places = Places(tmp_path, {"CODEX_HOME": "a b/c", "XDG_CONFIG_HOME": "x"}, "linux")
    assert places.configuration == tmp_path / ".config"
    connections = Connections(tmp_path / "home", places)
    connections.apply(connections.plan_connect(CODEX, TARGET))
    assert (tmp_path / "a b" / "c" / "config.toml").exists()
    monkeypatch.chdir("/")
    assert connections.state(CODEX).state == "connected"
    connections.apply(connections.plan_disconnect(CODEX))
    assert not (tmp_path / "a b" / "c" / "config.toml").exists()


def test_folders_named_by_variables_are_used(tmp_path: Path) -> None:
    variables = {"CODEX_HOME": str(tmp_path / "c"), "XDG_CONFIG_HOME": str(tmp_path / "x")}
    places = Places(tmp_path, variables, "linux")
    found = {
        name: CLIENTS[name].files(TARGET, places)[0].path  # type: ignore[misc]
        for name in ("codex", "opencode", "zed")
    }
    assert found["codex"] == tmp_path / "c" / "config.toml"
    assert found["opencode"] == tmp_path / "x" / "opencode" / "opencode.json"
    assert found["zed"] == tmp_path / "x" / "zed" / "settings.json"


@pytest.mark.parametrize("platform", ["darwin", "win32", "linux"])
def test_every_platform_has_its_folders(tmp_path: Path, platform: str) -> None:
    places = Places(tmp_path, {"APPDATA": str(tmp_path / "roaming")}, platform)
    for client in WITH_FILES:
        assert client.files is not None
        for file in client.files(TARGET, places):
            assert tmp_path in file.path.parents
    vscode: Any = CLIENTS["vscode"].files
    expected = {"darwin": "Library", "win32": "roaming", "linux": ".config"}[platform]
    assert expected in str(vscode(TARGET, places)[0].path)


def test_clients_are_found_by_name_and_program() -> None:
    assert find_client("claude") is find_client("claude-code") is CLAUDE
    assert find_client("nonsense") is None


def test_hints_show_no_key_that_is_demanded() -> None:
    target = Target("http://127.0.0.1:8045", "sk-very-secret", demands_key=True, models=MODELS)
    for client in CLIENTS.values():
        text = "\n".join(hints(client, target))
        assert "sk-very-secret" not in text
        assert "{" not in text
    assert "gpt-5.1" in "\n".join(hints(CLIENTS["cline"], target))


@pytest.mark.parametrize("client", CLIENTS.values(), ids=by_name)
def test_client_can_be_connected_in_some_way(client: Client) -> None:
    assert client.files or client.start or dialogs(client, TARGET)
