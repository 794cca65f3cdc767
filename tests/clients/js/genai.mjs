/** @google/genai: generateContent, chats that call functions, interactions, embeddings, files. */

import assert from "node:assert/strict";

import { ApiError, GoogleGenAI } from "@google/genai";

import * as h from "./harness.mjs";

const MODEL = "gemini-3-flash";

const client = ({ url, key }) =>
  new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url, retryOptions: { attempts: 1 } } });
const thinking = { thinkingConfig: { includeThoughts: true } };
const declaration = {
  name: h.WEATHER.name,
  description: h.WEATHER.description,
  parametersJsonSchema: h.WEATHER.parameters,
};

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

/** Return a tool that the SDK calls by itself. */
function callable() {
  const station = h.weatherStation();
  const tool = {
    tool: async () => ({ functionDeclarations: [declaration] }),
    callTool: async (calls) =>
      calls.map(({ id, name, args }) => ({
        functionResponse: { id, name, response: { output: station.report(args) } },
      })),
  };
  return { tool, asked: station.asked };
}

/** Run the tool loop by hand, and send the model's parts back as they came. */
async function loop(generate) {
  const station = h.weatherStation();
  const contents = [{ role: "user", parts: [{ text: h.LOOP }] }];
  for (let turn = 0; turn < 5; turn += 1) {
    const config = { tools: [{ functionDeclarations: [declaration] }], ...thinking };
    const parts = await generate({ model: MODEL, contents, config });
    contents.push({ role: "model", parts });
    const calls = parts.filter((part) => part.functionCall).map((part) => part.functionCall);
    if (!calls.length) return { contents, asked: station.asked };
    const results = calls.map(({ id, name, args }) => ({
      functionResponse: { id, name, response: { output: station.report(args) } },
    }));
    contents.push({ role: "user", parts: results });
  }
  throw new Error("the loop does not end");
}

const textOf = (parts) =>
  parts
    .filter((part) => !part.thought)
    .map((part) => part.text ?? "")
    .join("");

/** Run the loop of interactions, in which the gateway keeps the history. */
async function interactionLoop(at, create) {
  const station = h.weatherStation();
  const tools = [{ type: "function", ...h.WEATHER }];
  let input = h.LOOP;
  let previous = {};
  for (let turn = 0; turn < 5; turn += 1) {
    const done = await create({ model: MODEL, input, tools, ...previous });
    const calls = done.steps.filter((step) => step.type === "function_call");
    if (!calls.length) return { done, asked: station.asked };
    previous = { previous_interaction_id: done.id };
    input = calls.map((call) => ({
      type: "function_result",
      name: call.name,
      call_id: call.id,
      result: station.report(call.arguments),
    }));
  }
  throw new Error("the loop does not end");
}

/** Return the interaction that a stream of events builds. */
async function followed(stream) {
  const steps = [];
  let last;
  for await (const event of stream) {
    last = event;
    if (event.event_type === "error") throw new Error(event.error.message);
    if (event.event_type === "step.start") steps[event.index] = structuredClone(event.step);
    if (event.event_type !== "step.delta") continue;
    const step = steps[event.index];
    if (event.delta.type === "arguments_delta") step.json = (step.json ?? "") + event.delta.arguments;
    if (event.delta.type === "text") step.said = (step.said ?? "") + event.delta.text;
  }
  assert.equal(last.event_type, "interaction.completed");
  for (const step of steps) if (step.json) step.arguments = JSON.parse(step.json);
  const said = steps.map((step) => step.said ?? "").join("");
  return { id: last.interaction.id, steps, output_text: said };
}

