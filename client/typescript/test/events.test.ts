import assert from "node:assert/strict";
import { once } from "node:events";

import { LiveHandleError } from "livehandle";

import { connected, inside, reading, take, until, words } from "./rig.js";
import { answerTo, event, text } from "./server.js";

connected("a subscription begins at once, and its events follow its answer", async ({ live, peer }) => {
  const stream = live.events({ topics: ["live.text_delta", "live.turn_complete"] });
  const sent = live.sendText({ text: "Hi" });
  const subscribe = await peer.next("events");
  assert.deepEqual(subscribe.params, { topics: ["live.text_delta", "live.turn_complete"] });
  const send = await peer.next("send_text");
  const answers = answerTo(subscribe, { subscription: "e1", cursor: "k:0" }) + answerTo(send, null);
  peer.write(answers + text("Hel", 1) + text("lo", 2)); // in one piece
  await sent;
  const events = await take(reading(stream), 2);
  assert.deepEqual(words(events), ["Hel", "lo"]);
  const [first] = events;
  assert.ok(first?.topic === "live.text_delta");
  assert.deepEqual([first.seq, first.cursor, first.ts_ms, first.data.text], [1, "k:1", 1, "Hel"]);
});

connected("each stream gets its own events, and all get the connection's", async ({ live, peer }) => {
  const [semantic, raw] = [reading(live.events()), reading(live.subscribe())];
  await peer.subscribed("e1");
  await peer.serve("subscribe", { subscription: "s2", cursor: "k:0" });
  peer.write(event("session.usage", {}, 1, "s2") + text("a", 2));
  peer.write(event("daemon.notification_failed", {}, 3, null) + event("live.brand_new", { x: 1 }, 4));
  peer.write(event("live.thought", {}, 5, "e9"));
  peer.write(event("session.connected", {}, 6, "s2"));
  assert.deepEqual(words(await take(semantic, 3)), ["a", "daemon.notification_failed", "live.brand_new"]);
  const own = words(await take(raw, 3));
  assert.deepEqual(own, ["session.usage", "daemon.notification_failed", "session.connected"]);
});

connected("leaving the loop unsubscribes", async ({ live, peer }) => {
  const stream = live.events();
  await peer.subscribed("e7");
  peer.write(event("live.thought", { text: "a" }, 1, "e7"));
  for await (const { topic } of stream) {
    assert.equal(topic, "live.thought");
    break;
  }
  assert.deepEqual((await peer.serve("unsubscribe")).params, { subscription: "e7" });
});

connected("a stream that is closed ends after what has come", async ({ live, peer }) => {
  const stream = live.events();
  await peer.subscribed();
  peer.write(text("a"));
  await once(inside(stream), "readable");
  stream.close();
  peer.write(text("b", 2));
  await peer.serve("unsubscribe");
  const events = [];
  for await (const event of stream) events.push(event);
  assert.deepEqual(words(events), ["a"]);
});

connected("a stream that is closed before its answer is unsubscribed after it", async ({ live, peer }) => {
  live.events().close();
  await peer.subscribed("e3");
  assert.deepEqual((await peer.serve("unsubscribe")).params, { subscription: "e3" });
});

connected("a signal ends a stream", async ({ live, peer }) => {
  const controller = new AbortController();
  const stream = live.events({ signal: controller.signal });
  const subscribe = await peer.subscribed();
  assert.deepEqual(subscribe.params, {});
  const read = take(reading(stream), 1);
  controller.abort();
  await assert.rejects(read, { name: "AbortError" });
  await peer.serve("unsubscribe");
});

connected("a subscription that is refused throws where it is read", async ({ live, peer }) => {
  const stream = live.events({ topics: ["live.thought"] });
  const data = { name: "events.unknown_topic" };
  peer.fail(await peer.next("events"), { code: 1501, message: "No such topic.", data });
  await assert.rejects(take(reading(stream), 1), { name: "events.unknown_topic" });
});

