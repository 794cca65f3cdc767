"""Read the Docs finds what it needs, and builds the pages as ``make docs`` does."""

from __future__ import annotations

import configparser

from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

from tests.house.pages import ROOT

CONFIGURATION = YAML(typ="safe").load((ROOT / ".readthedocs.yaml").read_text("utf-8"))


def test_warnings_are_errors_as_in_the_makefile() -> None:
    assert CONFIGURATION["version"] == 2
    assert CONFIGURATION["sphinx"] == {"configuration": "docs/conf.py", "fail_on_warning": True}
    assert (ROOT / "docs/conf.py").is_file()
    assert "sphinx-build -q -W" in (ROOT / "Makefile").read_text("utf-8")


def test_locked_requirements_are_installed_and_then_the_project() -> None:
    requirements, project = CONFIGURATION["python"]["install"]
    assert requirements == {"requirements": "requirements/docs.txt"}
    assert f"--requirement {requirements['requirements']}" in (ROOT / "Makefile").read_text("utf-8")
    assert project == {"method": "pip", "path": "."}


def test_python_is_a_supported_one() -> None:
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg", "utf-8")
    version = CONFIGURATION["build"]["tools"]["python"]
    assert isinstance(version, str)
    assert version in SpecifierSet(metadata["options"]["python_requires"])
    assert f"Programming Language :: Python :: {version}\n" in metadata["metadata"]["classifiers"]
