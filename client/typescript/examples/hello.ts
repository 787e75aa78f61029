// Have the model call a function, and print what it says of the answer.

import { LiveHandle } from "livehandle";

const text = process.argv[2] ?? 'call get_weather {"city": "Oslo"}';

const live = await LiveHandle.open({ client: "hello" });

await live.registerTools([
  {
    name: "get_weather",
    description: "Tells the temperature in a city, in degrees Celsius.",
    parameters: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
    },
    handler: ({ city }: { city: string }) => {
      console.log(`tool: get_weather ${city}`);
      return { temperature: 7 };
    },
  },
]);

const events = live.events();
await live.sendText({ text });

for await (const event of events) {
  if (event.topic === "live.output_transcript") process.stdout.write(event.data.text);
  if (event.topic === "live.turn_complete" && event.data.model) break; // it has spoken
}
console.log();
live.close();
