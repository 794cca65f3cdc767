"""How people connect each client by hand: what to write into files, commands, and dialogs.

All comes from the same descriptions as the changes of :mod:`antigravity.connect.connections`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Final, Literal

from msgspec import Struct

from antigravity.connect.changes import open_document
from antigravity.connect.client import Client, ClientFile, Places, ServedModel, Start, Target
from antigravity.connect.texts import dialogs, hints

#: What stands for the model if the gateway serves none that can be written into a text.
NO_MODEL: Final = "MODEL"

Language = Literal["json", "toml", "yaml", "sh", "powershell", "fields"]
#: What cannot end a string or a command in any of these languages.
_HARMLESS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(?:/[A-Za-z0-9._~/-]*)?")
#: The folders of anybody.
_LINUX: Final = Places(FilePath("~"), {}, "linux")
_MACOS: Final = Places(FilePath("~"), {}, "darwin")
_WINDOWS: Final = Places(FilePath("%USERPROFILE%"), {"APPDATA": "%APPDATA%"}, "win32")


class GuideStep(Struct, frozen=True, kw_only=True):
    """A file to write, commands for a shell, or the fields of a dialog.

    ``macos`` and ``windows`` are the paths of ``file`` there, if they are others.
    """

    text: str
    language: Language
    title: str = ""
    file: str = ""
    macos: str = ""
    windows: str = ""


class Guide(Struct, frozen=True, kw_only=True):
    """How one client is connected by hand; ``hints`` are what people should know."""

    client: Client
    steps: list[GuideStep]
    hints: list[str]


def make_guide(client: Client, target: Target) -> Guide:
    """Return how a client is connected by hand.

    Names of models that could end a string or a command are left out, because people paste these
    texts into shells.

    :raises ValueError: if the address or the key could do so.
    """
    if not _ADDRESS.fullmatch(target.address) or not _HARMLESS.fullmatch(target.key):
        raise ValueError("the address or the key cannot be written into a text")
    models = tuple(each for each in target.models if _HARMLESS.fullmatch(each.name))
    target = Target(
        target.address,
        target.key,
        models=models or (ServedModel(NO_MODEL),),
        selects_model=target.selects_model,
    )
    steps = [*_file_steps(client, target), *_shell_steps(client, target)]
    steps += [
        GuideStep(text="".join(f"{line}\n" for line in each.fields), language="fields",
                  title=each.title)
        for each in dialogs(client, target)
    ]  # fmt: skip
    return Guide(client=client, steps=steps, hints=hints(client, target))


def _file_steps(client: Client, target: Target) -> Iterator[GuideStep]:
    if client.files is None:
        return
    files = (client.files(target, places) for places in (_LINUX, _MACOS, _WINDOWS))
    for linux, macos, windows in zip(*files, strict=True):
        path, other = linux.path.as_posix(), macos.path.as_posix()
        on_windows = windows.path.as_posix().replace("/", "\\")
        text, windows_text = _snippet(linux), _snippet(windows)
        yield GuideStep(
            text=text,
            language=_language(linux),
            file=path,
            macos=other if other != path else "",
            windows=on_windows if text == windows_text else "",
        )
        if text != windows_text:
            yield GuideStep(
                text=windows_text,
                language=_language(windows),
                title="On Windows",
                file=on_windows,
            )


def _snippet(file: ClientFile) -> str:
    """Return the text of a file that has nothing but our settings."""
    document = open_document(file.format, "", file.root)
    for setting in file.settings:
        document.set(setting.path, setting.value)
    return document.text()


def _language(file: ClientFile) -> Language:
    return "sh" if file.format == "env" else file.format


def _shell_steps(client: Client, target: Target) -> Iterator[GuideStep]:
    """Yield the commands that start a client, if they are such as people would write."""
    start = client.start(target) if client.start else None
    if start is None or any('"' in each for each in (*start.variables.values(), *start.arguments)):
        return
    title = "Or for one shell" if client.files else ""
    command = shlex.join([client.programs[0], *start.arguments])
    yield GuideStep(text=_sh(start, command), language="sh", title=title)
    yield GuideStep(text=_powershell(start, command), language="powershell")


def _sh(start: Start, command: str) -> str:
    lines = [f"export {name}={shlex.quote(value)}" for name, value in start.variables.items()]
    return "".join(f"{line}\n" for line in (*lines, command))


def _powershell(start: Start, command: str) -> str:
    lines = [f'$env:{name} = "{value}"' for name, value in start.variables.items()]
    return "".join(f"{line}\n" for line in (*lines, command))
