import { addAbortSignal, Readable } from "node:stream";

import type { EventOptions, EventStream } from "./types.js";

/** How many events wait for their reader before the socket is read no further. */
export const HELD_EVENTS = 256;

/** A subscription over every connection, and its events that nobody has read. */
export class Subscription extends Readable implements EventStream<any> {
  readonly method: "events" | "subscribe";
  /** `since` is the cursor of the last event that came. */
  readonly params: EventOptions<any>;
  /** What the daemon calls it, over the present connection. */
  id: string | undefined;
  over = false;
  readonly #changed: () => void;

  constructor(method: "events" | "subscribe", options: EventOptions<any>, changed: () => void) {
    const { signal, ...params } = options;
    super({ objectMode: true, highWaterMark: HELD_EVENTS, read: changed });
    this.method = method;
    this.params = params;
    this.#changed = changed;
    this.on("error", () => {}); // the loop throws it
    if (signal) addAbortSignal(signal, this);
  }

  close(): void {
    this.push(null);
    this.over = true;
    this.#changed();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.over = true;
    this.#changed();
    done(error);
  }
}
