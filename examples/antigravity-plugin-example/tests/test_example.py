"""Tests of all parts of the plugin, in a gateway with simulated models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from antigravity_plugin_example import plugin
from antigravity_plugin_example.command import visits
from click.testing import CliRunner

from antigravity.testing import ThreadedGateway, load_plugin, run_gateway

MODEL = "demo-anthropic/claude-sonnet-4-5"


@pytest.fixture(scope="module")
def gateway() -> Iterator[ThreadedGateway]:
    with run_gateway(plugins=[("example", plugin)]) as running:
        yield running


def chat(prompt: str, model: str = MODEL) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": prompt}]}


def test_plugin_registers_its_objects() -> None:
    info = load_plugin(plugin).info
    assert info.registered["protocols"] == ("say",)
    assert info.registered["upstreams"] == ("cellar",)
    assert info.registered["warmup_filters"] == ("greeting",)
    assert info.registered["mcp_tools"] == ("reverse", "countdown")
    assert info.registered["mcp_prompts"] == ("limerick",)
    assert info.registered["routes"] == ("GET /example/visits",)
    assert info.registered["admin_routes"] == ("GET /admin/plugins/example/visits",)
    assert info.registered["dashboard_pages"] == ("visits",)
    assert info.registered["commands"] == ("visits",)
    assert {"exchange_finished", "requests_recorded"} <= set(info.hooks)


def test_protocol_responds_with_plain_text(gateway: ThreadedGateway) -> None:
    response = gateway.post("/say/gpt-4.1", b"[[say Hello to you]]")
    assert (response.status, response.text) == (200, "Hello to you\n")
    assert response.headers["content-type"].startswith("text/plain")


def test_protocol_streams_text(gateway: ThreadedGateway) -> None:
    response = gateway.post("/say/gpt-4.1?stream", b"[[say one two three]][[chunks 3]]")
    assert (response.status, response.text) == (200, "one two three\n")


def test_protocol_encodes_errors_as_text(gateway: ThreadedGateway) -> None:
    response = gateway.post("/say/gpt-4.1", b" ")
    assert (response.status, response.text) == (400, "The prompt is empty; send it as the body.\n")


def test_upstream_gets_the_header(gateway: ThreadedGateway) -> None:
    address = gateway.simulator_url
    gateway.reload(
        f'[upstreams.below]\nkind = "cellar"\nbase_url = "{address}/v1"\napi_key = "sk-x"'
    )
    response = gateway.post("/v1/chat/completions", chat("[[say From below]]", "below/gpt-4.1"))
    assert response.json()["choices"][0]["message"]["content"] == "From below"
    assert gateway.simulator.log[-1].headers["x-from"] == "upstairs"


def test_filter_intercepts_greetings_of_the_client(gateway: ThreadedGateway) -> None:
    gateway.reload('[plugins.example]\nclient = "my-client"')
    greeting = chat("Good morning!")
    response = gateway.post("/v1/chat/completions", greeting, {"user-agent": "my-client/2"})
    assert response.headers["x-warmup-intercepted"] == "true"
    other = gateway.post("/v1/chat/completions", greeting, {"user-agent": "another/1"})
    assert "x-warmup-intercepted" not in other.headers


def test_mcp_clients_use_tool_and_prompt(gateway: ThreadedGateway) -> None:
    result = gateway.mcp("tools/call", {"name": "reverse", "arguments": {"text": "stressed"}})
    assert result["content"][0]["text"] == "desserts"
    prompt = gateway.mcp("prompts/get", {"name": "limerick", "arguments": {"about": "tea"}})
    assert prompt["messages"][0]["content"]["text"] == "Write a limerick about tea."


def test_tool_runs_as_task(gateway: ThreadedGateway) -> None:
    tasks = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    call = {"name": "countdown", "arguments": {"steps": 60}}
    task = gateway.mcp("tools/call", call, capabilities=tasks)
    assert task["resultType"] == "task"
    asked = {"taskId": task["taskId"]}
    assert gateway.mcp("tasks/get", asked, capabilities=tasks)["statusMessage"] == "60"
    gateway.mcp("tasks/cancel", asked, capabilities=tasks)
    assert gateway.mcp("tasks/get", asked, capabilities=tasks)["status"] == "cancelled"


def test_observer_counts_requests(gateway: ThreadedGateway) -> None:
    before = gateway.get("/example/visits").json().get(MODEL, 0)
    gateway.post("/v1/chat/completions", chat("Count me"))
    assert gateway.get("/example/visits").json()[MODEL] == before + 1


def test_admin_api_shows_and_forgets_counts(gateway: ThreadedGateway) -> None:
    gateway.reload('[proxy]\nadmin_key = "sk-admin"')
    path, key = "/admin/plugins/example/visits", {"x-api-key": "sk-admin"}
    gateway.post("/v1/chat/completions", chat("Count me"))
    assert gateway.get(path).status == 401
    assert gateway.get(path, key).json()["counts"][MODEL] >= 1
    assert gateway.request("DELETE", path, headers=key).json() == {"counts": {}, "cost": 0.0}
    assert path in gateway.get("/admin/openapi.json", key).json()["paths"]


def test_dashboard_has_the_page(gateway: ThreadedGateway) -> None:
    gateway.reload('[proxy]\nadmin_key = "sk-admin"')
    gateway.post("/v1/chat/completions", chat("Count me", "demo-anthropic/claude-haiku-4-5"))
    form = {"content-type": "application/x-www-form-urlencoded", "origin": gateway.url}
    signed_in = gateway.post("/dashboard/sign-in", b"key=sk-admin", form)
    cookie = {"cookie": signed_in.headers["set-cookie"].partition(";")[0]}
    page = gateway.get("/dashboard/plugins/visits", cookie)
    assert page.status == 200
    assert "<td>demo-anthropic/claude-haiku-4-5</td>" in page.text
    csrf = page.text.partition('name="csrf" value="')[2].partition('"')[0]
    action = "/dashboard/plugins/visits/forget"
    done = gateway.post(action, f"csrf={csrf}".encode(), {**form, **cookie})
    assert done.headers["location"] == "/dashboard/plugins/visits"
    assert "No request was counted yet." in gateway.get("/dashboard/plugins/visits", cookie).text


def test_command_explains_that_no_gateway_runs(tmp_path: Path) -> None:
    (tmp_path / "antigravity.toml").write_text('[proxy]\nport = 1\nadmin_key = "sk-admin"\n')
    done = CliRunner().invoke(visits, ["--home", str(tmp_path)])
    assert done.exit_code == 3


def test_blocked_plugin_is_removed(gateway: ThreadedGateway) -> None:
    gateway.reload('[proxy]\nadmin_key = "sk-admin"\n[plugins]\nblocked = ["example"]')
    key = {"x-api-key": "sk-admin"}
    assert gateway.get("/admin/plugins/example/visits", key).status == 404
    assert gateway.post("/say/gpt-4.1", b"Hello").status == 404
    assert gateway.get("/example/visits").status == 404
    assert [tool["name"] for tool in gateway.mcp("tools/list")["tools"]] == []
    gateway.reload("")
    assert gateway.post("/say/gpt-4.1", b"Hello").status == 200
