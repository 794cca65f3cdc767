/** Vercel AI SDK with each of its providers that can be given a base address. */

import assert from "node:assert/strict";

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  APICallError,
  Output,
  embedMany,
  generateImage,
  generateText,
  isStepCount,
  streamText,
  tool,
} from "ai";
import { z } from "zod";

import * as h from "./harness.mjs";

const openai = ({ url, key }) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key });
const compatible = ({ url, key }) =>
  createOpenAICompatible({
    name: "gateway",
    baseURL: `${url}/v1`,
    apiKey: key,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
const google = ({ url, key }) => createGoogle({ baseURL: `${url}/v1beta`, apiKey: key });

/** By provider: the function that returns a model, a name, and options for thinking. */
const PROVIDERS = {
  "openai, responses": {
    model: (at, name = "gpt-5") => openai(at).responses(name),
    thinking: { openai: { reasoningEffort: "high", reasoningSummary: "auto", store: false } },
  },
  "openai, chat": {
    model: (at, name = "gpt-5") => openai(at).chat(name),
  },
  "openai-compatible": {
    model: (at, name = "gpt-4o") => compatible(at)(name),
    chat: true, // in which OpenAI tells no thoughts
    thinking: { gateway: { reasoningEffort: "high" } },
  },
  "anthropic": {
    model: ({ url, key }, name = "claude-sonnet-5") =>
      createAnthropic({ baseURL: `${url}/v1`, apiKey: key })(name),
    thinking: { anthropic: { thinking: { type: "adaptive", display: "summarized" } } },
  },
  "google": {
    model: (at, name = "gemini-3-flash") => google(at)(name),
    thinking: { google: { thinkingConfig: { includeThoughts: true, thinkingLevel: "high" } } },
  },
};

function weather() {
  const station = h.weatherStation();
  const get_weather = tool({
    description: h.WEATHER.description,
    inputSchema: z.object({ city: z.string() }),
    execute: async (input) => station.report(input),
  });
  return { tools: { get_weather }, asked: station.asked };
}

/** Return the parts of a stream; an error in it is thrown. */
async function collect(result) {
  const parts = [];
  for await (const part of result.stream) {
    if (part.type === "error") throw part.error;
    parts.push(part);
  }
  return parts;
}

const stream = (options) => streamText({ maxRetries: 0, onError: () => {}, ...options });

function casesOf({ model, thinking, chat = false }) {
  return {
    "generateText": async (at) => {
      const result = await generateText({ model: model(at), prompt: h.TALK });
      assert.equal(result.text, h.SAID);
      assert.equal(result.finishReason, "stop");
      assert.ok(result.usage.outputTokens > 0);
    },
    "streamText with thinking": async (at) => {
      const prompt = `[[think PONDER-5]]${h.TALK}`;
      const parts = await collect(stream({ model: model(at), prompt, providerOptions: thinking }));
      const deltas = parts.filter((part) => part.type === "text-delta").map((part) => part.text);
      assert.equal(deltas.join(""), h.SAID);
      assert.ok(deltas.length > 1);
      const end = parts.at(-1);
      assert.equal(end.finishReason, "stop");
      assert.ok(end.totalUsage.inputTokens > 0);
      if (!thinking || at.target === "chat" || (at.target === "responses" && chat)) return;
      const thoughts = parts.filter((part) => part.type === "reasoning-delta");
      assert.match(thoughts.map((part) => part.text).join(""), /PONDER-5/);
    },
    "tool loop, streamText": async (at) => {
      const { tools, asked } = weather();
      const result = stream({
        model: model(at),
        prompt: h.LOOP,
        tools,
        providerOptions: thinking,
        stopWhen: isStepCount(5),
      });
      const parts = await collect(result);
      h.checkLoop(asked, await result.text);
      assert.equal(parts.filter((part) => part.type === "tool-result").length, 3);
      assert.equal((await result.steps).length, 3);
    },
    "tool loop, generateText": async (at) => {
      const { tools, asked } = weather();
      const prompt = h.LOOP;
      const result = await generateText({
        model: model(at),
        prompt,
        tools,
        stopWhen: isStepCount(5),
        maxRetries: 0,
      });
      h.checkLoop(asked, result.text);
    },
    "structured output": async (at) => {
      const schema = z.object({ answer: z.string(), sure: z.boolean() });
      const result = await generateText({
        model: model(at),
        prompt: "Fill it in.",
        output: Output.object({ schema }),
        maxRetries: 0,
      });
      assert.equal(typeof result.output.sure, "boolean");
    },
    "image input": async (at) => {
      const content = [
        { type: "text", text: "Look: " },
        { type: "file", mediaType: "image/png", data: Buffer.from(h.PNG, "base64") },
      ];
      const result = await generateText({
        model: model(at),
        messages: [{ role: "user", content }],
        maxRetries: 0,
      });
      assert.ok(result.text.includes(h.PNG_SEEN), result.text);
    },
    "abort in mid-stream": (at) =>
      h.cancelsUpstream(async () => {
        const abort = new AbortController();
        const result = stream({ model: model(at), prompt: h.SLOW, abortSignal: abort.signal });
        let aborted = false;
        for await (const part of result.stream) {
          if (part.type === "text-delta") abort.abort();
          aborted ||= part.type === "abort";
        }
        assert.ok(aborted);
      }),
    "wrong key": (at) =>
      h.fails(
        () =>
          generateText({
            model: model({ ...at, key: h.WRONG_KEY }),
            prompt: "Hi",
            maxRetries: 0,
          }),
        APICallError,
        401,
      ),
    "exhausted account": async (at) => {
      const error = await h.fails(
        () => generateText({ model: model(at, h.EXHAUSTED), prompt: "Hi", maxRetries: 0 }),
        APICallError,
        429,
      );
      assert.ok(error.isRetryable);
      assert.ok(Number(error.responseHeaders["retry-after"]) > 60);
    },
    "bad request": async (at) => {
      const error = await h.fails(
        () => collect(stream({ model: model(at), prompt: h.REFUSAL })),
        APICallError,
        400,
        h.REFUSED,
      );
      assert.ok(!error.isRetryable);
    },
    "broken stream": async (at) => {
      const error = await h.rejection(() => collect(stream({ model: model(at), prompt: h.CUT })));
      assert.ok(error, "an error without content");
    },
  };
}

const media = {
  "embedMany, openai": h.where("embeddings", async (at) => {
    const model = openai(at).embedding("text-embedding-3-small");
    const { embeddings } = await embedMany({ model, values: ["one", "two"] });
    assert.equal(embeddings.length, 2);
    assert.ok(embeddings[0].length > 100);
  }),
  "embedMany, google": h.where("embeddings", async (at) => {
    const model = google(at).embedding("text-embedding-3-small");
    const { embeddings } = await embedMany({ model, values: ["one", "two"] });
    assert.equal(embeddings.length, 2);
  }),
  "generateImage, openai": h.where("images", async (at) => {
    const model = openai(at).image("gpt-image-1");
    const { image } = await generateImage({ model, prompt: "a cat", maxRetries: 0 });
    assert.equal(image.mediaType, "image/png");
  }),
};

let ran = 0;
for (const [name, provider] of Object.entries(PROVIDERS)) {
  ran += await h.run(`AI SDK, ${name}`, casesOf(provider));
}
ran += await h.run("AI SDK, media", media);
h.finish(ran);
