/** @anthropic-ai/sdk: messages, its stream helper, its tool runner, token counts, thinking. */

import assert from "node:assert/strict";

import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";

import * as h from "./harness.mjs";

const MODEL = "claude-sonnet-5";
const THINKING = { type: "adaptive", display: "summarized" };

const client = ({ url, key }) => new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
const user = (content) => [{ role: "user", content }];
const body = (content, more = {}) => ({
  model: MODEL,
  max_tokens: 4000,
  messages: user(content),
  ...more,
});
const textOf = ({ content }) => content.map((block) => block.text ?? "").join("");

/** Run the tool loop by hand, and send all blocks back as they came. */
async function loop(send) {
  const station = h.weatherStation();
  const { name, description, parameters } = h.WEATHER;
  const tools = [{ name, description, input_schema: parameters }];
  const messages = user(h.LOOP);
  for (let turn = 0; turn < 5; turn += 1) {
    const message = await send({ ...body(""), messages, tools, thinking: THINKING });
    messages.push({ role: "assistant", content: message.content });
    const calls = message.content.filter((block) => block.type === "tool_use");
    if (!calls.length) return { message, messages, asked: station.asked };
    assert.equal(message.stop_reason, "tool_use");
    const results = calls.map(({ id, input }) => ({
      type: "tool_result",
      tool_use_id: id,
      content: station.report(input),
    }));
    messages.push({ role: "user", content: results });
  }
  throw new Error("the loop does not end");
}

function runner(at, options) {
  const station = h.weatherStation();
  const tool = betaZodTool({
    name: h.WEATHER.name,
    description: h.WEATHER.description,
    inputSchema: z.object({ city: z.string() }),
    run: station.report,
  });
  const running = client(at).beta.messages.toolRunner({
    ...body(h.LOOP),
    tools: [tool],
    ...options,
  });
  return { running, asked: station.asked };
}

const cases = {
  "whole text": async (at) => {
    const { data, response } = await client(at).messages.create(body(h.TALK)).withResponse();
    assert.equal(textOf(data), h.SAID);
    assert.equal(data.stop_reason, "end_turn");
    assert.ok(data.usage.output_tokens > 0);
    assert.ok(response.headers.get("request-id"));
  },
  "streamed text": async (at) => {
    const stream = await client(at).messages.create(body(h.TALK, { stream: true }));
    const kinds = [];
    let said = "";
    for await (const event of stream) {
      kinds.push(event.type);
      said += event.delta?.text ?? "";
    }
    assert.equal(said, h.SAID);
    assert.equal(kinds[0], "message_start");
    assert.equal(kinds.at(-1), "message_stop");
  },
  "messages.stream with thinking": async (at) => {
    const thoughts = [];
    const parts = [];
    const stream = client(at)
      .messages.stream(body(`[[think PONDER-5]]${h.TALK}`, { thinking: THINKING }))
      .on("thinking", (delta) => thoughts.push(delta))
      .on("text", (delta) => parts.push(delta));
    const final = await stream.finalMessage();
    assert.equal(parts.join(""), h.SAID);
    assert.ok(parts.length > 1);
    if (at.target === "chat") return;
    assert.match(thoughts.join(""), /PONDER-5/);
    assert.equal(final.content[0].type, "thinking");
    assert.ok(final.content[0].signature);
  },
  "tool loop, messages.stream": async (at) => {
    const found = await loop((params) => client(at).messages.stream(params).finalMessage());
    h.checkLoop(found.asked, textOf(found.message));
    const blocks = found.messages.flatMap(({ content }) => content);
    if (at.target === "chat") return;
    assert.ok(blocks.filter((block) => block.type === "thinking").length >= 2);
  },
  "tool loop, whole": async (at) => {
    const found = await loop((params) => client(at).messages.create(params));
    h.checkLoop(found.asked, textOf(found.message));
  },
  "toolRunner, streamed": async (at) => {
    const { running, asked } = runner(at, { stream: true });
    let last;
    for await (const stream of running) last = await stream.finalMessage();
    h.checkLoop(asked, textOf(last));
  },
  "toolRunner, whole, with thinking": async (at) => {
    const { running, asked } = runner(at, { thinking: THINKING });
    h.checkLoop(asked, textOf(await running.runUntilDone()));
  },
  "messages.thread": async (at) => {
    const thread = client(at).beta.messages.thread({ model: MODEL, max_tokens: 4000 });
    await thread.send({ role: "user", content: "Remember FERRET-3." });
    const sent = await h.sentUpstream(async () => {
      const reply = await thread.send({ role: "user", content: "[[say bye]]" });
      assert.equal(textOf(reply), "bye");
    });
    // Only the upstream that speaks the client's protocol holds threads itself.
    const whole = at.target !== "anthropic";
    assert.equal(JSON.stringify(sent.at(-1)).includes("FERRET-3"), whole);
  },
  "messages.thread, lost": async (at) => {
    const betas = ["message-threads-2026-08-12"];
    const thread = { type: "continue", previous_message_id: "msg_lost" };
    const error = await h.rejection(() =>
      client(at).beta.messages.create(body("Hi", { betas, thread })),
    );
    assert.ok(error instanceof Anthropic.ThreadNotFoundError, error.stack);
  },
  "parse, structured": async (at) => {
    const Form = z.object({ answer: z.string(), sure: z.boolean() });
    const message = await client(at).messages.parse(
      body("Fill it in.", { output_config: { format: zodOutputFormat(Form) } }),
    );
    assert.equal(typeof message.parsed_output.sure, "boolean");
  },
  "image input": async (at) => {
    const source = { type: "base64", media_type: "image/png", data: h.PNG };
    const message = await client(at).messages.create(
      body([
        { type: "text", text: "Look: " },
        { type: "image", source },
      ]),
    );
    assert.ok(textOf(message).includes(h.PNG_SEEN));
  },
  "messages.countTokens": async (at) => {
    const counted = await client(at).messages.countTokens({ model: MODEL, messages: user("Hello") });
    assert.ok(counted.input_tokens > 0);
  },
  "models.list": async (at) => {
    const names = [];
    for await (const model of client(at).models.list({ limit: 50 })) names.push(model.id);
    assert.ok(names.length > 0);
    assert.equal((await client(at).models.retrieve(names[0])).id, names[0]);
  },
  "abort in mid-stream": (at) =>
    h.cancelsUpstream(async () => {
      const stream = client(at).messages.stream(body(h.SLOW));
      stream.on("text", () => stream.abort());
      const error = await h.rejection(() => stream.finalMessage());
      assert.ok(error instanceof Anthropic.APIUserAbortError, error.stack);
    }),
  "wrong key": (at) =>
    h.fails(
      () => client({ ...at, key: h.WRONG_KEY }).messages.create(body("Hi")),
      Anthropic.AuthenticationError,
      401,
    ),
  "exhausted account": async (at) => {
    const error = await h.fails(
      () => client(at).messages.create(body("Hi", { model: h.EXHAUSTED })),
      Anthropic.RateLimitError,
      429,
    );
    assert.equal(error.type, "rate_limit_error");
    assert.ok(Number(error.headers.get("retry-after")) > 60);
  },
  "bad request": (at) =>
    h.fails(
      () => client(at).messages.stream(body(h.REFUSAL)).finalMessage(),
      Anthropic.BadRequestError,
      400,
      h.REFUSED,
    ),
  "broken stream": async (at) => {
    const error = await h.rejection(() => client(at).messages.stream(body(h.CUT)).finalMessage());
    assert.ok(error instanceof Anthropic.AnthropicError, error.stack);
  },
};

h.finish(await h.run("@anthropic-ai/sdk", cases));
