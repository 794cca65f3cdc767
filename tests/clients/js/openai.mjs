/** openai-node: chat completions, Responses by HTTP and WebSocket, images, audio, embeddings. */

import assert from "node:assert/strict";

import OpenAI, { toFile } from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { ResponsesWS } from "openai/resources/responses/ws";
import { z } from "zod";

import * as h from "./harness.mjs";

const MODEL = "gpt-5";
const Form = z.object({ answer: z.string(), sure: z.boolean() });

const client = ({ url, key }) => new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const user = (content) => [{ role: "user", content }];

/** Run the Responses tool loop by hand, as programs that keep their own history do. */
async function loop(send, prompt) {
  const station = h.weatherStation();
  const tools = [{ type: "function", strict: true, ...h.WEATHER }];
  const input = user(prompt);
  for (let turn = 0; turn < 5; turn += 1) {
    const response = await send({
      model: MODEL,
      input,
      tools,
      store: false,
      include: ["reasoning.encrypted_content"],
      reasoning: { effort: "high", summary: "auto" },
    });
    input.push(...response.output);
    const calls = response.output.filter((item) => item.type === "function_call");
    if (!calls.length) return { response, input, asked: station.asked };
    for (const { call_id, arguments: given } of calls) {
      const output = station.report(JSON.parse(given));
      input.push({ type: "function_call_output", call_id, output });
    }
  }
  throw new Error("the loop does not end");
}

/** Return the text of a response that came over a WebSocket: the SDK adds output_text to others. */
const textOf = ({ output }) =>
  output
    .filter((item) => item.type === "message")
    .flatMap((item) => item.content.map((part) => part.text))
    .join("");

/** Return a recording with directives for the simulated model. */
function recording(directives) {
  const wav = Buffer.alloc(8044);
  wav.write("RIFF", 0, "latin1");
  wav.writeUInt32LE(8036, 4);
  wav.write("WAVEfmt ", 8, "latin1");
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20); // PCM
  wav.writeUInt16LE(1, 22); // one channel
  wav.writeUInt32LE(8000, 24);
  wav.writeUInt32LE(16000, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write("data", 36, "latin1");
  wav.writeUInt32LE(8000, 40);
  wav.write(directives, 44);
  return toFile(wav, "talk.wav", { type: "audio/wav" });
}

/** Send one request over a WebSocket and return its last response. */
async function ask(socket, body) {
  socket.send({ type: "response.create", ...body });
  for await (const event of socket.stream()) {
    if (event.type === "error") throw event.error;
    if (event.type !== "message") continue;
    if (event.message.type === "error") throw new Error(JSON.stringify(event.message));
    if (/^response\.(completed|failed|incomplete)$/.test(event.message.type)) {
      return event.message.response;
    }
  }
  throw new Error("the socket was closed");
}

