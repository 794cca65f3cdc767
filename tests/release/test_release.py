"""The parts of ``make release``: what it refuses, and what it writes."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from antigravity.version import VERSION
from release import installations
from release.artifacts import (
    CHECKSUMS,
    ReleaseError,
    check_bill,
    check_same,
    normalise_sdist,
    run,
    write_checksums,
)
from release.fragments import fragments, merge, sections
from release.readiness import (
    check_changelog,
    check_classifiers,
    check_fragments,
    check_tag,
    classified_pythons,
)

ROOT = Path(__file__).parents[2]
EPOCH = 1_700_000_000


def write_sdist(path: Path, names: list[str], owner: str, time: int, mode: int) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            content = name.encode()
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), time, mode
            member.uname, member.uid = owner, len(owner)
            archive.addfile(member, io.BytesIO(content))


def test_sdists_of_two_people_are_equal_after_normalising(tmp_path: Path) -> None:
    one, other = tmp_path / "one.tar.gz", tmp_path / "other.tar.gz"
    write_sdist(one, ["p/a.py", "p/run"], "ann", 1_600_000_000, 0o775)
    write_sdist(other, ["p/run", "p/a.py"], "robert", 1_650_000_000, 0o700)
    assert one.read_bytes() != other.read_bytes()

    for path in (one, other):
        normalise_sdist(path, EPOCH)

    assert one.read_bytes() == other.read_bytes()
    with tarfile.open(one) as archive:
        assert archive.getnames() == ["p/a.py", "p/run"]
        member = archive.getmember("p/run")
        assert (member.mtime, member.uid, member.uname, member.mode) == (EPOCH, 0, "", 0o755)
        extracted = archive.extractfile(member)
        assert extracted is not None
        assert extracted.read() == b"p/run"


def test_normalising_keeps_large_names_and_links(tmp_path: Path) -> None:
    path, long_name = tmp_path / "x.tar.gz", f"p/{'long' * 60}.py"
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("p/link")
        link.type, link.linkname = tarfile.SYMTYPE, "a.py"
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo(long_name))
    normalise_sdist(path, EPOCH)
    with tarfile.open(path) as archive:
        assert archive.getnames() == ["p/link", long_name]
        assert archive.getmember("p/link").linkname == "a.py"


def test_checksums_are_those_that_sha256sum_checks(tmp_path: Path) -> None:
    (tmp_path / "b.whl").write_bytes(b"wheel")
    (tmp_path / "a.tar.gz").write_bytes(b"sdist")
    write_checksums(tmp_path)
    write_checksums(tmp_path)
    assert (tmp_path / CHECKSUMS).read_text() == "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in (("a.tar.gz", b"sdist"), ("b.whl", b"wheel"))
    )
    if program := shutil.which("sha256sum"):
        subprocess.run([program, "--check", "--strict", CHECKSUMS], cwd=tmp_path, check=True)


def test_different_builds_are_named(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same").write_text("same")
    check_same(tmp_path / "one", tmp_path / "other")
    (tmp_path / "one" / "changed").write_text("1")
    (tmp_path / "other" / "changed").write_text("2")
    (tmp_path / "other" / "additional").write_text("2")
    with pytest.raises(ReleaseError, match="differ: additional, changed"):
        check_same(tmp_path / "one", tmp_path / "other")


LOCKED = (
    "# Exact versions\n"
    "ruamel-yaml==0.18.15 \\\n    --hash=sha256:aa\n"
    "twisted[tls]==25.5.0 ; python_version < '3.14' \\\n    --hash=sha256:bb\n"
)


def bill(*components: tuple[str, str, int]) -> dict[str, object]:
    def component(name: str, version: str, hashes: int) -> dict[str, Any]:
        reference = {"hashes": [{"alg": "SHA-256"}] * hashes}
        return {"name": name, "version": version, "externalReferences": [reference, {}]}

    return {"components": [component(*each) for each in components]}


def test_bill_with_all_locked_versions_is_accepted() -> None:
    check_bill(bill(("ruamel.yaml", "0.18.15", 1), ("Twisted", "25.5.0", 2)), LOCKED)


@pytest.mark.parametrize(
    "components",
    [
        (),
        (("ruamel.yaml", "0.18.15", 1),),
        (("ruamel.yaml", "0.18.15", 1), ("twisted", "25.4.0", 1)),
        (("ruamel.yaml", "0.18.15", 1), ("twisted", "25.5.0", 0)),
    ],
    ids=["empty", "missing", "other-version", "no-hash"],
)
def test_incomplete_bill_is_rejected(components: tuple[tuple[str, str, int], ...]) -> None:
    with pytest.raises(ReleaseError, match="lacks"):
        check_bill(bill(*components), LOCKED)


SETUP = (ROOT / "setup.cfg").read_text("utf-8")


def test_classifiers_name_supported_pythons_only() -> None:
    assert classified_pythons(SETUP) == {"3.11", "3.12", "3.13"}


def test_classifier_of_untested_python_is_rejected() -> None:
    found = "3.11 /usr/bin/python3\n3.13 /opt/3.13/bin/python\n3.14 /opt/3.14/bin/python\n"
    with pytest.raises(ReleaseError, match=r"for Python 3\.12, which"):
        check_classifiers(SETUP, found)
    check_classifiers(SETUP, f"{found}3.12 /usr/bin/python3.12\n")


def test_release_needs_every_fragment_in_the_changelog_and_a_tag() -> None:
    check_fragments([])
    with pytest.raises(ReleaseError, match=r"CHANGELOG\.rst: some\.feature\.rst\."):
        check_fragments(["some.feature.rst"])
    check_tag(["nightly", "v0.1.0"], "0.1.0")
    with pytest.raises(ReleaseError, match=r"git tag -a v0\.1\.0"):
        check_tag(["v0.1.0rc1"], "0.1.0")


ENTRY = "0.1.0 (2030-01-31)\n------------------\n\nThe first one.\n\nKeys\n~~~~\n\n- Old.\n"
BEFORE = "Changelog\n=========\n\n.. towncrier release notes start\n\n"
OLDER = "0.0.9 (2029-12-31)\n------------------\n\n- Older.\n"


@pytest.mark.parametrize("older", ["", f"\n\n{OLDER}"])
def test_fragments_are_put_at_the_end_of_the_entry(older: str, tmp_path: Path) -> None:
    (tmp_path / "README.rst").write_text("not a fragment")
    (tmp_path / "template.jinja").write_text("not a fragment")
    (tmp_path / "one.bugfix.rst").write_text("One\nof two lines.\n")
    (tmp_path / "two.feature.rst").write_text("Two.\n")
    (tmp_path / "three.feature.rst").write_text("Three.\n")
    files = fragments(tmp_path)
    assert len(files) == 3

    found = merge(BEFORE + ENTRY + older, "0.1.0", sections(files), date(2030, 2, 28))

    added = (
        "\nFeatures\n~~~~~~~~\n\n- Three.\n- Two.\n\nBugfixes\n~~~~~~~~\n\n- One\n  of two lines.\n"
    )
    assert found == BEFORE + ENTRY.replace("2030-01-31", "2030-02-28") + added + older
    check_changelog(found, "0.1.0")


def test_fragment_of_unknown_type_and_missing_entry_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "one.wonder.rst"
    path.write_text("One.")
    with pytest.raises(ReleaseError, match=r"one\.wonder\.rst"):
        sections([path])
    with pytest.raises(ReleaseError, match=r"no entry for 0\.2\.0"):
        merge(BEFORE + ENTRY, "0.2.0", "", date(2030, 2, 28))


def test_real_fragments_can_be_put_into_the_changelog() -> None:
    text = (ROOT / "CHANGELOG.rst").read_text("utf-8")
    assert merge(text, VERSION, sections(fragments()), date(2030, 2, 28)).count(VERSION) >= 1


def test_changelog_without_entry_is_rejected() -> None:
    with pytest.raises(ReleaseError, match=r"no entry for 0\.1\.0"):
        check_changelog("Changelog\n=========\n\n10.1.0 (2030-01-01)\n", "0.1.0")
    check_changelog("Changelog\n=========\n\n0.1.0 (2026-11-30)\n------\n", "0.1.0")


def test_failed_command_shows_what_it_wrote(tmp_path: Path) -> None:
    code = "import sys; print('on the way'); sys.exit('it broke')"
    with pytest.raises(ReleaseError, match=r"(?s)failed:\non the way\n.*it broke"):
        run((sys.executable, "-c", code), tmp_path)


def add_command(folder: Path, serve: str, page: str = "page.html") -> Path:
    """Write a program that has the commands which the check uses."""
    (folder / "page.html").write_text("<p>Welcome</p>")
    program = folder / "antigravity"
    code = f"""#!{sys.executable}
