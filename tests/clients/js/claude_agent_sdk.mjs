/** Claude Agent SDK, which runs the Claude Code that it brings along. */

import assert from "node:assert/strict";

import { createSdkMcpServer, query, tool } from "@anthropic-ai/claude-agent-sdk";
import { z } from "zod";

import * as h from "./harness.mjs";

function options({ url, key }, more = {}) {
  const { env, ...others } = more;
  return {
    model: "claude-sonnet-5",
    tools: [],
    settingSources: [],
    permissionMode: "dontAsk",
    persistSession: false,
    env: {
      ...process.env,
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_API_KEY: key,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
      CLAUDE_CODE_MAX_RETRIES: "0",
      DISABLE_AUTOUPDATER: "1",
      DISABLE_TELEMETRY: "1",
      ...env,
    },
    ...others,
  };
}

/** Return all messages of a query, the result last. */
async function ask(prompt, settings) {
  const messages = [];
  try {
    for await (const message of query({ prompt, options: settings })) messages.push(message);
  } catch (error) {
    if (!messages.some((message) => message.type === "result")) throw error;
  }
  return { messages, result: messages.findLast((message) => message.type === "result") };
}

async function failing(at, prompt, status, message, more) {
  const { messages, result } = await ask(prompt, options(at, more));
  assert.ok(result.is_error, JSON.stringify(result));
  assert.equal(result.api_error_status, status, JSON.stringify(result));
  const said = messages.findLast((each) => each.type === "assistant");
  assert.match(JSON.stringify([said, result]), message);
  return said;
}

const cases = {
  "tool loop, streamed": async (at) => {
    const station = h.weatherStation();
    const weather = tool(
      h.WEATHER.name,
      h.WEATHER.description,
      { city: z.string() },
      async (input) => ({ content: [{ type: "text", text: station.report(input) }] }),
    );
    const server = createSdkMcpServer({ name: "sky", tools: [weather], alwaysLoad: true });
    const name = "mcp__sky__get_weather";
    const settings = options(at, {
      mcpServers: { sky: server },
      allowedTools: [name],
      includePartialMessages: true,
    });
    const prompt = h.LOOP.replaceAll("tool get_weather", `tool ${name}`);
    const { messages, result } = await ask(prompt, settings);
    assert.equal(result.subtype, "success");
    h.checkLoop(station.asked, result.result);
    const events = messages.filter((message) => message.type === "stream_event");
    const kinds = events.map(({ event }) => event.type);
    assert.equal(kinds.filter((kind) => kind === "message_stop").length, 3);
    assert.ok(result.usage.output_tokens > 0);
    if (at.target === "chat") return;
    const thoughts = events.filter(({ event }) => event.content_block?.type === "thinking");
    assert.ok(thoughts.length >= 2);
  },
  "structured output": async (at) => {
    const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
    const prompt = '[[tool StructuredOutput {"n": 42}]]';
    const outputFormat = { type: "json_schema", schema };
    const { result } = await ask(prompt, options(at, { outputFormat }));
    assert.deepEqual(result.structured_output, { n: 42 });
  },
  "abort in mid-stream": h.alone((at) =>
    h.cancelsUpstream(async () => {
      const abortController = new AbortController();
      const settings = options(at, { abortController, includePartialMessages: true });
      await h.rejection(async () => {
        for await (const { event } of query({ prompt: h.SLOW, options: settings })) {
          if (event?.delta?.type === "text_delta") abortController.abort();
        }
      });
    }),
  ),
  "wrong key": (at) => failing({ ...at, key: h.WRONG_KEY }, "Hi", 401, /authentication_failed/),
  "exhausted account": (at) =>
    failing(at, "Hi", 429, /rate_limit/, { model: h.EXHAUSTED }),
  "bad request": (at) => failing(at, h.REFUSAL, 400, h.REFUSED),
};

h.finish(await h.run("Claude Agent SDK", cases, 3));
