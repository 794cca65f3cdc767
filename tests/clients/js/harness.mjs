/**
 * Runs the cases of one client over every upstream, one after the other, and prints a JSON object
 * for each: {client, target, case, ok, seconds, error}; and in the end {ran: NUMBER}.
 *
 * Standard input has the setup: {key, simulator, targets: {NAME: {url, model, media: {…}}}}.
 */

import assert from "node:assert/strict";
import { text } from "node:stream/consumers";

const CASE_SECONDS = 30;
const DETAIL = 1500;

export const setup = JSON.parse(await text(process.stdin));

/** A key that no gateway knows. */
export const WRONG_KEY = "sk-wrong";
/** A model whose only account has no quota left. */
export const EXHAUSTED = "exhausted-model";

/** A pixel, and how the simulator describes it. */
export const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const PNG_SEEN = `[image image/png ${Buffer.from(PNG, "base64").length} bytes]`;

/** A prompt: thinking, two calls at once, then one that needs their results. */
export const LOOP =
  '[[think PONDER-5]][[tool get_weather {"city": "Ulm"}]][[tool get_weather {"city": "Köln"}]]' +
  '[[then]][[think PONDER-6]][[tool get_weather {"city": "Zürich"}]]';
/** The same calls, one at a time. */
export const STEPS = ["Ulm", "Köln", "Zürich"]
  .map((city) => `[[think PONDER-5]][[tool get_weather {"city": "${city}"}]]`)
  .join("[[then]]");
export const CITIES = ["Köln", "Ulm", "Zürich"];
/** The tool of that prompt: its name, its purpose, the schema of its arguments. */
export const WEATHER = {
  name: "get_weather",
  description: "Returns the weather of a city.",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};
/** A prompt whose text comes in six chunks. */
export const TALK = "[[chunks 6]][[say one two three four fünf six]]";
export const SAID = "one two three four fünf six";
/** A prompt whose response takes half a minute. */
export const SLOW = `[[chunks 300]][[delay 100ms]][[say ${"word ".repeat(400)}]]`;
/** A prompt that the upstream refuses, and what it says. */
export const REFUSAL = "[[error 400 message=REFUSED-9]]";
export const REFUSED = /REFUSED-9/;
export const CUT = "[[chunks 8]][[cut 3]][[say one two three four five six seven eight nine]]";

/** Return a tool that notes for which cities it was called. */
export function weatherStation() {
  const asked = [];
  const report = ({ city }) => {
    asked.push(city);
    return `${city} is sunny`;
  };
  return { asked, report };
}

/** Check that a tool loop over LOOP called its tool three times, and passed the results on. */
export function checkLoop(asked, answer) {
  assert.deepEqual([...asked].sort(), CITIES);
  assert.equal(asked[2], "Zürich");
  assert.match(answer, /Zürich is sunny/);
}

/** Return the one rejection of a function. */
export async function rejection(work) {
  let result;
  try {
    result = await work();
  } catch (error) {
    return error;
  }
  assert.fail(`there was no error, but ${JSON.stringify(result)?.slice(0, DETAIL)}`);
}

/** Check the class, the status and the text of the error that a function ends with. */
export async function fails(work, kind, status, message = /./) {
  const error = await rejection(work);
  assert.ok(error instanceof kind, `${error?.constructor?.name}: ${error?.stack}`);
  assert.equal(error.status ?? error.statusCode ?? error.code, status, `${error}`);
  assert.match(String(error.message), message);
  return error;
}

async function simulator(path, method = "GET") {
  const response = await fetch(setup.simulator + path, { method });
  return response.headers.get("content-type")?.includes("json") ? response.json() : null;
}

/** Check that a function, which abandons a stream, ends the stream of the upstream, too. */
export async function cancelsUpstream(work) {
  const before = await simulator("/_simulator/stats");
  await work();
  const limit = Date.now() + 10_000;
  for (;;) {
    const now = await simulator("/_simulator/stats");
    if (now.cancelled_streams === before.cancelled_streams + 1 && now.open_streams === 0) return;
    assert.ok(Date.now() < limit, `the upstream still sends: ${JSON.stringify(now)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Return the bodies of the requests that reached the upstream while a function ran. */
export async function sentUpstream(work) {
  await simulator("/_simulator/requests", "DELETE");
  await work();
  const { requests } = await simulator("/_simulator/requests");
  return requests.filter((entry) => entry.method === "POST" && entry.body).map((e) => e.body);
}

/** A case that runs only over these upstreams. */
export function only(targets, work) {
  return Object.assign(work, { targets });
}

/** Only where the upstream has what this names: images, embeddings, speech, transcription. */
export function where(medium, work) {
  const having = Object.entries(setup.targets).filter(([, target]) => target.media[medium]);
  return only(
    having.map(([name]) => name),
    work,
  );
}

/** A case that looks at what all upstreams do, so that no other one may run beside it. */
export function alone(work) {
  return Object.assign(work, { alone: true });
}

/** Run the cases, each a function of {target, url, key, model, media}; `lanes` of them at a time. */
export async function run(client, cases, lanes = 1) {
  const jobs = [];
  for (const [target, settings] of Object.entries(setup.targets)) {
    for (const [name, work] of Object.entries(cases)) {
      if (work.targets && !work.targets.includes(target)) continue;
      if (process.argv[2] && !`${client}, ${target}: ${name}`.includes(process.argv[2])) continue;
      const at = { target, key: setup.key, ...settings };
      jobs.push({ client, name, at, work });
    }
  }
  const together = jobs.filter(({ work }) => lanes > 1 && !work.alone);
  const others = jobs.filter((job) => !together.includes(job));
  const lane = async () => {
    for (let job = together.shift(); job; job = together.shift()) await runCase(job);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  for (const job of others) await runCase(job);
  return jobs.length;
}

async function runCase({ client, name, at, work }) {
  const started = performance.now();
  let error = null;
  try {
    await within(work(at));
  } catch (reason) {
    error = describe(reason);
  }
  const seconds = Math.round(performance.now() - started) / 1000;
  const { target } = at;
  console.log(JSON.stringify({ client, target, case: name, ok: !error, seconds, error }));
}

/** Say that all has run; what still runs, such as sockets that nobody closed, does not go on. */
export function finish(ran) {
  process.stdout.write(`${JSON.stringify({ ran })}\n`, () => process.exit(0));
}

async function within(work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not ready in ${CASE_SECONDS} s`)), 1000 * CASE_SECONDS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function describe(reason) {
  const said = reason?.stack ?? String(reason);
  const more = reason?.responseBody ?? reason?.cause?.stack;
  return (more ? `${said}\n${more}` : said).slice(0, DETAIL);
}
