import assert from "node:assert/strict";
import { mock } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import type { ToolContext } from "livehandle";

import { connected, reading, type Rig, take, until, words } from "./rig.js";
import { event, type Peer } from "./server.js";

const ADD = {
  name: "add",
  description: "Adds.",
  parameters: { type: "object", properties: { a: { type: "integer" }, b: { type: "integer" } } },
};

function add({ a, b }: { a: number; b: number }): { sum: number } {
  if (a > 1000) throw new Error("too large");
  return { sum: a + b };
}

async function registered({ live, peer }: Rig, handler: (args: any, context: ToolContext) => unknown) {
  const registering = live.registerTools([{ ...ADD, handler }], { timeout_ms: 9000 });
  const request = await peer.serve("tools.register", { registration: "r1", declared: "now" });
  assert.deepEqual(request.params, { declarations: [ADD], timeout_ms: 9000 });
  return registering;
}

function call(peer: Peer, call_id: string, args: object, deadline_ms = 9000): void {
  const data = { call_id, registration: "r1", name: "add", args, deadline_ms };
  peer.write(event("tool.call", data, 1, null));
}

function cancel(peer: Peer, call_id: string): void {
  peer.write(event("tool.cancel", { call_id, reason: "cancelled" }, 2, null));
}

connected("a call of the model is carried out and answered", async (rig) => {
  assert.equal((await registered(rig, add)).declared, "now");
  call(rig.peer, "c1", { a: 1, b: 2 });
  call(rig.peer, "c2", { a: 1001, b: 2 });
  const answers = [await rig.peer.serve("tools.respond"), await rig.peer.serve("tools.respond")];
  const told = new Map(answers.map(({ params: { call_id, ...answer } }) => [call_id, answer]));
  assert.deepEqual(told.get("c1"), { result: { sum: 3 } });
  assert.deepEqual(told.get("c2"), { error: "too large" });
});

for (const [what, handler, answer] of [
  ["nothing", () => {}, { result: null }],
  ["what comes later", async () => ({ sum: 1 }), { result: { sum: 1 } }],
  ["what is no JSON", () => 1n, { error: "Do not know how to serialize a BigInt" }],
  ["a failure without words", () => Promise.reject(new Error()), { error: "Error" }],
  ["a failure that is no error", () => Promise.reject("late"), { error: "late" }],
] as const) {
  connected(`${what} can be the answer`, async (rig) => {
    await registered(rig, handler);
    call(rig.peer, "c1", {});
    assert.deepEqual((await rig.peer.serve("tools.respond")).params, { call_id: "c1", ...answer });
  });
}

connected("a result that the daemon refuses becomes an error to the model", async (rig) => {
  await registered(rig, add);
  call(rig.peer, "c1", { a: 1, b: 2 });
  const data = { name: "wire.invalid_params" };
  rig.peer.fail(await rig.peer.next("tools.respond"), { code: -32602, message: "Too deep.", data });
  const second = await rig.peer.serve("tools.respond");
  assert.deepEqual(second.params, { call_id: "c1", error: "Too deep." });
});

connected("a call that is cancelled is not answered, and its handler is told", async (rig) => {
  const started = new Array<string>();
  const stopped = new Array<string>();
  await registered(rig, async (_, { call_id, signal }) => {
    started.push(call_id);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    stopped.push(call_id);
  });
  call(rig.peer, "c1", {});
  cancel(rig.peer, "c1");
  call(rig.peer, "c2", {}, 0);
  const phase = rig.live.phase();
  await rig.peer.serve("phase"); // no tools.respond came before
  await phase;
  await until(() => stopped.length === 2);
  assert.deepEqual(started, ["c1", "c2"]);
  const ping = rig.live.daemon.ping();
  await rig.peer.serve("daemon.ping");
  await ping;
});

connected("that an answer came too late is nobody's fault", async (rig) => {
  await registered(rig, add);
  call(rig.peer, "c1", { a: 1, b: 2 });
  const data = { name: "tools.call_expired" };
  rig.peer.fail(await rig.peer.next("tools.respond"), { code: 1201, message: "Too late.", data });
  const ping = rig.live.daemon.ping();
  await rig.peer.serve("daemon.ping");
  await ping;
  call(rig.peer, "c1", { a: 2, b: 2 }); // the model may use its id again
  const { params } = await rig.peer.serve("tools.respond");
  assert.deepEqual(params, { call_id: "c1", result: { sum: 4 } });
});

