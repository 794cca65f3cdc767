"""What the dashboard ships: vendored files, texts and templates."""

from __future__ import annotations

import re
import tomllib
from hashlib import sha256

from antigravity.dashboard.files import static_files
from antigravity.dashboard.formats import duration, middle, money, short_number
from antigravity.dashboard.texts import TEXTS_FILE, texts
from tests.service.dashboard_fixture import DashboardCase

FOLDER = TEXTS_FILE.parent
VENDORED = tomllib.loads((FOLDER / "vendored.toml").read_text("utf-8"))
TEMPLATES = sorted((FOLDER / "templates").glob("*.html"))
#: The most bytes of a page with everything that it loads.
BUDGET = 150_000


class StaticTests(DashboardCase):
    async def test_files_are_cached_for_long_under_addresses_of_their_content(self) -> None:
        await self.start("one")
        for name, file in static_files().items():
            response = await self.fetch(f"/dashboard/static/{file.digest}/{name}")
            self.assertEqual(response.code, 200)
            self.assertIn("immutable", response.header("cache-control"))
            self.assertEqual(response.header("content-type"), file.kind)
            self.assertEqual(response.header("x-content-type-options"), "nosniff")
        for path in ("x/dashboard.css", "x/vendored.toml", "x/..%2Fsite.py", "x/..%2F..%2Fetc"):
            self.assertEqual((await self.fetch(f"/dashboard/static/{path}")).code, 404)


class SizeTests(DashboardCase):
    async def test_no_page_is_large(self) -> None:
        await self.open()
        for _ in range(50):
            await self.ask("hi", model="a-model-with-a-name-of-a-usual-length")
        for path in ("", "/requests", "/usage?measure=requests", "/accounts"):
            page = await self.page("/dashboard" + path)
            loaded = re.findall(r"/dashboard/static/[0-9a-f]+/([^\"]+)", page)
            size = len(page.encode()) + sum(len(static_files()[name].content) for name in loaded)
            self.assertLess(size, BUDGET, path)


def test_vendored_files_are_those_of_their_versions() -> None:
    own = {"dashboard.css", "dashboard.js", "icon.svg"}
    assert {path.name for path in (FOLDER / "static").iterdir()} == own | set(VENDORED)
    for name, entry in VENDORED.items():
        content = (FOLDER / "static" / name).read_bytes()
        assert sha256(content).hexdigest() == entry["sha256"], name
        assert {"package", "version", "license", "source"} <= entry.keys()


def test_every_text_is_used_and_every_used_one_exists() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in TEMPLATES)
    sources += "\n".join(path.read_text("utf-8") for path in FOLDER.glob("*.py"))
    whole = set(re.findall(r"""\b(?:t|text)\(\s*["']([a-z_]+\.\w*[a-z])["']\s*[,)]""", sources))
    assert whole
    assert whole <= texts().keys()
    for group, names in re.findall(r"""\bhead\(\s*"(\w+)",\s*\(([^)]*)\)""", sources):
        whole |= {f"{group}.{name}" for name in re.findall(r'"(\w+)"', names)}
    # Names that end with a part of the page's data, such as "outcome." ~ request.outcome.
    parts = tuple(set(re.findall(r"""["']([a-z_]+\.(?:\w+_)?)["']""", sources)))
    unused = {
        name
        for name in texts().keys() - whole
        if not name.startswith(parts) and f'"{name}"' not in sources
    }
    assert unused == set()


def test_templates_hold_no_texts_of_their_own() -> None:
    for path in TEMPLATES:
        source = re.sub(r"\{[{%#].*?[}%#]\}", "", path.read_text("utf-8"), flags=re.DOTALL)
        # Commands, and names of models in a placeholder, are the same in every language.
        source = re.sub(r'"[^"]*"|<code>.*?</code>', '""', source)
        words = re.findall(r">\s*([A-Za-z][a-z]+[^<]*)<", source)
        assert words == [], path.name


def test_values_are_shown_with_units() -> None:
    assert [short_number(each) for each in (0, 950, 1234, 999_999, 5e9)] == [
        "0",
        "950",
        "1.23k",
        "1000k",
        "5G",
    ]
    assert [money(each) for each in (None, 0, 0.00123, 12.5)] == [
        "unpriced",
        "$0.00",
        "$0.0012",
        "$12.50",
    ]
    shown = [duration(each) for each in (None, 0.0002, 0.25, 3.5, 600, 7200, 200_000)]
    assert [each.replace("\u202f", " ") for each in shown[1:]] == [
        "200 µs",
        "250 ms",
        "3.5 s",
        "10 min",
        "2.0 h",
        "2 d",
    ]
    assert middle("a" * 100, 11) == "aaaaa…aaaaa"


def test_texts_with_values_can_be_filled() -> None:
    for name, value in texts().items():
        fields = re.findall(r"(?<!\{)\{(\w+)\}", value)
        assert "{" not in value.format(**dict.fromkeys(fields, "x")) or "{{" in value, name


def test_licences_of_vendored_files_are_in_the_package() -> None:
    for name, entry in VENDORED.items():
        text = (FOLDER / "licenses" / f"{entry['package']}.txt").read_text("utf-8")
        assert {"0BSD": "Zero-Clause BSD", "MIT": "MIT License"}[entry["license"]] in text, name
