import { setTimeout as sleep } from "node:timers/promises";

import { Api, type CallOptions, type Daemon, type Method, type Methods } from "./api.js";
import { LiveHandleError, unreachable } from "./errors.js";
import { socketPath } from "./socket.js";
import { HELD_EVENTS, Subscription } from "./stream.js";
import { Toolbox } from "./tools.js";
import type { EventOptions, EventStream, OpenOptions } from "./types.js";
import type { Tool, ToolOptions, ToolRegistration } from "./types.js";
import { MAX_LINE_BYTES, Wire } from "./wire.js";

const HELLO_MS = 5_000; // for its first answer
const AWAY_MS = 10_000; // that a call waits for the next connection
const LONGEST_PAUSE_MS = 2_000; // between two attempts to connect
const HELD_EVENTS_BUSY = 16_384; // while an answer may stand behind them

/** The daemon's session, over one connection that is made again whenever it is lost. */
export class LiveHandle extends Api {
  readonly #closing = new AbortController();
  readonly #greeting: object;
  readonly #path: string;
  readonly #streams = new Set<Subscription>();
  readonly #tools = new Toolbox(this);
  #began = 0;
  #lost: LiveHandleError | undefined;
  #pauseMs = 0;
  #returning: Promise<void> | undefined;
  #wire!: Wire;
  /** What the daemon said of itself when this connection began. */
  hello!: Daemon;

  private constructor({ client, instance, socket }: OpenOptions) {
    super();
    this.#greeting = { client, max_line_bytes: MAX_LINE_BYTES };
    this.#path = socketPath(socket, instance);
  }

  /** Connect. @throws {LiveHandleError} daemon.unreachable, config.invalid */
  static async open(options: OpenOptions = {}): Promise<LiveHandle> {
    const { signal } = options;
    signal?.throwIfAborted();
    const live = new LiveHandle(options);
    const { signal: closing } = live.#closing;
    signal?.addEventListener("abort", () => live.close(), { signal: closing });
    await live.#connect(0).catch((error) => {
      live.close();
      throw signal?.aborted ? signal.reason : error;
    });
    return live;
  }

  /** Close the connection: streams end, calls in flight fail. */
  close(): void {
    this.#closing.abort();
    const why = "This client was closed: open another.";
    this.#lost = unreachable(this.#path, why, { retryable: false });
    this.#wire?.end(this.#lost);
    this.#tools.close();
    for (const stream of this.#streams) stream.close();
  }

  /** While there is no connection, it waits up to 10 s for the next. */
  override async call<M extends Method>(
    method: M,
    params: Methods[M]["params"],
    { signal }: CallOptions = {},
  ): Promise<Methods[M]["result"]> {
    signal?.throwIfAborted();
    if (this.#lost) await this.#return(signal);
    const answer = this.#wire.call(method, params, signal);
    this.#flow();
    return await answer.finally(() => this.#flow());
  }

  /** Carry out functions for the model, over every connection. */
  registerTools(tools: readonly Tool[], options: ToolOptions = {}): Promise<ToolRegistration> {
    return this.#tools.register(tools, options);
  }

  protected override stream(
    method: "events" | "subscribe",
    options: EventOptions<any>,
  ): EventStream<any> {
    const stream = new Subscription(method, options, () => {
      if (stream.over && this.#streams.delete(stream)) this.#unsubscribe(stream.id);
      this.#flow();
    });
    this.#streams.add(stream);
    if (this.#closing.signal.aborted) stream.destroy(this.#lost);
    else if (!this.#lost) this.#subscribe(stream);
    return stream;
  }

  async #connect(attempt: number): Promise<void> {
    const wire = (this.#wire = await Wire.open(this.#path));
    const late = AbortSignal.timeout(HELLO_MS);
    try {
      if (this.#closing.signal.aborted) throw this.#lost;
      const hello = await wire.call("daemon.hello", this.#greeting, late);
      if (!hello?.api_level) wire.endAsStranger();
      if (wire.ended) throw wire.ended;
      this.hello = hello;
    } catch (error) {
      const silent = `The daemon at ${this.#path} did not answer within 5 s: see its log.`;
      wire.end(late.aborted ? silent : (error as LiveHandleError));
      throw wire.ended;
    }
    wire.onEvent = (event) => this.#take(event);
    wire.onEnd = (error) => this.#onLost(error);
    this.#began = performance.now();
    this.#lost = undefined;
    // Now it is made what the last one was, before anything else is sent.
    this.#tools.present(this.#wire);
    for (const stream of this.#streams) {
      stream.push({ topic: "client.connected", data: { attempt } });
      this.#subscribe(stream);
    }
  }

  #onLost(error: LiveHandleError): void {
    if (this.#closing.signal.aborted) return;
    this.#lost = error;
    for (const stream of this.#streams) {
      stream.id = undefined;
      stream.push({ topic: "client.disconnected", data: { error } });
    }
    if (performance.now() - this.#began > LONGEST_PAUSE_MS) this.#pauseMs = 0;
    this.#returning = this.#reconnect();
  }

  /** Connect again, however often it takes, or until the client is closed. */
  async #reconnect(): Promise<void> {
    const { signal } = this.#closing;
    for (let attempt = 1; this.#lost && !signal.aborted; attempt++) {
      const pauseMs = this.#pauseMs;
      this.#pauseMs = Math.min(pauseMs * 2 || 50, LONGEST_PAUSE_MS);
      const paused = sleep(pauseMs, undefined, { signal });
      await paused.then(() => this.#connect(attempt)).catch(() => {}); // the next may do better
    }
  }

  async #return(signal: AbortSignal | undefined): Promise<void> {
    const late = sleep(AWAY_MS, undefined, { ref: false, signal });
    await Promise.race([this.#returning, late]).catch(() => {}); // the signal's, thrown here
    signal?.throwIfAborted();
    if (this.#lost) throw LiveHandleError.of(this.#lost);
  }

  #subscribe(stream: Subscription): void {
    const wire = this.#wire;
    wire.send(stream.method, stream.params, ({ error, result }) => {
      if (wire.ended) return; // the next connection begins with it
      if (error) return void stream.destroy(LiveHandleError.of(error));
      if (stream.over) return this.#unsubscribe(result.subscription);
      stream.id = result.subscription;
      stream.params.since = result.cursor;
      if (result.snapshot) stream.push({ topic: "client.reset", data: result.snapshot });
    });
  }

  #unsubscribe(subscription: string | undefined): void {
    if (subscription) this.#wire.send("unsubscribe", { subscription });
  }

  #take(event: any): void {
    if (typeof event?.topic !== "string" || this.#tools.takes(event)) return;
    const { cursor, subscription, topic } = event;
    for (const stream of this.#streams) {
      if (subscription && subscription !== stream.id) continue;
      stream.push(event);
      if (topic === "events.lagged") this.#subscribe(stream);
      else if (subscription && topic !== "events.dropped") stream.params.since = cursor;
    }
    if (topic === "daemon.bye") this.#wire.end(`The daemon at ${this.#path} has stopped.`);
    this.#flow();
  }

  /** Read on, unless who reads the events is far behind. */
  #flow(): void {
    const busy = this.#wire.waiting || !this.#tools.empty;
    const most = busy ? HELD_EVENTS_BUSY : HELD_EVENTS;
    this.#wire.pause([...this.#streams].some((stream) => stream.readableLength > most));
  }
}