import http.server, json, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["messages"][0]["content"].removeprefix("[[say ").removesuffix("]]")
        content = json.dumps({{"choices": [{{"message": {{"content": text}}}}]}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
match sys.argv[1:]:
    case ["version"]:
        print("antigravity 0.1.0")
    case ["docs", "--print"]:
        print("file://{folder}/{page}")
    case ["serve", "--demo", "--port", "0"]:
        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        {serve}
        print(f"listening on http://127.0.0.1:{{server.server_port}}", flush=True)
        server.serve_forever()
"""
    program.write_text(code)
    program.chmod(0o755)
    return program


def test_working_installation_is_accepted(tmp_path: Path) -> None:
    installations.check_command(add_command(tmp_path, "pass"), tmp_path, "0.1.0")


@pytest.mark.parametrize(
    ("serve", "page", "version", "message"),
    [
        ("sys.exit('no module')", "page.html", "0.1.0", "did not start"),
        ("print('Traceback (most recent call last)')", "page.html", "0.1.0", "traceback"),
        ("pass", "missing.html", "0.1.0", "documentation is missing"),
        ("pass", "page.html", "0.2.0", "another version"),
    ],
    ids=["start", "traceback", "documentation", "version"],
)
def test_broken_installation_is_rejected(
    tmp_path: Path, serve: str, page: str, version: str, message: str
) -> None:
    command = add_command(tmp_path, serve, page)
    with pytest.raises(ReleaseError, match=message):
        installations.check_command(command, tmp_path, version)


def test_all_three_installers_are_locked() -> None:
    locked = (ROOT / "requirements" / "release.txt").read_text("utf-8")
    assert all(f"\n{name}==" in locked for name in installations.INSTALLERS)
    assert json.dumps(sorted(installations.INSTALLERS)) == '["pip", "pipx", "uv"]'
