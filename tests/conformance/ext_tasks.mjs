// The official client for tasks: ext_tasks.mjs URL REVISION PREFIX; prints its outcomes as JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The packages are not beside this file, but in the folder of the process.
const require = createRequire(`${process.cwd()}/package.json`);
const at = (name) => import(pathToFileURL(require.resolve(name)).href);
const { Client, StreamableHTTPClientTransport } = await at("@modelcontextprotocol/client");
const folder = `${process.cwd()}/node_modules/@modelcontextprotocol/ext-tasks`;
const own = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
const entry = `${folder}/${own.exports["./client"].import}`;
const { createTaskSessionFromClient } = await import(pathToFileURL(entry).href);

const [url, revision, prefix = ""] = process.argv.slice(2);
const modern = revision === "2026-07-28";
const clientInfo = { name: "ext-tasks", version: "1" };
const capabilities = { elicitation: { form: {} } };
if (modern) capabilities.extensions = { "io.modelcontextprotocol/tasks": {} };
const negotiation = modern ? { versionNegotiation: { mode: { pin: revision } } } : {};
const client = new Client(clientInfo, { capabilities, ...negotiation });
await client.connect(new StreamableHTTPClientTransport(new URL(url)));

let number = 0;
async function rawDispatch(request) {
  const named = request.params?.name ?? request.params?.taskId;
  const headers = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    "mcp-protocol-version": revision,
    "mcp-method": request.method,
    ...(named ? { "mcp-name": named } : {}),
  };
  const body = JSON.stringify({ jsonrpc: "2.0", id: (number += 1), ...request });
  const response = await fetch(url, { method: "POST", headers, body });
  const text = await response.text();
  const kind = response.headers.get("content-type") ?? "";
  const lines = kind.startsWith("text/event-stream")
    ? text.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6))
    : [text];
  const message = lines.map((line) => JSON.parse(line)).find((one) => "id" in one);
  if (message.error) return { kind: "error", error: message.error };
  return { kind: "result", result: message.result };
}

const { tools } = await client.listTools();
const framing = { protocolVersion: revision, clientInfo, clientCapabilities: capabilities };
const session = createTaskSessionFromClient(client, {
  endpointId: "gateway",
  tools: {
    currentTool(name) {
      const tool = tools.find((one) => one.name === name);
      // Optional tasks are required here, so that the older revision uses them too.
      const taskSupport = tool?.execution?.taskSupport === "optional" ? "required" : undefined;
      return tool && { name, inputSchema: tool.inputSchema, taskSupport: taskSupport ?? tool.execution?.taskSupport };
    },
  },
  onInputRequest: async () => ({ action: "accept", content: { name: "Ada", confirm: true } }),
  ...(modern ? { rawDispatch, v2RequestFraming: framing } : {}),
});

const outcomes = {};
for (const [name, parameters] of Object.entries({
  greet: { name: "Ada" },
  slow_compute: { seconds: 0.3, label: "x" },
  failing_job: {},
  protocol_error_job: {},
  confirm_delete: { filename: "f" },
  multi_input: {},
  test_tool_with_task: {},
})) {
  const execution = await session.callTool(prefix + name, parameters);
  const { outcome } = await execution.settle();
  const said = outcome.result?.content?.[0]?.text ?? outcome.error?.message;
  outcomes[name] = [execution.kind, outcome.status, said];
}
const execution = await session.callTool(`${prefix}slow_compute`, { seconds: 60 });
await execution.cancel();
outcomes.cancelled = [execution.kind, (await execution.result()).status];
console.log(JSON.stringify(outcomes));
await session.close();
await client.close();
