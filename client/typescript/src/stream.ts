import { Readable } from "node:stream";

import type { TopicPattern } from "./api.js";
import type { EventOptions, StreamEvent } from "./types.js";

/** How many events wait for their reader before the socket is read no further. */
export const HELD_EVENTS = 256;

/** The events of a subscription, over every connection. Leaving its loop ends it. */
export class EventStream<P extends TopicPattern = "*"> extends Readable {
  /** @internal */ readonly method: "events" | "subscribe";
  /** @internal `since` is the cursor of the last event that came. */ readonly params: EventOptions<P>;
  /** @internal What the daemon calls it, over the present connection. */ id: string | undefined;
  /** @internal */ over = false;
  readonly #changed: () => void;

  /** @internal */
  constructor(method: "events" | "subscribe", options: EventOptions<P>, changed: () => void) {
    const { signal, ...params } = options;
    const given = signal && { signal };
    super({ objectMode: true, highWaterMark: HELD_EVENTS, read: changed, ...given });
    this.method = method;
    this.params = params;
    this.#changed = changed;
    this.on("error", () => {}); // the loop throws it
  }

  override [Symbol.asyncIterator](): NodeJS.AsyncIterator<StreamEvent<P>> {
    return super[Symbol.asyncIterator]();
  }

  /** @internal */
  give(event: StreamEvent<P>): void {
    if (!this.over) this.push(event);
  }

  /** End the subscription: the loop ends after what has come. */
  close(): void {
    if (!this.over) this.push(null);
    this.over = true;
    this.#changed();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.over = true;
    this.#changed();
    done(error);
  }
}
