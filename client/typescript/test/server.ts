// A daemon that does what a test tells it, line by line.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { LiveHandle, type OpenOptions } from "livehandle";

export interface Request {
  jsonrpc: string;
  id: number;
  method: string;
  params: any;
}

/** One connection of the client's. */
export class Peer {
  readonly socket: Socket;
  /** All that was asked on it. */
  readonly requests: Request[] = [];
  readonly #waiting: Request[] = [];
  #wake = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    let rest = "";
    socket.setEncoding("utf8");
    socket.on("error", () => {});
    socket.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const request: Request = JSON.parse(line);
        assert.equal(request.jsonrpc, "2.0");
        this.requests.push(request);
        this.#waiting.push(request);
      }
      this.#wake();
    });
  }

  /** Take the next request, which is of this method. */
  async next(method: string): Promise<Request> {
    while (this.#waiting.length === 0) await new Promise<void>((wake) => (this.#wake = wake));
    const request = this.#waiting.shift()!;
    assert.equal(request.method, method);
    return request;
  }

  /** Take the next request and answer it. */
  async serve(method: string, result: unknown = null): Promise<Request> {
    const request = await this.next(method);
    this.answer(request, result);
    return request;
  }

  async subscribed(subscription = "e1", more: object = { cursor: "k:0" }): Promise<Request> {
    return this.serve("events", { subscription, ...more });
  }

  answer(request: Request, result: unknown): void {
    this.write(answerTo(request, result));
  }

  fail(request: Request, error: object): void {
    this.write(`${JSON.stringify({ jsonrpc: "2.0", id: request.id, error })}\n`);
  }

  write(text: string | Buffer): void {
    this.socket.write(text);
  }
}

export class Daemon {
  readonly path: string;
  readonly #clients: LiveHandle[] = [];
  readonly #peers: Peer[] = [];
  readonly #sockets: Socket[] = [];
  readonly #server: Server;
  #wake = () => {};

  private constructor(path: string) {
    this.path = path;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#peers.push(new Peer(socket));
      this.#sockets.push(socket);
      this.#wake();
    });
  }

  static async start(): Promise<Daemon> {
    const daemon = new Daemon(join(await mkdtemp(join(tmpdir(), "lh-")), "s"));
    daemon.#server.listen({ path: daemon.path, backlog: 1 });
    await once(daemon.#server, "listening");
    return daemon;
  }

  /** Take the next connection. */
  async accept(): Promise<Peer> {
    while (this.#peers.length === 0) await new Promise<void>((wake) => (this.#wake = wake));
    return this.#peers.shift()!;
  }

  /** Take the next connection and answer its hello. */
  async greet(): Promise<Peer> {
    const peer = await this.accept();
    await peer.serve("daemon.hello", { name: "livehandled", api_level: 1 });
    return peer;
  }

  /** Connect a client to it. */
  async open(options: OpenOptions = {}): Promise<[LiveHandle, Peer]> {
    const opened = LiveHandle.open({ socket: this.path, ...options });
    const [live, peer] = await Promise.all([opened, this.greet()]);
    this.#clients.push(live);
    return [live, peer];
  }

  /** End all there is, so that also after a failure nothing keeps the process. */
  async close(): Promise<void> {
    for (const live of this.#clients) live.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await rm(join(this.path, ".."), { recursive: true });
  }
}

export function answerTo(request: Request, result: unknown): string {
  return `${JSON.stringify({ jsonrpc: "2.0", id: request.id, result })}\n`;
}

/** The line of an event; `subscription` null for one of the connection's own. */
export function event(topic: string, data: object, seq = 1, subscription: string | null = "e1"): string {
  const params = { subscription, seq, cursor: `k:${seq}`, ts_ms: 1, topic, data };
  return `${JSON.stringify({ jsonrpc: "2.0", method: "event", params })}\n`;
}

export function text(words: string, seq = 1): string {
  return event("live.text_delta", { text: words }, seq);
}
