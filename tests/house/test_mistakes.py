"""What a newcomer gets wrong is told in words that say what to do next."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from antigravity.cli.main import antigravity as command
from antigravity.config.running_gateway import find_running_gateway
from tests.support.gateway_process import clean_environment, running

TWISTD = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "antigravity"]


def start(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TWISTD, *options],
        cwd=home,
        env=clean_environment(home / "home"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_invalid_configuration_is_reported_without_traceback(tmp_path: Path) -> None:
    file = tmp_path / "antigravity.toml"
    file.write_text('[proxy]\nprot = 1\nauth_mode = "strickt"\n')
    done = start(tmp_path, "--config", str(file))
    assert done.returncode == 1
    told, first, second = done.stderr.splitlines()
    assert told == "antigravity: the configuration cannot be used:"
    assert first == f"{file}:2: proxy.prot: there is no such setting; did you mean 'port'?"
    assert second.startswith(f"{file}:3: proxy.auth_mode: 'strickt' is not allowed; allowed: ")


def test_unusable_home_is_reported_without_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = start(tmp_path, "--home", str(tmp_path / "file" / "home"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"antigravity: {tmp_path / 'file'}")
    assert "--home or $ANTIGRAVITY_HOME" in done.stderr
    assert done.stderr.count("\n") == 1


def test_port_in_use_is_reported_with_remedy(tmp_path: Path) -> None:
    with running([*TWISTD, "--demo", "--port", "0"], tmp_path / "one", tmp_path) as first:
        port = first.address().rpartition(":")[2]
        done = start(tmp_path, "--demo", "--port", port)
        first.stop()
    assert done.returncode == 1
    assert "cannot start: Couldn't listen on 127.0.0.1:" in done.stdout
    assert "Another program uses it. Choose another port with --port" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_second_gateway_of_a_home_names_the_first(tmp_path: Path) -> None:
    with running([*TWISTD, "--demo", "--port", "0"], tmp_path / "one", tmp_path) as first:
        port = first.address().rpartition(":")[2]
        while find_running_gateway(tmp_path / "one") is None:
            assert first.process.poll() is None
        done = start(tmp_path, "--demo", "--port", port, "--home", str(tmp_path / "one"))
        assert f"runs already (process {first.process.pid})" in done.stdout
        first.stop()


@pytest.mark.parametrize(
    "listen",
    [
        "tcp:0:interface=192.0.2.1",
        "ssl:0:privateKey=missing.pem",
        "unix:missing/socket",
        "nonsense:1",
    ],
)
def test_start_that_fails_has_an_exit_code_and_leaves_no_pid_file(
    tmp_path: Path, listen: str
) -> None:
    home = tmp_path / "home"
    done = subprocess.run(
        [TWISTD[0], "-n", "antigravity", "--listen", listen],
        cwd=tmp_path,
        env=clean_environment(home),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "cannot start" in done.stdout
    assert "Traceback" not in done.stdout
    assert [each.name for each in tmp_path.iterdir()] == ["home"]


def test_simulator_that_cannot_listen_has_an_exit_code(tmp_path: Path) -> None:
    done = subprocess.run(
        [*TWISTD[:-1], "antigravity-simulator", "--listen", "tcp:0:interface=192.0.2.1"],
        cwd=tmp_path,
        env=clean_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "cannot start" in done.stdout


def commands(group: click.Group) -> Iterator[click.Command]:
    for each in group.commands.values():
        yield each
        if isinstance(each, click.Group):
            yield from commands(each)


@pytest.mark.parametrize("each", list(commands(command)), ids=lambda each: each.name)
def test_short_help_of_commands_is_not_cut(each: click.Command) -> None:
    assert not each.get_short_help_str(66).endswith("...")
