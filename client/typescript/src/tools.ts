import { debuglog } from "node:util";

import type { Api, ToolCall, ToolsRespondParams } from "./api.js";
import type { LiveHandleError } from "./errors.js";
import type { Tool, ToolOptions, ToolRegistration } from "./types.js";
import type { Wire } from "./wire.js";

const log = debuglog("livehandle");

/** What was registered at once, and the token by which the next connection takes it over. */
type Served = { options: ToolOptions; token: string; tools: readonly Tool[] };

/** Functions that are carried out here for the model, and their calls under way. */
export class Toolbox {
  readonly #api: Api;
  readonly #running = new Map<string, AbortController>();
  readonly #served = new Set<Served>();

  constructor(api: Api) {
    this.#api = api;
  }

  get empty(): boolean {
    return this.#served.size === 0;
  }

  async register(tools: readonly Tool[], options: ToolOptions): Promise<ToolRegistration> {
    const served: Served = { options, token: "", tools };
    const params = declaring(served);
    this.#served.add(served); // calls may follow the answer closely
    try {
      const { declared, registration } = await this.#api.call("tools.register", params);
      served.token = registration;
      this.#handOver(served);
      return { declared, close: () => this.#unregister(served) };
    } catch (error) {
      this.#served.delete(served);
      throw error;
    }
  }

  /** Take over, with a new connection, what the last one had registered. */
  present(wire: Wire): void {
    for (const served of this.#served) {
      const names = served.tools.map(({ name }) => name);
      const register = (params: object) =>
        wire.send("tools.register", params, ({ error, result }) => {
          if (!error) served.token = result.registration;
          else if (error.data?.name === "tools.unknown_registration") register(declaring(served));
          else if (!wire.ended) process.emitWarning(`No more calls of ${names}: ${error.message}`);
        });
      // Without a token, who registers it is told that the connection was lost.
      if (served.token) register({ registration: served.token });
    }
  }

  /** Whether an event concerns a function that is here; then it is seen to. */
  takes({ topic, data }: { topic: string; data?: any }): boolean {
    const tool = topic === "tool.call" && this.#named(data?.name);
    const running = topic === "tool.cancel" && this.#running.get(data?.call_id);
    // Who takes a registration over is asked again for what it is doing already.
    if (tool && !this.#running.has(data.call_id)) void this.#carryOut(tool, data);
    if (running) running.abort();
    return Boolean(tool || running);
  }

  close(): void {
    for (const running of this.#running.values()) running.abort();
  }

  /** The function of that name: the last one that was registered. */
  #named(name: unknown): Tool | undefined {
    const all = [...this.#served].flatMap(({ tools }) => tools);
    return all.findLast((tool) => tool.name === name);
  }

  /** A name that is registered again is, also with the daemon, of that registration alone. */
  #handOver(to: Served): void {
    for (const served of this.#served) {
      if (served === to) continue;
      served.tools = served.tools.filter(({ name }) => !to.tools.some((tool) => tool.name === name));
      if (served.tools.length === 0) this.#served.delete(served);
    }
  }

  async #unregister(served: Served): Promise<void> {
    if (!this.#served.delete(served)) return;
    const { token: registration } = served;
    await this.#api.call("tools.unregister", { registration }).catch((error: LiveHandleError) => {
      if (error.name !== "tools.unknown_registration") throw error; // nobody had it any more
    });
  }

  async #carryOut(tool: Tool, { call_id, args, deadline_ms }: ToolCall): Promise<void> {
    const running = new AbortController();
    const { signal } = running;
    this.#running.set(call_id, running);
    const late = setTimeout(() => running.abort(), deadline_ms).unref();
    try {
      const result = await tool.handler(args, { call_id, deadline_ms, signal });
      await this.#respond({ call_id, result: result ?? null }, signal);
    } catch (error) {
      await this.#respond({ call_id, error: words(error) }, signal);
    }
    clearTimeout(late);
    this.#running.delete(call_id);
  }

  async #respond(answer: ToolsRespondParams, signal: AbortSignal): Promise<void> {
    try {
      if (!signal.aborted) await this.#api.call("tools.respond", answer, { signal });
    } catch (error) {
      const { name } = error as Error;
      // It may have been lost; if it was not, this one is refused.
      if (name === "daemon.unreachable") return this.#respond(answer, signal);
      if (/^tools\./.test(name) || signal.aborted) log("%s: %s", answer.call_id, words(error));
      else if (!answer.error) throw error; // the model is told that instead
      else process.emitWarning(`A call was not answered: ${words(error)}`);
    }
  }
}

function declaring({ options, tools }: Served) {
  return { ...options, declarations: tools.map(({ handler: _, ...declaration }) => declaration) };
}

function words(error: unknown): string {
  return (error instanceof Error && error.message) || String(error) || "It failed.";
}
