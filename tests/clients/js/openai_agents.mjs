/** OpenAI Agents for JavaScript, over chat completions, Responses, and Responses by WebSocket. */

import assert from "node:assert/strict";

import {
  Agent,
  ModelBehaviorError,
  OpenAIProvider,
  Runner,
  setTracingDisabled,
  tool,
} from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";

import * as h from "./harness.mjs";

setTracingDisabled(true);

const APIS = {
  chat: { useResponses: false },
  responses: { useResponses: true },
  WebSocket: { useResponses: true, useResponsesWebSocket: true },
};

const thinking = { reasoning: { effort: "high", summary: "auto" } };

/** Call a function with a runner for the gateway, and close the runner's connections. */
async function withRunner(at, api, work) {
  const openAIClient = new OpenAI({ baseURL: `${at.url}/v1`, apiKey: at.key, maxRetries: 0 });
  const modelProvider = new OpenAIProvider({ openAIClient, ...api });
  try {
    return await work(new Runner({ modelProvider }));
  } finally {
    await modelProvider.close();
  }
}

function weatherAgent(more = {}) {
  const station = h.weatherStation();
  const weather = tool({
    name: h.WEATHER.name,
    description: h.WEATHER.description,
    parameters: z.object({ city: z.string() }),
    execute: station.report,
  });
  const agent = new Agent({
    name: "Meteorologist",
    instructions: "Report the weather.",
    model: "gpt-5",
    tools: [weather],
    ...more,
  });
  return { agent, asked: station.asked };
}

/** Read a streamed run to its end, and return its text deltas. */
async function follow(result) {
  const deltas = [];
  for await (const event of result) {
    if (event.type === "raw_model_stream_event" && event.data.type === "output_text_delta") {
      deltas.push(event.data.delta);
    }
  }
  await result.completed;
  return deltas;
}

function casesOf(api) {
  const over = (work) => (at) => withRunner(at, api, (runner) => work(runner, at));
  /** Run an agent that only talks. */
  const talk = (runner, input, model = "gpt-5", options = {}) =>
    runner.run(new Agent({ name: "Talker", model }), input, options);
  /** Over WebSocket the client reports neither status nor text, and of a handshake nothing at all. */
  const failing = async (runner, kind, status, message, input, model) => {
    if (!api.useResponsesWebSocket) {
      await h.fails(() => talk(runner, input, model), kind, status, message);
      return;
    }
    const error = await h.rejection(() => talk(runner, input, model));
    assert.ok(error instanceof (status === 401 ? Error : ModelBehaviorError), error.stack);
  };
  return {
    "run": over(async (runner) => {
      const result = await talk(runner, h.TALK);
      assert.equal(result.finalOutput, h.SAID);
      assert.ok(result.state.usage.outputTokens > 0);
    }),
    "run, streamed": over(async (runner) => {
      const result = await talk(runner, h.TALK, "gpt-5", { stream: true });
      const deltas = await follow(result);
      assert.equal(deltas.join(""), h.SAID);
      assert.ok(deltas.length > 1);
      assert.equal(result.finalOutput, h.SAID);
    }),
    "tool loop, streamed": over(async (runner) => {
      const { agent, asked } = weatherAgent({ modelSettings: api.useResponses ? thinking : {} });
      const result = await runner.run(agent, h.LOOP, { stream: true });
      await follow(result);
      h.checkLoop(asked, result.finalOutput);
    }),
    "tool loop, whole": over(async (runner) => {
      const { agent, asked } = weatherAgent();
      const result = await runner.run(agent, h.LOOP);
      h.checkLoop(asked, result.finalOutput);
    }),
    "handoff": over(async (runner) => {
      const other = new Agent({ name: "Poet", instructions: "Write poems.", model: "gpt-5" });
      const agent = Agent.create({
        name: "Clerk",
        instructions: "Hand over.",
        model: "gpt-5",
        handoffs: [other],
      });
      const result = await runner.run(agent, "[[tool transfer_to_Poet {}]][[then]][[say DONE-8]]");
      assert.equal(result.lastAgent.name, "Poet");
      assert.match(result.finalOutput, /DONE-8/);
    }),
    "structured output": over(async (runner) => {
      const outputType = z.object({ answer: z.string(), sure: z.boolean() });
      const agent = new Agent({ name: "Clerk", model: "gpt-5", outputType });
      const result = await runner.run(agent, "Fill it in.");
      assert.equal(typeof result.finalOutput.sure, "boolean");
    }),
    "image input": over(async (runner) => {
      const content = [
        { type: "input_text", text: "Look: " },
        { type: "input_image", image: `data:image/png;base64,${h.PNG}` },
      ];
      const result = await talk(runner, [{ role: "user", content }]);
      assert.ok(result.finalOutput.includes(h.PNG_SEEN), result.finalOutput);
    }),
    "abort in mid-stream": over((runner) =>
      h.cancelsUpstream(async () => {
        const abort = new AbortController();
        const options = { stream: true, signal: abort.signal };
        const result = await talk(runner, h.SLOW, "gpt-5", options);
        for await (const event of result) {
          if (event.data?.type === "output_text_delta") abort.abort();
        }
        await result.completed.catch(() => {});
        assert.ok(result.cancelled);
      }),
    ),
    "wrong key": (at) =>
      withRunner({ ...at, key: h.WRONG_KEY }, api, (runner) =>
        failing(runner, OpenAI.AuthenticationError, 401, /401|key/i, "Hi"),
      ),
    "exhausted account": over((runner) =>
      failing(runner, OpenAI.RateLimitError, 429, /quota|limit|credit/i, "Hi", h.EXHAUSTED),
    ),
    "bad request": over((runner) =>
      failing(runner, OpenAI.BadRequestError, 400, h.REFUSED, h.REFUSAL),
    ),
  };
}

let ran = 0;
for (const [name, api] of Object.entries(APIS)) {
  ran += await h.run(`OpenAI Agents JS, ${name}`, casesOf(api));
}
h.finish(ran);
