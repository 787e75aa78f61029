import { debuglog } from "node:util";

import type { Api, ToolCall, ToolsRespondParams } from "./api.js";
import type { LiveHandleError } from "./errors.js";
import type { Tool, ToolOptions, ToolRegistration } from "./types.js";
import type { Wire } from "./wire.js";

const log = debuglog("livehandle");

type Served = { names: string[]; params: object; token: string };

/** Functions that are carried out here for the model, and their calls under way. */
export class Toolbox {
  readonly #api: Api;
  readonly #running = new Map<string, AbortController>();
  readonly #served = new Set<Served>();
  readonly #tools = new Map<string, Tool>();

  constructor(api: Api) {
    this.#api = api;
  }

  get empty(): boolean {
    return this.#tools.size === 0;
  }

  async register(tools: readonly Tool[], options: ToolOptions): Promise<ToolRegistration> {
    const declarations = tools.map(({ handler: _, ...declaration }) => declaration);
    const params = { ...options, declarations };
    const served: Served = { names: tools.map(({ name }) => name), params, token: "" };
    for (const tool of tools) this.#tools.set(tool.name, tool);
    const forget = () => served.names.forEach((name) => this.#tools.delete(name));
    try {
      const { declared, registration } = await this.#api.call("tools.register", params);
      served.token = registration;
      this.#served.add(served);
      const close = async () => {
        this.#served.delete(served);
        await this.#api.call("tools.unregister", { registration: served.token }).finally(forget);
      };
      return { declared, close };
    } catch (error) {
      forget();
      throw error;
    }
  }

  /** Take over, with a new connection, what the last one had registered. */
  present(wire: Wire): void {
    for (const served of this.#served) {
      wire.send("tools.register", { registration: served.token }, (error, given) => {
        if (error?.name !== "tools.unknown_registration") return told(served, error, given);
        wire.send("tools.register", served.params, (again, anew) => told(served, again, anew));
      });
    }
    const told = (served: Served, error: LiveHandleError | undefined, given: any) => {
      if (!error) served.token = given.registration;
      else if (!wire.ended) process.emitWarning(`No more calls of ${served.names}: ${error.message}`);
    };
  }

  /** Whether an event concerns a function that is here; then it is seen to. */
  takes({ topic, data }: { topic: string; data?: any }): boolean {
    const tool = topic === "tool.call" && this.#tools.get(data?.name);
    const running = topic === "tool.cancel" && this.#running.get(data?.call_id);
    // Who takes a registration over is asked again for what it is doing already.
    if (tool && !this.#running.has(data.call_id)) void this.#carryOut(tool, data);
    if (running) running.abort();
    return Boolean(tool || running);
  }

  close(): void {
    for (const running of this.#running.values()) running.abort();
  }

  async #carryOut(tool: Tool, { call_id, args, deadline_ms }: ToolCall): Promise<void> {
    const running = new AbortController();
    this.#running.set(call_id, running);
    const signal = AbortSignal.any([running.signal, AbortSignal.timeout(Math.max(deadline_ms, 0))]);
    try {
      const result = await tool.handler(args, { call_id, deadline_ms, signal });
      await this.#respond({ call_id, result: result ?? null }, signal);
    } catch (error) {
      await this.#respond({ call_id, error: words(error) }, signal);
    }
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

function words(error: unknown): string {
  return (error instanceof Error && error.message) || String(error) || "It failed.";
}
