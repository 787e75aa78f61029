// What must compile, and what must not. Nothing here is run.

import { type LiveHandle, LiveHandleError, type ErrorName, type EventOf, type Phase } from "livehandle";

export async function calls(live: LiveHandle): Promise<void> {
  const { phase }: { phase: Phase } = await live.phase();
  const value: unknown = (await live.state.get({ key: "app:a" })).value;
  const everything: Record<string, unknown> = await live.state();
  await live.done({ timeout_ms: null });
  await live.done({}, { signal: AbortSignal.timeout(1) });
  await live.call("claim", { role: "mic", force: true });
  // @ts-expect-error no such method
  await live.sendTexts({ text: "" });
  // @ts-expect-error no such method on the socket
  await live.call("send_texts", { text: "" });
  // @ts-expect-error a parameter is missing
  await live.sendText({});
  // @ts-expect-error a parameter has another name
  await live.sendText({ text: "", txt: "" });
  // @ts-expect-error a parameter has another type
  await live.state.get({ key: 1 });
  // @ts-expect-error no value of the enum
  await live.claim({ role: "microphone" });
  // @ts-expect-error no phase of that name
  if (phase === "speaking") return;
  // @ts-expect-error nobody knows what is in the state
  value.length;
  // @ts-expect-error the daemon alone may say what it is
  live.hello.api_level = "1";
  void everything;
}

export async function events(live: LiveHandle): Promise<void> {
  for await (const event of live.events()) {
    switch (event.topic) {
      case "live.text_delta": {
        const text: string = event.data.text;
        const cursor: string = event.cursor;
        void [text, cursor];
        // @ts-expect-error a text has no turn
        event.data.turn;
        break;
      }
      case "tool.call":
        event.data.call_id;
        break;
      case "client.reset": {
        const phase: Phase = event.data.phase;
        void phase;
        // @ts-expect-error the library's own events have no cursor
        event.cursor;
        break;
      }
      case "client.disconnected":
        event.data.error.retryable;
        break;
      // @ts-expect-error no such topic
      case "live.text":
        break;
    }
  }
  for await (const event of live.events({ topics: ["live.turn_complete", "state.*"] })) {
    if (event.topic === "state.changed") event.data.key;
    if (event.topic === "events.lagged") event.data.missed;
    // @ts-expect-error that topic was not subscribed to
    if (event.topic === "live.text_delta") return;
  }
  // @ts-expect-error no such topic
  live.events({ topics: ["live.turn_completed"] });
  // @ts-expect-error that one comes by itself, and cannot be subscribed to
  live.events({ topics: ["tool.call"] });
  // @ts-expect-error nor can the others of its group
  live.events({ topics: ["tool.*"] });
  // @ts-expect-error no such group
  live.subscribe({ topics: ["lives.*"] });
  live.subscribe({ topics: ["*"], since: "k:1", snapshot: true });
}

export async function tools(live: LiveHandle): Promise<void> {
  const { close } = await live.registerTools(
    [{ name: "add", behavior: "NON_BLOCKING", handler: ({ a }: { a: number }, { signal }) => a && signal }],
    { timeout_ms: 1000 },
  );
  await close();
  // @ts-expect-error nobody carries it out
  await live.registerTools([{ name: "add" }]);
}

export function errors(error: unknown, event: EventOf<"session.error" | "live.error">): string | number {
  const name: ErrorName = "session.timeout";
  // @ts-expect-error no such error
  const other: ErrorName = "session.late";
  // @ts-expect-error both are of a JSON-RPC error
  event.data.name;
  if (error instanceof LiveHandleError && error.name === name) return error.code;
  return other;
}
