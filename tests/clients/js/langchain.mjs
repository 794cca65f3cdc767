/** LangChain's chat models, each over the SDK that it brings along. */

import assert from "node:assert/strict";

import { ChatAnthropic } from "@langchain/anthropic";
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatGoogleGenerativeAI } from "@langchain/google-genai";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";

import * as h from "./harness.mjs";

// After an abort, Google's old SDK, which LangChain uses, also rejects a promise that nobody has.
process.on("unhandledRejection", (error) => {
  if (error?.constructor?.name !== "GoogleGenerativeAIError") throw error;
});

const openai = (at, model, more) =>
  new ChatOpenAI({
    model,
    apiKey: at.key,
    maxRetries: 0,
    configuration: { baseURL: `${at.url}/v1` },
    ...more,
  });

// It signs all parallel calls but the first with a signature from elsewhere, which only Google knows.
const isGoogle = (model) => model instanceof ChatGoogleGenerativeAI;

const MODELS = {
  "ChatOpenAI": (at, model = "gpt-4o") => openai(at, model, { useResponsesApi: false }),
  "ChatOpenAI, responses": (at, model = "gpt-5") => openai(at, model, { useResponsesApi: true }),
  "ChatAnthropic": (at, model = "claude-sonnet-5") =>
    new ChatAnthropic({
      model,
      apiKey: at.key,
      anthropicApiUrl: at.url,
      maxRetries: 0,
      maxTokens: 4000,
    }),
  "ChatGoogleGenerativeAI": (at, model = "gemini-3-flash") =>
    new ChatGoogleGenerativeAI({ model, apiKey: at.key, baseUrl: at.url, maxRetries: 0 }),
};

/** Run a tool loop and return its last message. */
async function loop(model, send) {
  const station = h.weatherStation();
  const schema = z.object({ city: z.string() });
  const weather = tool(station.report, { ...h.WEATHER, schema });
  const bound = model.bindTools([weather]);
  const messages = [new HumanMessage(isGoogle(model) ? h.STEPS : h.LOOP)];
  for (let turn = 0; turn < 5; turn += 1) {
    const message = await send(bound, messages);
    messages.push(message);
    if (!message.tool_calls.length) return { message, asked: station.asked };
    for (const call of message.tool_calls) {
      const content = await weather.invoke(call.args);
      messages.push(new ToolMessage({ content, tool_call_id: call.id, name: call.name }));
    }
  }
  throw new Error("the loop does not end");
}

async function streamed(model, messages) {
  let whole;
  for await (const chunk of await model.stream(messages)) whole = whole?.concat(chunk) ?? chunk;
  return whole;
}

function casesOf(make) {
  const failing = async (model, prompt, status, message = /./) => {
    const error = await h.rejection(() => model.invoke(prompt));
    assert.match(`${error.status ?? error.statusCode ?? error.code} ${error.message}`, status);
    assert.match(error.message, message);
  };
  return {
    "invoke": async (at) => {
      const message = await make(at).invoke(h.TALK);
      assert.equal(message.text, h.SAID);
      assert.ok(message.usage_metadata.output_tokens > 0);
    },
    "stream": async (at) => {
      const parts = [];
      for await (const chunk of await make(at).stream(h.TALK)) parts.push(chunk.text);
      assert.equal(parts.join(""), h.SAID);
      assert.ok(parts.filter(Boolean).length > 1);
    },
    "tool loop, streamed": async (at) => {
      const { message, asked } = await loop(make(at), streamed);
      h.checkLoop(asked, message.text);
    },
    "tool loop, whole": async (at) => {
      const { message, asked } = await loop(make(at), (model, messages) => model.invoke(messages));
      h.checkLoop(asked, message.text);
    },
    "structured output": async (at) => {
      const schema = z.object({ answer: z.string(), sure: z.boolean() });
      const model = make(at).withStructuredOutput(schema, { method: "jsonSchema" });
      const found = await model.invoke("Fill it in.");
      assert.equal(typeof found.sure, "boolean");
    },
    "image input": async (at) => {
      const content = [
        { type: "text", text: "Look: " },
        { type: "image_url", image_url: { url: `data:image/png;base64,${h.PNG}` } },
      ];
      const message = await make(at).invoke([new HumanMessage({ content })]);
      assert.ok(message.text.includes(h.PNG_SEEN), message.text);
    },
    "abort in mid-stream": (at) =>
      h.cancelsUpstream(async () => {
        const abort = new AbortController();
        await h.rejection(async () => {
          const stream = await make(at).stream(h.SLOW, { signal: abort.signal });
          for await (const chunk of stream) if (chunk.text) abort.abort();
        });
      }),
    "wrong key": (at) => failing(make({ ...at, key: h.WRONG_KEY }), "Hi", /401/),
    "exhausted account": (at) => failing(make(at, h.EXHAUSTED), "Hi", /429/),
    "bad request": (at) => failing(make(at), h.REFUSAL, /400/, h.REFUSED),
  };
}

let ran = 0;
for (const [name, make] of Object.entries(MODELS)) {
  ran += await h.run(`LangChain JS, ${name}`, casesOf(make));
}
h.finish(ran);