const models = {
  "generateContent": async (at) => {
    const response = await client(at).models.generateContent({ model: MODEL, contents: h.TALK });
    assert.equal(response.text, h.SAID);
    assert.equal(response.candidates[0].finishReason, "STOP");
    assert.ok(response.usageMetadata.totalTokenCount > 0);
  },
  "generateContentStream with thinking": async (at) => {
    const chunks = await collect(
      await client(at).models.generateContentStream({
        model: MODEL,
        contents: `[[think PONDER-5]]${h.TALK}`,
        config: thinking,
      }),
    );
    const parts = chunks.flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? []);
    assert.equal(textOf(parts), h.SAID);
    assert.ok(parts.filter((part) => part.text && !part.thought).length > 1);
    assert.equal(chunks.at(-1).candidates[0].finishReason, "STOP");
    if (at.target === "chat") return;
    assert.match(parts.map((part) => (part.thought ? part.text : "")).join(""), /PONDER-5/);
  },
  "tool loop, generateContentStream": async (at) => {
    const { contents, asked } = await loop(async (request) => {
      const chunks = await collect(await client(at).models.generateContentStream(request));
      return chunks.flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? []);
    });
    h.checkLoop(asked, textOf(contents.at(-1).parts));
    if (at.target === "chat") return;
    const signed = contents.flatMap(({ parts }) => parts).filter((part) => part.thoughtSignature);
    assert.ok(signed.length >= 2);
  },
  "tool loop, generateContent": async (at) => {
    const { contents, asked } = await loop(async (request) => {
      const response = await client(at).models.generateContent(request);
      return response.candidates[0].content.parts;
    });
    h.checkLoop(asked, textOf(contents.at(-1).parts));
  },
  "chats call functions, streamed": async (at) => {
    const { tool, asked } = callable();
    const chat = client(at).chats.create({ model: MODEL, config: { tools: [tool], ...thinking } });
    const chunks = await collect(await chat.sendMessageStream({ message: h.LOOP }));
    h.checkLoop(asked, chunks.map((chunk) => chunk.text ?? "").join(""));
    const more = await chat.sendMessage({ message: "[[say bye]]" });
    assert.equal(more.text, "bye");
  },
  "chats call functions, whole": async (at) => {
    const { tool, asked } = callable();
    const chat = client(at).chats.create({ model: MODEL, config: { tools: [tool] } });
    const response = await chat.sendMessage({ message: h.LOOP });
    h.checkLoop(asked, response.text);
  },
  "structured output": async (at) => {
    const response = await client(at).models.generateContent({
      model: MODEL,
      contents: "Fill it in.",
      config: { responseMimeType: "application/json", responseJsonSchema: h.WEATHER.parameters },
    });
    assert.equal(typeof JSON.parse(response.text).city, "string");
  },
  "image input": async (at) => {
    const response = await client(at).models.generateContent({
      model: MODEL,
      contents: ["Look: ", { inlineData: { mimeType: "image/png", data: h.PNG } }],
    });
    assert.ok(response.text.includes(h.PNG_SEEN));
  },
  "countTokens": async (at) => {
    const counted = await client(at).models.countTokens({ model: MODEL, contents: "Hello" });
    assert.ok(counted.totalTokens > 0);
  },
  "models.list": async (at) => {
    const names = [];
    for await (const model of await client(at).models.list()) names.push(model.name);
    assert.ok(names.length > 0);
    assert.equal((await client(at).models.get({ model: names[0] })).name, names[0]);
  },
  "embedContent": h.where("embeddings", async (at) => {
    const made = await client(at).models.embedContent({
      model: "text-embedding-3-small",
      contents: ["one", "two"],
      config: { outputDimensionality: 256 },
    });
    assert.deepEqual(made.embeddings.map(({ values }) => values.length), [256, 256]);
  }),
  "image output": h.only(["gemini", "codeassist"], async (at) => {
    const response = await client(at).models.generateContent({
      model: "gpt-image-1",
      contents: "a cat",
      config: { responseModalities: ["IMAGE"] },
    });
    const [part] = response.candidates[0].content.parts.filter((each) => each.inlineData);
    assert.equal(part.inlineData.mimeType, "image/png");
  }),
  "files end in an error": async (at) => {
    const file = new Blob(["text"], { type: "text/plain" });
    const error = await h.rejection(() => client(at).files.upload({ file }));
    assert.ok(error instanceof Error);
    const listed = await h.rejection(() => client(at).files.list());
    assert.ok(listed instanceof ApiError, listed.stack);
    assert.ok(listed.status >= 400 && listed.status < 500, `${listed.status}`);
  },
  "abort in mid-stream": (at) =>
    h.cancelsUpstream(async () => {
      const abort = new AbortController();
      const stream = await client(at).models.generateContentStream({
        model: MODEL,
        contents: h.SLOW,
        config: { abortSignal: abort.signal },
      });
      const error = await h.rejection(async () => {
        for await (const chunk of stream) if (chunk.text) abort.abort();
      });
      assert.equal(error.name, "AbortError");
    }),
  "wrong key": (at) =>
    h.fails(
      () =>
        client({ ...at, key: h.WRONG_KEY }).models.generateContent({ model: MODEL, contents: "Hi" }),
      ApiError,
      401,
    ),
  "exhausted account": (at) =>
    h.fails(
      () => client(at).models.generateContentStream({ model: h.EXHAUSTED, contents: "Hi" }),
      ApiError,
      429,
      /RESOURCE_EXHAUSTED/,
    ),
  "bad request": (at) =>
    h.fails(
      () => client(at).models.generateContentStream({ model: MODEL, contents: h.REFUSAL }),
      ApiError,
      400,
      h.REFUSED,
    ),
  "broken stream": async (at) => {
    await h.rejection(async () => {
      const request = { model: MODEL, contents: h.CUT };
      await collect(await client(at).models.generateContentStream(request));
    });
  },
};

