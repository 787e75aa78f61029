import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import { LiveHandleError, unreachable } from "./errors.js";

/** How long a line may be that the daemon sends. */
export const MAX_LINE_BYTES = 16 * 2 ** 20;

/** Takes an answer as its line is read, before the events behind it. */
type Answered = (answer: { error?: any; result?: any }) => void;

/** One connection, from its beginning to its end: JSON by lines. */
export class Wire {
  readonly #calls = new Map<unknown, Answered>();
  readonly #path: string;
  readonly #socket: Socket;
  #lastId = 0;
  #rest = "";
  /** Why it ended, if it has. */
  ended: LiveHandleError | undefined;
  onEvent = (_event: any) => {};
  onEnd = (_error: LiveHandleError) => {};

  private constructor(path: string, socket: Socket) {
    this.#path = path;
    this.#socket = socket;
    socket.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    socket.on("error", () => {}); // it closes
    socket.on("end", () => socket.destroy()); // what is left of a line is thrown away
    socket.on("close", () => this.end(`The daemon at ${path} closed the connection: see its log.`));
  }

  /** Connect. @throws {LiveHandleError} daemon.unreachable */
  static async open(path: string): Promise<Wire> {
    for (let attempt = 1; ; attempt++) {
      const socket = connect(path);
      try {
        await once(socket, "connect");
        return new Wire(path, socket);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        let advice = "start one with `livehandled`, or without a key with `livehandled --emulator`";
        if (code === "EACCES") advice = "it is another user's, give a socket of yours";
        // EAGAIN: the daemon is there, and has more callers than it has accepted yet.
        if (code === "EAGAIN" && attempt < 200) await sleep(20);
        else throw unreachable(path, `No daemon answers at ${path} (${code}): ${advice}.`);
      }
    }
  }

  get waiting(): boolean {
    return this.#calls.size > 0;
  }

  /** Send a call; return its id. */
  send(method: string, params: object, answered: Answered = () => {}): number {
    const id = ++this.#lastId;
    const line = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    this.#calls.set(id, answered);
    this.#socket.write(`${line}\n`);
    return id;
  }

  /** Send a call and wait for its answer, or for the signal. */
  async call(method: string, params: object, signal?: AbortSignal): Promise<any> {
    let giveUp = () => {};
    const answer = new Promise<Parameters<Answered>[0]>((resolve, reject) => {
      const id = this.send(method, params, resolve);
      giveUp = () => {
        this.#calls.delete(id);
        reject(signal?.reason);
      };
    });
    signal?.addEventListener("abort", giveUp);
    const { error, result } = await answer.finally(() => signal?.removeEventListener("abort", giveUp));
    if (error) throw LiveHandleError.of(error); // made here, so that its stack leads to the caller
    return result;
  }

  /** Read no further, or go on reading. */
  pause(paused: boolean): void {
    if (paused) this.#socket.pause();
    else this.#socket.resume();
  }

  /** End it: every call in flight fails with the error. */
  end(why: LiveHandleError | string): void {
    if (this.ended) return;
    this.ended = typeof why === "string" ? unreachable(this.#path, why) : why;
    this.#socket.destroy();
    for (const answered of this.#calls.values()) answered({ error: this.ended });
    this.onEnd(this.ended);
  }

  /** End it, for what answers does not speak as the daemon does. */
  endAsStranger(): void {
    this.end(`What answers at ${this.#path} is not livehandled: give the daemon's own socket.`);
  }

  #read(text: string): void {
    const lines = text.split("\n");
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop() ?? "";
    for (const line of lines) if (!this.ended) this.#take(line);
    if (this.#rest.length > MAX_LINE_BYTES) this.endAsStranger();
  }

  #take(line: string): void {
    let message: any;
    try {
      message = JSON.parse(line);
    } catch {} // as what is no object
    if (Object(message) !== message) this.endAsStranger();
    else if (message.method === "event") this.onEvent(message.params);
    else if (message.id === null && message.error) this.end(LiveHandleError.of(message.error));
    else this.#answer(message);
  }

  #answer(message: any): void {
    const answered = this.#calls.get(message.id);
    this.#calls.delete(message.id);
    answered?.(message);
  }
}