const chat = {
  "whole text": async (at) => {
    const { data, response } = await client(at)
      .chat.completions.create({ model: MODEL, messages: user(h.TALK) })
      .withResponse();
    assert.equal(data.choices[0].message.content, h.SAID);
    assert.equal(data.choices[0].finish_reason, "stop");
    assert.ok(data.usage.completion_tokens > 0);
    assert.ok(response.headers.get("x-request-id"));
  },
  "streamed text": async (at) => {
    const stream = await client(at).chat.completions.create({
      model: MODEL,
      messages: user(h.TALK),
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    const parts = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "");
    assert.equal(parts.join(""), h.SAID);
    assert.ok(parts.filter(Boolean).length > 1);
    assert.ok(chunks.at(-1).usage.total_tokens > 0);
  },
  "runTools, streamed": async (at) => {
    const station = h.weatherStation();
    const tool = { ...h.WEATHER, function: station.report, parse: JSON.parse };
    const runner = client(at).chat.completions.runTools({
      model: MODEL,
      messages: user(h.LOOP),
      tools: [{ type: "function", function: tool }],
      stream: true,
    });
    let deltas = "";
    runner.on("content", (delta) => {
      deltas += delta;
    });
    const final = await runner.finalContent();
    h.checkLoop(station.asked, final);
    assert.equal(deltas, final);
  },
  "runTools, whole": async (at) => {
    const station = h.weatherStation();
    const tool = { ...h.WEATHER, function: station.report, parse: JSON.parse };
    const runner = client(at).chat.completions.runTools({
      model: MODEL,
      messages: user(h.LOOP),
      tools: [{ type: "function", function: tool }],
    });
    h.checkLoop(station.asked, await runner.finalContent());
  },
  "parse, structured": async (at) => {
    const completion = await client(at).chat.completions.parse({
      model: MODEL,
      messages: user("Fill it in."),
      response_format: zodResponseFormat(Form, "form"),
    });
    assert.equal(typeof completion.choices[0].message.parsed.sure, "boolean");
  },
  "image input": async (at) => {
    const url = `data:image/png;base64,${h.PNG}`;
    const completion = await client(at).chat.completions.create({
      model: MODEL,
      messages: user([
        { type: "text", text: "Look: " },
        { type: "image_url", image_url: { url } },
      ]),
    });
    assert.ok(completion.choices[0].message.content.includes(h.PNG_SEEN));
  },
  "abort in mid-stream": (at) =>
    h.cancelsUpstream(async () => {
      const stream = await client(at).chat.completions.create({
        model: MODEL,
        messages: user(h.SLOW),
        stream: true,
      });
      for await (const chunk of stream) {
        if (chunk.choices[0]?.delta.content) stream.controller.abort();
      }
    }),
  "wrong key": (at) =>
    h.fails(
      () =>
        client({ ...at, key: h.WRONG_KEY }).chat.completions.create({
          model: MODEL,
          messages: user("Hi"),
        }),
      OpenAI.AuthenticationError,
      401,
    ),
  "exhausted account": async (at) => {
    const error = await h.fails(
      () => client(at).chat.completions.create({ model: h.EXHAUSTED, messages: user("Hi") }),
      OpenAI.RateLimitError,
      429,
    );
    assert.ok(Number(error.headers.get("retry-after")) > 60);
  },
  "bad request": (at) =>
    h.fails(
      () =>
        client(at).chat.completions.create({
          model: MODEL,
          messages: user(h.REFUSAL),
          stream: true,
        }),
      OpenAI.BadRequestError,
      400,
      h.REFUSED,
    ),
  "broken stream": async (at) => {
    const error = await h.rejection(async () => {
      const stream = client(at).chat.completions.stream({
        model: MODEL,
        messages: user(h.CUT),
      });
      return stream.finalContent();
    });
    assert.ok(error instanceof OpenAI.OpenAIError, error.stack);
  },
};

const responses = {
  "whole text": async (at) => {
    const response = await client(at).responses.create({ model: MODEL, input: h.TALK });
    assert.equal(response.output_text, h.SAID);
    assert.equal(response.status, "completed");
    assert.ok(response.usage.output_tokens > 0);
  },
  "responses.stream": async (at) => {
    const kinds = [];
    const stream = client(at)
      .responses.stream({
        model: MODEL,
        input: `[[think PONDER-5]]${h.TALK}`,
        reasoning: { effort: "high", summary: "auto" },
      })
      .on("event", (event) => kinds.push(event.type));
    const final = await stream.finalResponse();
    assert.equal(final.output_text, h.SAID);
    assert.equal(kinds[0], "response.created");
    assert.equal(kinds.at(-1), "response.completed");
    assert.ok(kinds.filter((kind) => kind === "response.output_text.delta").length > 1);
    if (at.target !== "chat") assert.ok(kinds.includes("response.reasoning_summary_text.delta"));
  },
  "tool loop, responses.stream": async (at) => {
    const send = (body) => client(at).responses.stream(body).finalResponse();
    const { response, asked, input } = await loop(send, h.LOOP);
    h.checkLoop(asked, response.output_text);
    const thoughts = input.filter((item) => item.type === "reasoning");
    if (at.target !== "chat") assert.ok(thoughts.length >= 2);
  },
  "tool loop, whole": async (at) => {
    const { response, asked } = await loop((body) => client(at).responses.create(body), h.LOOP);
    h.checkLoop(asked, response.output_text);
  },
  "previous_response_id": async (at) => {
    const create = (body) => client(at).responses.create({ model: MODEL, ...body });
    const one = await create({ input: "Remember FERRET-3." });
    const two = await create({ input: "[[say bye]]", previous_response_id: one.id });
    assert.equal(two.output_text, "bye");
    assert.ok(two.usage.input_tokens > one.usage.input_tokens);
    assert.equal((await client(at).responses.retrieve(one.id)).id, one.id);
    await client(at).responses.delete(one.id);
    await h.fails(() => client(at).responses.retrieve(one.id), OpenAI.NotFoundError, 404);
  },
  "parse, structured": async (at) => {
    const response = await client(at).responses.parse({
      model: MODEL,
      input: "Fill it in.",
      text: { format: zodTextFormat(Form, "form") },
    });
    assert.equal(typeof response.output_parsed.sure, "boolean");
  },
  "image input": async (at) => {
    const response = await client(at).responses.create({
      model: MODEL,
      input: user([
        { type: "input_text", text: "Look: " },
        { type: "input_image", detail: "auto", image_url: `data:image/png;base64,${h.PNG}` },
      ]),
    });
    assert.ok(response.output_text.includes(h.PNG_SEEN));
  },
  "input_tokens.count": async (at) => {
    const counted = await client(at).responses.inputTokens.count({ model: MODEL, input: "Hello" });
    assert.ok(counted.input_tokens > 0);
  },
  "compact": async (at) => {
    const compacted = await client(at).responses.compact({
      model: MODEL,
      input: [...user("Remember FERRET-3."), { role: "assistant", content: "I do." }],
    });
    assert.equal(compacted.object, "response.compaction");
    assert.equal(compacted.output.filter((item) => item.type === "compaction").length, 1);
    const next = await client(at).responses.create({
      model: MODEL,
      input: [...compacted.output, ...user("[[say bye]]")],
    });
    assert.equal(next.output_text, "bye");
  },
  "WebSocket, tool loop": async (at) => {
    const socket = new ResponsesWS(client(at));
    try {
      const { response, asked } = await loop((body) => ask(socket, body), h.LOOP);
      h.checkLoop(asked, textOf(response));
    } finally {
      socket.close();
    }
  },
  "WebSocket, previous_response_id": async (at) => {
    const socket = new ResponsesWS(client(at));
    try {
      const one = await ask(socket, { model: MODEL, input: "Remember FERRET-3.", store: false });
      const more = { input: "[[say bye]]", previous_response_id: one.id, store: false };
      const two = await ask(socket, { model: MODEL, ...more });
      assert.equal(textOf(two), "bye");
      assert.ok(two.usage.input_tokens > one.usage.input_tokens);
    } finally {
      socket.close();
    }
  },
  "abort in mid-stream": (at) =>
    h.cancelsUpstream(async () => {
      const stream = client(at).responses.stream({ model: MODEL, input: h.SLOW });
      stream.on("response.output_text.delta", () => stream.abort());
      const error = await h.rejection(() => stream.finalResponse());
      assert.ok(error instanceof OpenAI.APIUserAbortError, error.stack);
    }),
  "wrong key": (at) =>
    h.fails(
      () => client({ ...at, key: h.WRONG_KEY }).responses.create({ model: MODEL, input: "Hi" }),
      OpenAI.AuthenticationError,
      401,
    ),
  "exhausted account": (at) =>
    h.fails(
      () => client(at).responses.create({ model: h.EXHAUSTED, input: "Hi", stream: true }),
      OpenAI.RateLimitError,
      429,
    ),
  "bad request": (at) =>
    h.fails(
      () => client(at).responses.stream({ model: MODEL, input: h.REFUSAL }).finalResponse(),
      OpenAI.BadRequestError,
      400,
      h.REFUSED,
    ),
  "broken stream": async (at) => {
    const stream = client(at).responses.stream({ model: MODEL, input: h.CUT });
    if (at.target === "responses") {
      const error = await h.rejection(() => stream.finalResponse());
      assert.ok(error instanceof OpenAI.OpenAIError, error.stack);
    } else {
      const { status, error } = await stream.finalResponse();
      assert.equal(status, "failed");
      assert.match(error.message, /broke off/);
    }
  },
};

const media = {
  "models.list": async (at) => {
    const names = [];
    for await (const model of client(at).models.list()) names.push(model.id);
    assert.ok(names.length > 0);
    assert.equal((await client(at).models.retrieve(names[0])).id, names[0]);
  },
  "images.generate": h.where("images", async (at) => {
    const made = await client(at).images.generate({ model: "gpt-image-1", prompt: "a cat" });
    assert.equal(Buffer.from(made.data[0].b64_json, "base64").toString("latin1", 1, 4), "PNG");
  }),
  "images.generate, streamed": h.where("images", async (at) => {
    const stream = await client(at).images.generate({
      model: "gpt-image-1",
      prompt: "a cat",
      stream: true,
    });
    const kinds = [];
    for await (const event of stream) kinds.push(event.type);
    assert.equal(kinds.at(-1), "image_generation.completed");
  }),
  "images.edit": h.where("images", async (at) => {
    const image = await toFile(Buffer.from(h.PNG, "base64"), "cat.png", { type: "image/png" });
    const made = await client(at).images.edit({ model: "gpt-image-1", image, prompt: "a dog" });
    assert.ok(made.data[0].b64_json);
  }),
  "audio.speech": h.where("speech", async (at) => {
    const response = await client(at).audio.speech.create({
      model: "gpt-4o-mini-tts",
      voice: "alloy",
      input: "Hello",
      response_format: "wav",
    });
    const sound = Buffer.from(await response.arrayBuffer());
    assert.equal(sound.toString("latin1", 0, 4), "RIFF");
  }),
  "audio.transcriptions": h.where("transcription", async (at) => {
    const file = await recording("[[say GREETING-7]]");
    const model = "gpt-4o-mini-transcribe";
    const said = await client(at).audio.transcriptions.create({ model, file });
    assert.equal(said.text.trim(), "GREETING-7");
    const stream = await client(at).audio.transcriptions.create({ model, file, stream: true });
    const kinds = [];
    for await (const event of stream) kinds.push(event.type);
    assert.equal(kinds.at(-1), "transcript.text.done");
  }),
  "embeddings": h.where("embeddings", async (at) => {
    const made = await client(at).embeddings.create({
      model: "text-embedding-3-small",
      input: ["one", "two"],
      dimensions: 256,
    });
    // The SDK asks for base64 by itself, and decodes it.
    assert.deepEqual(made.data.map((each) => each.embedding.length), [256, 256]);
    assert.ok(Math.abs(Math.hypot(...made.data[0].embedding) - 1) < 0.001);
  }),
};

let ran = await h.run("openai-node, chat", chat);
ran += await h.run("openai-node, responses", responses);
ran += await h.run("openai-node, media", media);
h.finish(ran);