const interactions = {
  "create": async (at) => {
    const create = (body) => client(at).interactions.create({ model: MODEL, ...body });
    const one = await create({ input: h.TALK });
    assert.equal(one.output_text, h.SAID);
    assert.equal(one.status, "completed");
    const two = await create({ input: "[[say bye]]", previous_interaction_id: one.id });
    assert.equal(two.output_text, "bye");
    assert.equal((await client(at).interactions.get(one.id)).id, one.id);
    await client(at).interactions.delete(one.id);
    const error = await h.rejection(() => client(at).interactions.get(one.id));
    assert.equal(error.statusCode ?? error.status, 404);
  },
  "create, streamed": async (at) => {
    const request = { model: MODEL, input: h.TALK, stream: true };
    const done = await followed(await client(at).interactions.create(request));
    assert.equal(done.output_text, h.SAID);
  },
  "tool loop, streamed": async (at) => {
    const { done, asked } = await interactionLoop(at, async (request) =>
      followed(await client(at).interactions.create({ ...request, stream: true })),
    );
    h.checkLoop(asked, done.output_text);
  },
  "tool loop, whole": async (at) => {
    const { done, asked } = await interactionLoop(at, (request) =>
      client(at).interactions.create(request),
    );
    h.checkLoop(asked, done.output_text);
  },
  "image input": async (at) => {
    const done = await client(at).interactions.create({
      model: MODEL,
      input: [
        { type: "text", text: "Look: " },
        { type: "image", data: h.PNG, mime_type: "image/png" },
      ],
    });
    assert.ok(done.output_text.includes(h.PNG_SEEN));
  },
  "abort in mid-stream": (at) =>
    h.cancelsUpstream(async () => {
      const request = { model: MODEL, input: h.SLOW, stream: true };
      for await (const event of await client(at).interactions.create(request)) {
        if (event.event_type === "step.delta" && event.delta.type === "text") break;
      }
    }),
  "wrong key": (at) => failing({ ...at, key: h.WRONG_KEY }, { input: "Hi" }, 401),
  "exhausted account": (at) => failing(at, { input: "Hi", model: h.EXHAUSTED }, 429),
  "bad request": (at) => failing(at, { input: h.REFUSAL, stream: true }, 400, h.REFUSED),
};

async function failing(at, body, status, message = /./) {
  const request = { model: MODEL, ...body };
  const options = { retries: { strategy: "none" } };
  const error = await h.rejection(() => client(at).interactions.create(request, options));
  assert.equal(error.statusCode ?? error.status, status, `${error.stack}`);
  assert.match(error.message, message);
}

let ran = await h.run("@google/genai", models);
ran += await h.run("@google/genai, interactions", interactions);
h.finish(ran);
