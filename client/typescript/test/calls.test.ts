import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { mock, test } from "node:test";

import { LiveHandle, LiveHandleError, VERSION } from "livehandle";

import { alone, connected } from "./rig.js";
import { answerTo } from "./server.js";

alone("a client says hello, with the longest line that it reads", async (daemon) => {
  const [live, peer] = await daemon.open({ client: "me" });
  assert.deepEqual(peer.requests[0]?.params, { client: "me", max_line_bytes: 16 * 2 ** 20 });
  assert.equal(live.hello.name, "livehandled");
  live.close();
});

connected("methods have the names of the socket, in camelCase, and its parameters", async ({ live, peer }) => {
  const calls: Array<[Promise<unknown>, string, object]> = [
    [live.sendText({ text: "Hi" }), "send_text", { text: "Hi" }],
    [live.state(), "state", {}],
    [live.state.get({ key: "app:a" }), "state.get", { key: "app:a" }],
    [live.state.keys(), "state.keys", {}],
    [live.session.waitForPhase({ phase: "active" }), "session.wait_for_phase", { phase: "active" }],
    [live.daemon.ping(), "daemon.ping", {}],
    [live.rpc.discover(), "rpc.discover", {}],
    [live.call("phase", {}), "phase", {}],
  ];
  for (const [called, method, params] of calls) {
    const request = await peer.serve(method, { of: method });
    assert.deepEqual(request.params, params);
    assert.deepEqual(await called, { of: method });
  }
});

connected("answers may come in another order than their calls", async ({ live, peer }) => {
  const done = live.done();
  const phase = live.phase();
  const [first, second] = [await peer.next("done"), await peer.next("phase")];
  assert.notEqual(first.id, second.id);
  peer.answer(second, { phase: "active" });
  assert.deepEqual(await phase, { phase: "active" });
  peer.answer(first, { reason: "closed" });
  assert.deepEqual(await done, { reason: "closed" });
});

connected("an error is thrown with its name, code, message and data", async ({ live, peer }) => {
  const called = live.state.get({ key: "app:x" });
  const data = { name: "state.newer", retryable: true, param: "key", new_field: [1] };
  peer.fail(await peer.next("state.get"), { code: 1699, message: "Not yet.", data, more: 1 });
  const error = await called.catch((error: unknown) => error);
  assert.ok(error instanceof LiveHandleError);
  const { name, code, message, retryable } = error;
  assert.deepEqual([name, code, message, retryable], ["state.newer", 1699, "Not yet.", true]);
  assert.deepEqual(error.data, data);
  assert.match(String(error), /^state.newer: Not yet\.$/);
});

connected("an error's stack leads to who called", async ({ live, peer }) => {
  async function mine(): Promise<void> {
    await live.phase();
  }
  const called = mine();
  peer.fail(await peer.next("phase"), { code: 1, message: "No.", data: {} });
  await assert.rejects(called, { stack: /async LiveHandle\.call[^]*async mine/ });
});

test("an error made here has the catalogue's code", () => {
  const error = new LiveHandleError("session.timeout", "Too late.");
  assert.deepEqual([error.code, error.retryable], [1004, true]);
  assert.deepEqual(error.data, { name: "session.timeout", retryable: true });
  assert.equal(new LiveHandleError("session.newer", "Who knows?").retryable, false);
});

for (const [what, pieces] of Object.entries({
  "byte by byte": (line: Buffer) => [...line].map((byte) => Buffer.of(byte)),
  "in thirds of a character": (line: Buffer) =>
    Array.from({ length: Math.ceil(line.length / 2) }, (_, i) => line.subarray(2 * i, 2 * i + 2)),
  "at once": (line: Buffer) => [line],
})) {
  connected(`a line is read that comes ${what}`, async ({ live, peer }) => {
    peer.socket.setNoDelay();
    const value = { "ключ": "€ 😀 \u2028 \r \" \\ \u0000", n: [1.5, null] };
    const called = live.state.get({ key: "app:k" });
    const line = Buffer.from(answerTo(await peer.next("state.get"), { value, present: true }));
    for (const piece of pieces(line)) {
      peer.write(piece);
      await new Promise(setImmediate);
    }
    assert.deepEqual(await called, { value, present: true });
  });
}

connected("several lines are read that come at once", async ({ live, peer }) => {
  const called = [live.phase(), live.daemon.ping(), live.state.keys()];
  const requests = [await peer.next("phase"), await peer.next("daemon.ping"), await peer.next("state.keys")];
  peer.write(requests.map((request) => answerTo(request, request.method)).join(""));
  assert.deepEqual(await Promise.all(called), ["phase", "daemon.ping", "state.keys"]);
});

connected("a line of megabytes is read, and written", async ({ live, peer }) => {
  const value = "é".repeat(2_000_000);
  const called = live.state.set({ key: "app:k", value });
  const request = await peer.next("state.set");
  assert.equal(request.params.value, value);
  peer.answer(request, { value });
  assert.deepEqual(await called, { value });
});

connected("answers nobody waits for and messages nobody knows are passed over", async ({ live, peer }) => {
  const called = live.phase();
  const request = await peer.next("phase");
  peer.write('{"jsonrpc":"2.0","id":99,"result":1}\n{"jsonrpc":"2.0","method":"news","params":[1]}\n');
  peer.write('{"jsonrpc":"2.0","method":"event","params":{}}\n{"jsonrpc":"2.0","method":"event"}\n');
  peer.answer(request, { phase: "active", new_field: 1 });
  assert.deepEqual(await called, { phase: "active", new_field: 1 });
});

