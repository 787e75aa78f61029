import { EventEmitter, once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

import { Api, type CallOptions, type Daemon, type Method, type Methods } from "./api.js";
import type { TopicPattern } from "./api.js";
import { type LiveHandleError, unreachable } from "./errors.js";
import { socketPath } from "./socket.js";
import { EventStream, HELD_EVENTS } from "./stream.js";
import { Toolbox } from "./tools.js";
import type { EventOptions, OpenOptions, Tool, ToolOptions, ToolRegistration } from "./types.js";
import { Wire } from "./wire.js";

const MAX_LINE_BYTES = 16 * 2 ** 20; // of a line that the daemon may send
const HELLO_MS = 5_000; // for its first answer
const AWAY_MS = 10_000; // that a call waits for the next connection
const LONGEST_PAUSE_MS = 2_000; // between two attempts to connect
const HELD_EVENTS_BUSY = 16_384; // while an answer may stand behind them

/** The daemon's session, over one connection that is made again whenever it is lost. */
export class LiveHandle extends Api {
  readonly #closing = new AbortController();
  readonly #name: string | undefined;
  readonly #path: string;
  readonly #returned = new EventEmitter().setMaxListeners(0);
  readonly #streams = new Set<EventStream<any>>();
  readonly #tools = new Toolbox(this);
  #began = 0;
  #lost: LiveHandleError | undefined;
  #pauseMs = 0;
  #wire!: Wire;
  /** What the daemon said of itself when this connection began. */
  hello!: Daemon;

  private constructor({ client, instance, socket }: OpenOptions) {
    super();
    this.#name = client;
    this.#path = socketPath(socket, instance);
  }

  /** Connect. @throws {LiveHandleError} daemon.unreachable, config.invalid */
  static async open(options: OpenOptions = {}): Promise<LiveHandle> {
    const { signal } = options;
    signal?.throwIfAborted();
    const live = new LiveHandle(options);
    const until = { once: true, signal: live.#closing.signal };
    signal?.addEventListener("abort", () => live.close(), until);
    try {
      await live.#connect(0);
      return live;
    } catch (error) {
      live.close();
      throw signal?.aborted ? signal.reason : error;
    }
  }

  /** Close the connection: streams end, calls in flight fail. */
  close(): void {
    this.#closing.abort();
    this.#lost = unreachable(this.#path, "This client was closed: open another.");
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

  protected override stream<P extends TopicPattern>(
    method: "events" | "subscribe",
    options: EventOptions<P>,
  ): EventStream<P> {
    const stream: EventStream<P> = new EventStream(method, options, () => {
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
    const hello = { client: this.#name, max_line_bytes: MAX_LINE_BYTES };
    const late = AbortSignal.timeout(HELLO_MS);
    try {
      if (this.#closing.signal.aborted) throw this.#lost;
      this.hello = await wire.call("daemon.hello", hello, late);
      if (wire.ended) throw wire.ended;
    } catch (error) {
      const silent = `The daemon at ${this.#path} did not answer within 5 s: see its log.`;
      wire.end(late.aborted ? silent : (error as LiveHandleError));
      throw wire.ended;
    }
    wire.onEvent = (event) => this.#take(event);
    wire.onEnd = (error) => this.#onLost(error);
    this.#goOn(attempt);
  }

  /** Make this connection what the last one was, before anything else is sent. */
  #goOn(attempt: number): void {
    this.#began = performance.now();
    this.#lost = undefined;
    this.#tools.present(this.#wire);
    for (const stream of this.#streams) {
      stream.give({ topic: "client.connected", data: { attempt } });
      this.#subscribe(stream);
    }
    this.#returned.emit("returned");
  }

  #onLost(error: LiveHandleError): void {
    if (this.#closing.signal.aborted) return;
    this.#lost = error;
    for (const stream of this.#streams) {
      stream.id = undefined;
      stream.give({ topic: "client.disconnected", data: { error } });
    }
    if (performance.now() - this.#began > LONGEST_PAUSE_MS) this.#pauseMs = 0;
    void this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    const { signal } = this.#closing;
    for (let attempt = 1; this.#lost && !signal.aborted; attempt++) {
      await sleep(this.#pauseMs, undefined, { signal }).catch(() => {});
      this.#pauseMs = Math.min(this.#pauseMs * 2 || 50, LONGEST_PAUSE_MS);
      if (!signal.aborted) await this.#connect(attempt).catch(() => {}); // the next may do better
    }
  }

  async #return(signal: AbortSignal | undefined): Promise<void> {
    const until = [this.#closing.signal, AbortSignal.timeout(AWAY_MS), ...(signal ? [signal] : [])];
    await once(this.#returned, "returned", { signal: AbortSignal.any(until) }).catch(() => {
      throw signal?.aborted ? signal.reason : this.#lost;
    });
  }

  #subscribe(stream: EventStream<any>): void {
    const wire = this.#wire;
    wire.send(stream.method, stream.params, (error, result) => {
      if (wire.ended) return; // the next connection begins with it
      if (error) return void stream.destroy(error);
      if (stream.over) return this.#unsubscribe(result.subscription);
      stream.id = result.subscription;
      stream.params.since = result.cursor;
      if (result.snapshot) stream.give({ topic: "client.reset", data: result.snapshot });
    });
  }

  #unsubscribe(subscription: string | undefined): void {
    if (subscription && !this.#lost) this.#wire.send("unsubscribe", { subscription });
  }

  #take(event: any): void {
    if (typeof event?.topic !== "string" || this.#tools.takes(event)) return;
    const { cursor, subscription, topic } = event;
    for (const stream of this.#streams) {
      if (subscription && subscription !== stream.id) continue;
      stream.give(event);
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