connected("a snapshot that was asked for comes first", async ({ live, peer }) => {
  const stream = reading(live.events({ snapshot: true }));
  const snapshot = { phase: "active" };
  const asked = await peer.subscribed("e1", { cursor: "k:0", snapshot });
  assert.deepEqual(asked.params, { snapshot: true });
  peer.write(text("a"));
  const [first, second] = await take(stream, 2);
  assert.deepEqual(first, { topic: "client.reset", data: snapshot });
  assert.equal(second?.topic, "live.text_delta");
});

connected("after a lag the stream goes on where it was", async ({ live, peer }) => {
  const stream = reading(live.events({ topics: ["live.*"] }));
  await peer.subscribed("e1");
  peer.write(text("a", 5) + event("events.dropped", { count: 2, from: 6, to: 7 }, 8));
  peer.write(event("events.lagged", { last_seq: 5, missed: 3 }, 9));
  const again = await peer.subscribed("e2", { cursor: "k:5" });
  assert.deepEqual(again.params, { topics: ["live.*"], since: "k:5" });
  peer.write(event("live.text_delta", { text: "b" }, 6, "e2"));
  assert.deepEqual(words(await take(stream, 4)), ["a", "events.dropped", "events.lagged", "b"]);
});

connected("who does not read holds up the socket, and loses nothing", async ({ live, peer }) => {
  const count = 20_000;
  const controller = new AbortController();
  const done = live.done({}, controller);
  await peer.next("done");
  controller.abort(); // what is given up counts no more
  await assert.rejects(done, { name: "AbortError" });
  const stream = live.events();
  await peer.subscribed();
  for (let seq = 1; seq <= count; seq++) peer.write(text("x".repeat(1000), seq));
  await until(() => inside(stream).readableLength >= 256);
  for (let i = 0; i < 100; i++) await new Promise(setImmediate);
  assert.ok(inside(stream).readableLength < 500, `${inside(stream).readableLength} events are held`);
  assert.ok(peer.socket.writableLength > 10 * 2 ** 20);
  let expected = 1;
  for await (const one of stream) {
    assert.ok("seq" in one && one.seq === expected++);
    if (one.seq === count) break;
  }
});

connected("an answer comes through behind events that nobody reads", async ({ live, peer }) => {
  const stream = live.events();
  await peer.subscribed();
  for (let seq = 1; seq <= 3_000; seq++) peer.write(text("x".repeat(300), seq));
  await until(() => inside(stream).readableLength >= 256);
  const called = live.phase();
  await peer.serve("phase", { phase: "active" });
  assert.deepEqual(await called, { phase: "active" });
  assert.equal(inside(stream).readableLength, 3_000);
});

connected("lost and returned: what was subscribed goes on after its last event", async (rig) => {
  const { daemon, live } = rig;
  const stream = reading(live.events({ topics: ["live.*"] }));
  const done = live.done();
  await rig.peer.subscribed("e1");
  await rig.peer.next("done");
  rig.peer.write(text("a", 1) + text("b", 2) + text("partial", 3).slice(0, 40));
  assert.deepEqual(words(await take(stream, 2)), ["a", "b"]);
  rig.peer.socket.destroy();
  await assert.rejects(done, { name: "daemon.unreachable" });
  const again = await daemon.accept();
  const waiting = live.phase(); // it waits for the connection
  await again.serve("daemon.hello", { api_level: 1 });
  const subscribe = await again.subscribed("e1", { cursor: "k:2" });
  assert.deepEqual(subscribe.params, { topics: ["live.*"], since: "k:2" });
  again.write(event("live.text_delta", { text: "c" }, 3));
  await again.serve("phase", { phase: "active" });
  assert.deepEqual(await waiting, { phase: "active" });
  const [lost, back, c] = await take(stream, 3);
  assert.ok(lost?.topic === "client.disconnected");
  assert.ok(lost.data.error instanceof LiveHandleError);
  assert.deepEqual(back, { topic: "client.connected", data: { attempt: 1 } });
  assert.deepEqual(words([c!]), ["c"]);
  const asked = again.requests.map(({ method }) => method);
  assert.deepEqual(asked, ["daemon.hello", "events", "phase"]); // `done` was not sent again
});