connected("calls of functions that are not here are events", async (rig) => {
  await registered(rig, add);
  const stream = reading(rig.live.events());
  await rig.peer.subscribed();
  rig.peer.write(event("tool.call", { call_id: "c1", name: "other", args: {} }, 1, null));
  cancel(rig.peer, "c1");
  assert.deepEqual(words(await take(stream, 2)), ["tool.call", "tool.cancel"]);
});

connected("calls of functions that are here are no events", async (rig) => {
  await registered(rig, add);
  const stream = reading(rig.live.events());
  await rig.peer.subscribed();
  call(rig.peer, "c1", { a: 1, b: 2 });
  cancel(rig.peer, "c1");
  rig.peer.write(event("live.thought", { text: "a" }));
  assert.deepEqual(words(await take(stream, 1)), ["a"]);
});

connected("with a new connection a registration is taken over, before anything else", async (rig) => {
  let begun = 0;
  let finish = () => {};
  await registered(rig, () => {
    begun++;
    return new Promise<void>((resolve) => (finish = resolve));
  });
  rig.live.events();
  await rig.peer.subscribed();
  call(rig.peer, "c1", {});
  await until(() => begun === 1);
  rig.peer.socket.destroy();
  const again = await rig.daemon.greet();
  const request = await again.serve("tools.register", { registration: "r1", declared: "now" });
  assert.deepEqual(request.params, { registration: "r1" });
  await again.subscribed();
  call(again, "c1", {}); // the daemon asks anew
  finish();
  const answer = await again.next("tools.respond");
  assert.deepEqual(answer.params, { call_id: "c1", result: null });
  again.socket.destroy(); // it is not known whether the answer arrived
  const third = await rig.daemon.greet();
  await third.serve("tools.register", { registration: "r1", declared: "now" });
  await third.subscribed();
  assert.deepEqual((await third.serve("tools.respond")).params, answer.params);
  assert.equal(begun, 1);
});

connected("a daemon that knows no such registration is given the declarations", async (rig) => {
  const registration = await registered(rig, add);
  rig.peer.socket.destroy();
  const again = await rig.daemon.greet();
  const data = { name: "tools.unknown_registration" };
  again.fail(await again.next("tools.register"), { code: 1204, message: "Unknown.", data });
  const anew = await again.serve("tools.register", { registration: "r2", declared: "now" });
  assert.deepEqual(anew.params, { declarations: [ADD], timeout_ms: 9000 });
  call(again, "c1", { a: 1, b: 2 });
  await again.serve("tools.respond");
  const closing = registration.close();
  assert.deepEqual((await again.serve("tools.unregister")).params, { registration: "r2" });
  await closing;
  again.socket.destroy();
  const third = await rig.daemon.greet();
  const phase = rig.live.phase();
  await third.serve("phase");
  await phase;
});

async function again({ live, peer }: Rig, registration: string, handler: () => unknown) {
  const registering = live.registerTools([{ ...ADD, handler }]);
  await peer.serve("tools.register", { registration, declared: "now" });
  return registering;
}

connected("a function that is registered again is the later registration's", async (rig) => {
  const first = await registered(rig, () => 1);
  const second = await again(rig, "r2", () => 2);
  call(rig.peer, "c1", {});
  assert.deepEqual((await rig.peer.serve("tools.respond")).params, { call_id: "c1", result: 2 });
  await first.close(); // there is nothing that it could end
  rig.peer.socket.destroy();
  const peer = await rig.daemon.greet();
  const { params } = await peer.serve("tools.register", { registration: "r2", declared: "now" });
  assert.deepEqual(params, { registration: "r2" });
  const closing = second.close();
  assert.deepEqual((await peer.serve("tools.unregister")).params, { registration: "r2" });
  await closing;
  await second.close();
  const phase = rig.live.phase();
  await peer.serve("phase"); // nothing came before
  await phase;
});

connected("a function whose second registration is refused is carried out as before", async (rig) => {
  await registered(rig, () => 1);
  const refused = rig.live.registerTools([{ ...ADD, handler: () => 2 }]);
  const data = { name: "tools.bad_declaration" };
  rig.peer.fail(await rig.peer.next("tools.register"), { code: 1202, message: "No.", data });
  await assert.rejects(refused, { name: "tools.bad_declaration" });
  call(rig.peer, "c1", {});
  assert.deepEqual((await rig.peer.serve("tools.respond")).params, { call_id: "c1", result: 1 });
});

