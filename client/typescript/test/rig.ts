// A client and its scripted daemon for each test.

import type { Readable } from "node:stream";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import type { EventStream, LiveHandle, TopicPattern } from "livehandle";

import { Daemon, type Peer } from "./server.js";

export interface Rig {
  daemon: Daemon;
  live: LiveHandle;
  peer: Peer;
}

/** Run a test with a client that is connected. */
export function connected(name: string, run: (rig: Rig) => Promise<void>): void {
  alone(name, async (daemon) => {
    const [live, peer] = await daemon.open();
    await run({ daemon, live, peer });
  });
}

/** Run a test with a daemon that nobody is connected to. */
export function alone(name: string, run: (daemon: Daemon) => Promise<void>): void {
  test(name, async () => {
    const daemon = await Daemon.start();
    const late = new AbortController();
    const why = new Error("It takes too long.");
    const failed = sleep(5_000, undefined, { signal: late.signal }).then(() => Promise.reject(why));
    try {
      await Promise.race([run(daemon), failed]);
    } finally {
      late.abort();
      await daemon.close();
    }
  });
}

/** Wait until something holds. */
export async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + 5_000;
  while (!holds() && performance.now() < end) await new Promise(setImmediate);
}

/** Take the next events of a stream that is being read. */
export async function take<E>(reader: AsyncIterator<E>, count: number): Promise<E[]> {
  const taken: E[] = [];
  while (taken.length < count) {
    const { done, value } = await reader.next();
    if (done) break;
    taken.push(value);
  }
  return taken;
}

export function reading<P extends TopicPattern>(stream: EventStream<P>) {
  return stream[Symbol.asyncIterator](); // a `for await` would end the stream when it is left
}

/** What a stream is underneath, to see how much it holds. */
export function inside(stream: EventStream<any>): Readable {
  return stream as unknown as Readable;
}

export function words(events: ReadonlyArray<{ topic: string; data: object }>): string[] {
  return events.map(({ topic, data }) => ("text" in data ? String(data.text) : topic));
}