connected("without an event it goes on after the subscription's answer", async ({ daemon, live, peer }) => {
  live.events();
  await peer.subscribed("e1", { cursor: "k:41" });
  peer.socket.end(); // its writing side alone
  const again = await daemon.greet();
  assert.deepEqual((await again.next("events")).params, { since: "k:41" });
});

connected("a subscription that was not answered is made again", async ({ daemon, live, peer }) => {
  const stream = reading(live.events({ since: "k:7" }));
  await peer.next("events");
  peer.socket.destroy();
  const again = await daemon.greet();
  assert.deepEqual((await again.subscribed()).params, { since: "k:7" });
  again.write(text("a"));
  assert.deepEqual(words(await take(stream, 3)), ["client.disconnected", "client.connected", "a"]);
});

connected("where the cursor is no longer known, the snapshot comes", async ({ daemon, live, peer }) => {
  const stream = reading(live.events());
  await peer.subscribed("e1", { cursor: "k:1" });
  peer.socket.destroy();
  const again = await daemon.greet();
  const snapshot = { phase: "active" };
  await again.subscribed("e1", { cursor: "n:9", reset: true, snapshot });
  const [, , reset] = await take(stream, 3);
  assert.deepEqual(reset, { topic: "client.reset", data: snapshot });
  again.socket.destroy();
  assert.deepEqual((await (await daemon.greet()).next("events")).params, { since: "n:9" });
});

connected("a daemon that says goodbye is left and looked for again", async ({ daemon, live, peer }) => {
  const stream = reading(live.events());
  await peer.subscribed();
  peer.write(event("daemon.bye", {}, 1, null) + event("daemon.stopping", {}, 2, null)); // and does not close
  const again = await daemon.greet();
  await again.subscribed();
  const topics = words(await take(stream, 3));
  assert.deepEqual(topics, ["daemon.bye", "client.disconnected", "client.connected"]);
});

connected("attempts go on until the daemon greets", async ({ daemon, live, peer }) => {
  const stream = reading(live.events());
  await peer.subscribed();
  peer.socket.destroy();
  const began = performance.now();
  for (let attempt = 1; attempt < 4; attempt++) (await daemon.accept()).socket.destroy();
  const again = await daemon.accept();
  const stopping = { code: 1900, message: "Stopping.", data: { name: "daemon.stopping" } };
  again.fail(await again.next("daemon.hello"), stopping);
  await (await daemon.greet()).subscribed();
  const [, back] = await take(stream, 2);
  assert.deepEqual(back, { topic: "client.connected", data: { attempt: 5 } });
  assert.ok(performance.now() - began > 50 + 100 + 200 + 400 - 10);
});

connected("connections that are lost at once are not made again without a pause", async (rig) => {
  let { peer } = rig;
  const began = performance.now();
  for (let loss = 1; loss <= 4; loss++) {
    peer.socket.destroy();
    peer = await rig.daemon.greet();
  }
  assert.ok(performance.now() - began > 50 + 100 + 200 - 10);
});

connected("what is subscribed while the daemon is away is subscribed once", async (rig) => {
  rig.peer.socket.destroy();
  const again = await rig.daemon.accept();
  rig.live.events({ topics: ["state.*"] });
  await again.serve("daemon.hello", { api_level: 1 });
  await again.subscribed();
  const phase = rig.live.phase();
  await again.serve("phase");
  await phase;
});

connected("a stream that is closed ends no subscription of the next connection's", async (rig) => {
  const stream = rig.live.events();
  await rig.peer.subscribed("e1");
  rig.peer.socket.destroy();
  const again = await rig.daemon.greet();
  const subscribe = await again.next("events");
  stream.close();
  again.answer(subscribe, { subscription: "e2", cursor: "k:0" });
  assert.deepEqual((await again.serve("unsubscribe")).params, { subscription: "e2" });
});

connected("a call that waits for the connection is given up by its signal", async ({ live, peer, daemon }) => {
  peer.socket.destroy();
  await once(inside(live.events()), "readable");
  const again = await daemon.accept(); // and does not greet
  const controller = new AbortController();
  const called = live.phase({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(called, /enough/);
  const left = live.phase();
  live.close();
  await assert.rejects(left, { name: "daemon.unreachable", message: /This client was closed/ });
  await once(again.socket, "end");
});