connected("functions beside one that is registered again stay as they are", async (rig) => {
  const handler = () => 1;
  const both = rig.live.registerTools([{ name: "other", handler }, { ...ADD, handler }]);
  await rig.peer.serve("tools.register", { registration: "r1", declared: "now" });
  await both;
  await again(rig, "r2", () => 2);
  rig.peer.socket.destroy();
  const peer = await rig.daemon.greet();
  const data = { name: "tools.unknown_registration" };
  peer.fail(await peer.next("tools.register"), { code: 1204, message: "Unknown.", data });
  await peer.serve("tools.register", { registration: "r2", declared: "now" });
  const anew = await peer.serve("tools.register", { registration: "r3", declared: "now" });
  assert.deepEqual(anew.params, { declarations: [{ name: "other" }] });
});

for (const [name, ends] of [["tools.unknown_registration", true], ["wire.internal", false]] as const) {
  connected(`to end a registration ${ends ? "succeeds" : "fails"} with ${name}`, async (rig) => {
    const closing = (await registered(rig, add)).close();
    const unregister = await rig.peer.next("tools.unregister");
    rig.peer.fail(unregister, { code: 1, message: "No.", data: { name } });
    if (ends) await closing;
    else await assert.rejects(closing, { name });
  });
}

connected("a handler is told that its time is over, whatever memory is collected", async (rig) => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  let stop = (_: unknown) => {};
  const stopped = new Promise((resolve) => (stop = resolve));
  await registered(rig, (_, { signal }) => {
    signal.addEventListener("abort", stop);
    return stopped;
  });
  call(rig.peer, "c1", {}, 20);
  const phase = rig.live.phase();
  await rig.peer.serve("phase");
  await phase; // by now the handler runs
  collect();
  await stopped;
});

connected("that the model could not be told of a failure is said on stderr", async (rig) => {
  await registered(rig, () => Promise.reject(new Error("no")));
  const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
  call(rig.peer, "c1", {});
  const data = { name: "wire.internal" };
  rig.peer.fail(await rig.peer.next("tools.respond"), { code: -32603, message: "Broken.", data });
  assert.match((await warned).message, /not answered: Broken\./);
});

connected("what is registered while the daemon is away is registered once", async (rig) => {
  rig.peer.socket.destroy();
  const next = await rig.daemon.accept();
  const registering = rig.live.registerTools([{ ...ADD, handler: add }]);
  await next.serve("daemon.hello", { api_level: 1 });
  const { params } = await next.serve("tools.register", { registration: "r1", declared: "now" });
  assert.deepEqual(params, { declarations: [ADD] });
  await registering;
});

connected("a connection that is lost while it takes over is no failure", async (rig) => {
  await registered(rig, add);
  const warned = mock.method(process, "emitWarning", () => {});
  rig.peer.socket.destroy();
  const second = await rig.daemon.greet();
  await second.next("tools.register");
  second.socket.destroy();
  const third = await rig.daemon.greet();
  await third.serve("tools.register", { registration: "r1", declared: "now" });
  warned.mock.restore();
  assert.equal(warned.mock.callCount(), 0);
});

connected("that a function cannot be registered again is said on stderr", async (rig) => {
  await registered(rig, add);
  const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
  rig.peer.socket.destroy();
  const again = await rig.daemon.greet();
  const data = { name: "tools.name_taken" };
  again.fail(await again.next("tools.register"), { code: 1202, message: "Taken.", data });
  assert.match((await warned).message, /add: Taken\./);
});

connected("a registration that fails leaves nothing behind", async (rig) => {
  const registering = rig.live.registerTools([{ ...ADD, handler: add }]);
  const data = { name: "tools.name_taken" };
  rig.peer.fail(await rig.peer.next("tools.register"), { code: 1202, message: "Taken.", data });
  await assert.rejects(registering, { name: "tools.name_taken" });
  rig.peer.socket.destroy();
  const again = await rig.daemon.greet();
  const phase = rig.live.phase();
  await again.serve("phase");
  await phase;
});
