"""What the pages make of the answers of the ledger and of the gateway's status."""

from __future__ import annotations

from antigravity.dashboard.account_actions import redirect_address
from antigravity.dashboard.accounts_page import is_urgent
from antigravity.dashboard.address import export_address
from antigravity.dashboard.formats import byte_size, setting_text
from antigravity.dashboard.qr_code import qr_code
from antigravity.dashboard.requests_page import RequestFilters
from antigravity.dashboard.usage_page import HeatCell, Series, chart_data, heat_rows
from antigravity.interfaces.account_control import AccountLock, AccountState, AccountView
from antigravity.interfaces.ledger import Sums, Tokens, UsageRow


def usage_row(requests: int, **names: str) -> UsageRow:
    return UsageRow(
        Sums(requests, 0, 0, Tokens(), 0.0, 0.0, 0, requests, 0, None, None, None), **names
    )


def test_login_returns_to_the_loopback_whatever_the_address_says() -> None:
    for url, expected in (
        ("http://localhost:8045", "http://localhost:8045"),
        ("https://gateway.example:8443", "http://127.0.0.1:8443"),
        ("http://gateway.example", "http://127.0.0.1:80"),
        ("http://gateway.example:99999", "http://127.0.0.1:80"),
    ):
        assert redirect_address(url) == f"{expected}/dashboard/logged-in"


def test_chart_has_largest_groups_and_one_series_of_all_others() -> None:
    names = [f"model-{number}" for number in range(9)]
    groups = [usage_row(100), *(usage_row(90 - n, model=name) for n, name in enumerate(names))]
    rows = [
        usage_row(60, period="b"),
        usage_row(40, period="a"),
        *(usage_row(90 - n, model=name, period="b") for n, name in enumerate(names)),
    ]
    periods, series = chart_data(rows, groups, "model", "requests")
    assert periods == ["a", "b"]
    assert series == [
        *(Series(name, [0.0, 90.0 - n]) for n, name in enumerate(names[:7])),
        Series("", [40.0, 60.0 + 83 + 82]),
    ]


def account(*locks: AccountLock, state: AccountState = "limited") -> AccountView:
    return AccountView(
        id="a", kind="openai", upstream="one", label="", state=state, locks=list(locks)
    )


def test_account_needs_attention_if_it_does_not_get_free_by_itself() -> None:
    soon = AccountLock("m", "quota", 5.0)
    assert not is_urgent(account(soon))
    assert is_urgent(account(soon, AccountLock("m", "failure", None)))
    assert is_urgent(account(AccountLock("m", "credential", 5.0)))
    assert is_urgent(account(AccountLock("m", "billing", 5.0, "https://example.org/pay")))
    assert is_urgent(account(state="locked"))
    assert is_urgent(account(state="unused"))
    assert not is_urgent(account(state="disabled"))


def test_qr_code_is_an_image_without_style_and_script() -> None:
    found = qr_code("https://some-words-of-a-tunnel.trycloudflare.com")
    assert found.startswith("<svg")
    assert found.endswith("</svg>")
    for forbidden in ("style", "script", "href", "<title", "xlink"):
        assert forbidden not in found


def test_sizes_and_settings_are_written_as_in_files() -> None:
    assert [byte_size(each) for each in (0, 1023, 1536, 5 * 2**30)] == [
        "0\u202fB",
        "1023\u202fB",
        "1.5\u202fKiB",
        "5\u202fGiB",
    ]
    assert setting_text({}) == "{}"
    assert setting_text([True, "a", 1.5]) == '[true, "a", 1.5]'


def test_heat_map_adds_up_hours_of_weekdays() -> None:
    rows = [
        usage_row(4, period="2026-11-30T10:00+01:00"),  # a Monday
        usage_row(4, period="2026-11-23T10:00+01:00"),
        usage_row(1, period="2026-11-29T00:00+01:00"),
    ]
    heat = heat_rows(rows, "requests")
    assert heat[0][10] == HeatCell(8.0, 8)
    assert heat[6][0] == HeatCell(1.0, 1)
    assert sum(cell.value for hours in heat for cell in hours) == 9
    assert sum(cell.level > 0 for hours in heat for cell in hours) == 2
    assert heat_rows(rows, "cost") == []


def test_export_has_filters_of_page_that_it_knows() -> None:
    filters = RequestFilters(since="1h", model="a b", outcome="error", before=7)
    address = export_address(10_000.0, filters, "csv")
    assert address == "/dashboard/export?model=a+b&outcome=error&since=6400&format=csv"
