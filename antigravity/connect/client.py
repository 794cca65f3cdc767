"""What is known about a client: how it is found, and which settings connect it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, Final, Literal

from msgspec import Struct

from antigravity.connect.files.document import Path

#: What everything of ours is called in the files of clients.
NAME: Final = "antigravity"
#: The variable with the gateway's key, for clients that read it from one of their choice.
KEY_VARIABLE: Final = "ANTIGRAVITY_API_KEY"

Format = Literal["json", "toml", "yaml", "env"]


class ServedModel(Struct, frozen=True):
    """A model that clients can request; ``window`` and ``output`` are tokens, 0 if unknown."""

    name: str
    window: int = 0
    output: int = 0


def label(model: ServedModel) -> str:
    """Return the name of a model in lists where others' models are, too."""
    return f"{model.name} ({NAME})"


class Target(Struct, frozen=True):
    """What a client is connected to.

    :ivar address: of the gateway, without a path: ``http://127.0.0.1:8045``.
    :ivar key: the API key of the gateway, or any text if it demands none.
    :ivar demands_key: whether the gateway refuses other keys.
    :ivar models: the models that the client shall offer, in order; the first one is its default.
    :ivar selects_model: whether somebody has named the model, so that it becomes the default.
    """

    address: str
    key: str
    demands_key: bool = False
    models: tuple[ServedModel, ...] = ()
    selects_model: bool = False

    @property
    def openai(self) -> str:
        """The base address of clients of OpenAI's protocols."""
        return f"{self.address}/v1"

    @property
    def model(self) -> str:
        """The name of the default model, ``""`` if none is known."""
        return self.models[0].name if self.models else ""


class Places(Struct, frozen=True):
    """Where the files of clients are.

    :ivar home: the user's folder.
    :ivar variables: the environment.
    """

    home: FilePath
    variables: Mapping[str, str]
    platform: str = sys.platform

    def of_variable(self, name: str, default: FilePath) -> FilePath:
        """Return the folder that a variable names, or ``default``."""
        value = self.variables.get(name, "")
        return FilePath(os.path.expanduser(value)) if value else default

    @property
    def configuration(self) -> FilePath:
        """The folder of programs that follow the XDG specification on every platform."""
        value = self.variables.get("XDG_CONFIG_HOME", "")
        # the specification demands to ignore relative paths
        return FilePath(value) if os.path.isabs(value) else self.home / ".config"

    @property
    def applications(self) -> FilePath:
        """The folder of programs that follow the platform."""
        if self.platform == "darwin":
            return self.home / "Library" / "Application Support"
        if self.platform == "win32":
            return self.of_variable("APPDATA", self.home / "AppData" / "Roaming")
        return self.configuration


def this_machine() -> Places:
    """Return the places of the user who runs this process."""
    return Places(FilePath.home(), dict(os.environ))


class Setting(Struct, frozen=True):
    """One setting of ours in a file.

    :ivar only_if_new: it is only needed in a new file.
    """

    path: Path
    value: Any
    only_if_new: bool = False


class ClientFile(Struct, frozen=True):
    """The settings of ours in one file.

    :ivar root: what the file is if it is empty: a list, or an object.
    """

    path: FilePath
    format: Format
    settings: Sequence[Setting]
    root: Any = None


def holds_key(file: ClientFile, target: Target) -> bool:
    """Return whether a key that the gateway demands is in the settings of a file."""
    return target.demands_key and any(
        target.key in text for setting in file.settings for text in _texts(setting.value)
    )


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)


class Start(Struct, frozen=True):
    """How a client is started without any file of its user's being written.

    :ivar variables: for its environment.
    :ivar arguments: come before the user's.
    :ivar unset: variables that would lead elsewhere.
    """

    variables: Mapping[str, str] = {}
    arguments: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()


class Client(Struct, frozen=True):
    """A client.

    :ivar name: as commands name it.
    :ivar title: as its makers write it.
    :ivar programs: names of its program.
    :ivar folders: a folder or file that shows that it is installed.
    :ivar files: the settings that connect it.
    :ivar address: the setting with the address: its file is the first one of ``files``.
    :ivar start: how it is started without any file, ``None`` if that cannot be done.
    :ivar obstacles: settings that variables cannot replace: where one has another value, it cannot
        be started so.
    :ivar needs_models: whether its files list the models.
    :ivar family: the beginning of the names of models that it asks for by itself.
    :ivar protocol: the one that it speaks then.
    """

    name: str
    title: str
    programs: tuple[str, ...] = ()
    folders: Callable[[Places], list[FilePath]] = lambda places: []
    files: Callable[[Target, Places], list[ClientFile]] | None = None
    address: Path = ()
    start: Callable[[Target], Start] | None = None
    obstacles: Callable[[Places], list[ClientFile]] = lambda places: []
    needs_models: bool = False
    family: str = ""
    protocol: str = "openai_chat"
