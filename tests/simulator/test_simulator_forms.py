"""The simulator answers in forms that nobody has asked for."""

from __future__ import annotations

from antigravity.simulator.directives import FORMS, parse


def test_forms_are_read() -> None:
    for form in FORMS:
        found = parse(f"[[form {form}]] hello")
        assert (found.form, found.rest) == (form, "hello")


def test_other_words_are_text() -> None:
    found = parse("[[form other]]")
    assert (found.form, found.rest) == (None, "[[form other]]")