connected("a call is given up by its signal, and the connection lives on", async ({ live, peer }) => {
  const controller = new AbortController();
  const called = live.done({}, { signal: controller.signal });
  const request = await peer.next("done");
  controller.abort(new Error("enough"));
  await assert.rejects(called, /enough/);
  await assert.rejects(live.done({}, { signal: controller.signal }), /enough/);
  peer.answer(request, { reason: "closed" });
  const phase = live.phase();
  await peer.serve("phase", { phase: "active" });
  assert.deepEqual(await phase, { phase: "active" });
});

connected("a call that is no JSON fails by itself", async ({ live, peer }) => {
  await assert.rejects(live.state.set({ key: "app:k", value: 1n }), TypeError);
  const phase = live.phase();
  await peer.serve("phase", {});
  await phase;
});

connected("calls in flight fail when the client is closed, and later ones too", async ({ live, peer }) => {
  const done = live.done();
  await peer.next("done");
  const stream = live.events();
  live.close();
  live.close();
  const closed = { name: "daemon.unreachable", message: /closed/ };
  await assert.rejects(done, closed);
  await assert.rejects(live.phase(), { ...closed, retryable: false });
  for await (const event of stream) assert.fail(`${event.topic} after the end`);
  const late = live.events();
  await assert.rejects(async () => {
    for await (const event of late) assert.fail(`${event.topic} after the end`);
  }, closed);
});

alone("a signal closes the client", async (daemon) => {
  const controller = new AbortController();
  const [live] = await daemon.open({ signal: controller.signal });
  controller.abort();
  await assert.rejects(live.phase(), { name: "daemon.unreachable" });
});

alone("a signal ends the attempt to open", async (daemon) => {
  const controller = new AbortController();
  const opened = LiveHandle.open({ socket: daemon.path, signal: controller.signal });
  await (await daemon.accept()).next("daemon.hello");
  controller.abort(new Error("enough"));
  await assert.rejects(opened, /enough/);
  await assert.rejects(LiveHandle.open({ socket: daemon.path, signal: controller.signal }), /enough/);
});

test("what cannot be opened leaves nothing with its signal", async () => {
  const { signal } = new AbortController();
  await assert.rejects(LiveHandle.open({ socket: "/nowhere/s", signal }));
  assert.deepEqual(getEventListeners(signal, "abort"), []);
});

alone("a daemon that does not answer is given up after 5 s", async (daemon) => {
  const late = new AbortController();
  const timeout = mock.method(AbortSignal, "timeout", () => late.signal);
  const opened = LiveHandle.open({ socket: daemon.path });
  await (await daemon.accept()).next("daemon.hello");
  timeout.mock.restore();
  assert.deepEqual(timeout.mock.calls[0]?.arguments, [5_000]);
  late.abort();
  await assert.rejects(opened, { name: "daemon.unreachable", message: /not answer within 5 s/ });
});

alone("a daemon that has more callers than it has accepted is called again", async (daemon) => {
  const all = Array.from({ length: 8 }, () => LiveHandle.open({ socket: daemon.path }));
  for (const _ of all) await daemon.greet();
  for (const live of await Promise.all(all)) live.close();
});

test("where no daemon is, the error says how to start one", async () => {
  await assert.rejects(LiveHandle.open({ socket: "/nowhere/s" }), {
    name: "daemon.unreachable",
    code: 1903,
    message: /No daemon answers at \/nowhere\/s \(ENOENT\): start one with `livehandled`/,
  });
});

alone("what refuses the hello refuses the client", async (daemon) => {
  const opened = LiveHandle.open({ socket: daemon.path });
  const peer = await daemon.accept();
  const error = { code: 1901, message: "Not yours.", data: { name: "daemon.forbidden" } };
  peer.write(`${JSON.stringify({ jsonrpc: "2.0", id: null, error })}\n`);
  await assert.rejects(opened, { name: "daemon.forbidden", message: "Not yours." });
});

for (const line of ["HTTP/1.1 400 Bad Request\r\n", '"no object"\n']) {
  alone(`what says ${JSON.stringify(line)} is not taken for a daemon`, async (daemon) => {
    const opened = LiveHandle.open({ socket: daemon.path });
    (await daemon.accept()).write(line);
    const message = `What answers at ${daemon.path} is not livehandled: give the daemon's own socket.`;
    await assert.rejects(opened, { name: "daemon.unreachable", message });
  });
}

for (const [what, answer] of Object.entries({
  "sends back what it is sent": (line: string) => line,
  "answers another protocol's calls": (line: string) => answerTo(JSON.parse(line), {}),
})) {
  alone(`what ${what} is not taken for a daemon`, async (daemon) => {
    const opened = LiveHandle.open({ socket: daemon.path });
    const peer = await daemon.accept();
    peer.write(answer(`${JSON.stringify(await peer.next("daemon.hello"))}\n`));
    await assert.rejects(opened, { name: "daemon.unreachable", message: /is not livehandled/ });
  });
}

connected("a line longer than was asked for is not held", async ({ live, peer }) => {
  const called = live.phase();
  await peer.next("phase");
  peer.write("x".repeat(16 * 2 ** 20));
  await new Promise(setImmediate);
  peer.write("x");
  await assert.rejects(called, { name: "daemon.unreachable", message: /is not livehandled/ });
});

test("the version is the description's", () => assert.match(VERSION, /^\d+\.\d+\.\d+/));
