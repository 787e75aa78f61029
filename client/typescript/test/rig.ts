// A client and its scripted daemon for each test.

import { test } from "node:test";

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
    try {
      await run({ daemon, live, peer });
    } finally {
      live.close();
    }
  });
}

/** Run a test with a daemon that nobody is connected to. */
export function alone(name: string, run: (daemon: Daemon) => Promise<void>): void {
  test(name, { timeout: 5_000 }, async () => {
    const daemon = await Daemon.start();
    try {
      await run(daemon);
    } finally {
      await daemon.close();
    }
  });
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

export function words(events: ReadonlyArray<{ topic: string; data: object }>): string[] {
  return events.map(({ topic, data }) => ("text" in data ? String(data.text) : topic));
}
