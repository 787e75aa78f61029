// What `livectl certify` holds a conversation with, to see that this library keeps the protocol.

import { LiveHandle, LiveHandleError } from "livehandle";

const live = await LiveHandle.open({ client: "certify typescript" });
await live.daemon.ping();

try {
  await live.state.get({ key: "app:missing" });
} catch (error) {
  if (!(error instanceof LiveHandleError)) throw error;
  await live.state.set({ key: "app:error", value: error.name });
}

const lost = live.done({ timeout_ms: 60_000 }).catch(async ({ name }: LiveHandleError) => {
  await live.state.set({ key: "app:lost", value: name });
});
const { phase } = await live.phase();
await live.state.set({ key: "app:phase", value: phase });

await live.registerTools([
  {
    name: "add",
    description: "Adds two integers.",
    parameters: {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "integer" } },
      required: ["a", "b"],
    },
    handler: ({ a, b }: { a: number; b: number }) => {
      if (a > 1000) throw new Error("too large");
      return { sum: a + b };
    },
  },
]);

let gathered = "";
for await (const event of live.events({ topics: ["live.text_delta", "live.turn_complete"] })) {
  switch (event.topic) {
    case "live.text_delta":
      gathered += event.data.text;
      break;
    case "client.reset":
      gathered = "";
      await live.state.set({ key: "app:reset", value: true });
      break;
    case "events.lagged":
      await live.state.set({ key: "app:lagged", value: event.data.missed });
      break;
    case "live.turn_complete":
      await live.sendText({ text: gathered });
      if (gathered === "That is all.") {
        await lost;
        await live.disconnect();
        live.close();
      }
      gathered = "";
  }
}
