"""OpenAI Agents SDK: what only responses have, such as tools with types and stored turns."""

from __future__ import annotations

from typing import Any

from agents import (
    Agent,
    ApplyPatchTool,
    CustomTool,
    OpenAIResponsesCompactionSession,
    Runner,
    ShellCallOutcome,
    ShellCommandOutput,
    ShellResult,
    ShellTool,
    SQLiteSession,
    ToolSearchTool,
    function_tool,
    handoff,
)
from agents.editor import ApplyPatchOperation, ApplyPatchResult

from tests.clients.frameworks.openai_agents_cases import MODEL, client, config
from tests.clients.frameworks.suite import WEATHER, SkipCase, Suite, Upstream

suite = Suite("responses", "websocket")


class Editor:
    """An editor that remembers the last operation."""

    done: ApplyPatchOperation | None = None

    def _keep(self, operation: ApplyPatchOperation) -> ApplyPatchResult:
        self.done = operation
        return ApplyPatchResult(status="completed", output="PATCHED-9")

    create_file = update_file = delete_file = _keep


async def turn(upstream: Upstream, prompt: Any, tools: Any = (), **options: Any) -> Any:
    agent = Agent(name="A", tools=list(tools))
    result = Runner.run_streamed(agent, prompt, run_config=config(upstream), **options)
    async for _ in result.stream_events():
        pass
    return result


@suite.case
async def shell_tool(upstream: Upstream) -> None:
    def run(request: Any) -> ShellResult:
        assert request.data.action.commands == ["echo 1"], request.data
        output = ShellCommandOutput("SHELL-7", outcome=ShellCallOutcome("exit", 0))
        return ShellResult([output])

    prompt = '[[tool shell {"commands": ["echo 1"]}]]'
    result = await turn(upstream, prompt, [ShellTool(run)])
    assert "SHELL-7" in result.final_output, result.final_output


@suite.case
async def apply_patch_tool(upstream: Upstream) -> None:
    editor = Editor()
    call = '{"type": "create_file", "path": "a.txt", "diff": "+made\\n"}'
    result = await turn(upstream, f"[[tool apply_patch {call}]]", [ApplyPatchTool(editor)])
    assert editor.done is not None
    assert (editor.done.type, editor.done.path) == ("create_file", "a.txt")
    assert editor.done.diff == "+made\n"
    assert "PATCHED-9" in result.final_output, result.final_output


@suite.case
async def custom_tool(upstream: Upstream) -> None:
    inputs = []

    async def run(_: Any, text: str) -> str:
        inputs.append(text)
        return "CUSTOM-8"

    tool = CustomTool("calculate", "Calculates.", run)
    result = await turn(upstream, '[[tool calculate {"input": "1 + 2"}]]', [tool])
    assert inputs == ["1 + 2"]
    assert "CUSTOM-8" in result.final_output, result.final_output


@suite.case
async def handoff_to_agent(upstream: Upstream) -> None:
    other = Agent(name="Other", instructions="I am OTHER-3.")
    first = Agent(name="First", handoffs=[handoff(other)])
    prompt = "[[tool transfer_to_other {}]][[then]][[system]]"
    result = await Runner.run(first, prompt, run_config=config(upstream))
    assert result.last_agent is other
    assert "OTHER-3" in result.final_output, result.final_output


@suite.case
async def previous_response(upstream: Upstream) -> None:
    first = await turn(upstream, "[[say FIRST-1]]")
    second = await turn(upstream, "[[say SECOND-2]]", previous_response_id=first.last_response_id)
    assert second.final_output == "SECOND-2"
    last = upstream.setting.last_body()
    assert "FIRST-1" in last or first.last_response_id in last


@suite.case
async def chained_tool_loop(upstream: Upstream) -> None:
    @function_tool
    def get_weather(city: str) -> str:
        """Return the weather."""
        return WEATHER

    prompt = '[[tool get_weather {"city": "Zürich"}]][[then]][[say The marker is ZEBRA-42.]]'
    result = await turn(upstream, prompt, [get_weather], auto_previous_response_id=True)
    assert "ZEBRA-42" in result.final_output
    assert WEATHER in upstream.setting.last_body()


@suite.case
async def session_in_memory(upstream: Upstream) -> None:
    session = SQLiteSession("s")
    await turn(upstream, "[[say FIRST-1]]", session=session)
    result = await turn(upstream, "[[say SECOND-2]]", session=session)
    assert result.final_output == "SECOND-2"
    assert "FIRST-1" in upstream.setting.last_body()


@suite.case
async def compacted_session(upstream: Upstream) -> None:
    if upstream.api == "websocket":
        raise SkipCase("compaction is a request of its own")
    session = OpenAIResponsesCompactionSession(
        "s",
        SQLiteSession("s"),
        client=client(upstream.address + "/v1", upstream.setting.key),
        model=MODEL,
        compaction_mode="input",
        should_trigger_compaction=lambda _: True,
    )
    await turn(upstream, "[[say FIRST-1]]", session=session)
    kinds = [item.get("type") for item in await session.get_items()]
    assert "compaction" in kinds, kinds
    result = await turn(upstream, "[[say SECOND-2]]", session=session)
    assert result.final_output.endswith("SECOND-2"), result.final_output


@suite.case
async def tool_search(upstream: Upstream) -> None:
    @function_tool(defer_loading=True)
    def get_weather(city: str) -> str:
        """Return the weather."""
        return WEATHER

    # OpenAI searches; models of others get all tools.
    prompt = '[[tool get_weather {"city": "Zürich"}]]'
    result = await turn(upstream, prompt, [get_weather, ToolSearchTool()])
    assert WEATHER in result.final_output, result.final_output


if __name__ == "__main__":
    suite.main()
