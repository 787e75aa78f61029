"""The naive server: asyncio's streams, the json module, and the official SDK for the session.

The baseline of the benchmarks: what one writes in an afternoon. It speaks as much of the control
protocol as they need: `send_audio`, `send_text` and `events`, which subscribes to the model's
audio. The session is opened by the first send, to the emulator that NAIVE_SERVER_URL names.
"""

import asyncio
import base64
import json
import os
import sys
import warnings
from contextlib import AsyncExitStack

warnings.simplefilter("ignore")

from google import genai  # noqa: E402 - its import warns
from google.genai import types  # noqa: E402
from google.genai.live import AsyncSession  # noqa: E402


class Server:
    """One session for all clients."""

    def __init__(self, client: genai.Client, stack: AsyncExitStack) -> None:
        self._client = client
        self._stack = stack
        self._session: AsyncSession | None = None
        self._listeners: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            request = json.loads(line)
            answer = {"jsonrpc": "2.0", "id": request["id"], "result": None}
            params = request.get("params", {})
            await getattr(self, request["method"].replace("daemon.", ""))(writer, **params)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()

    async def ping(self, _writer: asyncio.StreamWriter) -> None:
        pass

    async def events(self, writer: asyncio.StreamWriter, topics: list[str]) -> None:
        assert topics
        self._listeners.append(writer)

    async def send_audio(self, _writer: asyncio.StreamWriter, data: str) -> None:
        session = await self._opened()
        blob = types.Blob(data=base64.b64decode(data), mime_type="audio/pcm;rate=16000")
        await session.send_realtime_input(audio=blob)

    async def send_text(self, _writer: asyncio.StreamWriter, text: str) -> None:
        session = await self._opened()
        turn = types.Content(role="user", parts=[types.Part(text=text)])
        await session.send_client_content(turns=[turn], turn_complete=True)

    async def _opened(self) -> AsyncSession:
        if self._session is None:
            config = types.LiveConnectConfig(response_modalities=[types.Modality.AUDIO])
            connecting = self._client.aio.live.connect(model="gemini-3.8-live", config=config)
            self._session = await self._stack.enter_async_context(connecting)
            self._tasks.append(asyncio.create_task(self._receive(self._session)))
        return self._session

    async def _receive(self, session: AsyncSession) -> None:
        while True:
            async for message in session.receive():
                if message.data is not None:
                    data = base64.b64encode(message.data).decode()
                    await self._tell("live.audio", {"data": data})
            await self._tell("live.turn_complete", {})

    async def _tell(self, topic: str, data: dict[str, str]) -> None:
        for writer in self._listeners:
            event = {"jsonrpc": "2.0", "method": "event", "params": {"topic": topic, "data": data}}
            writer.write(json.dumps(event).encode() + b"\n")
            await writer.drain()


async def main(path: str) -> None:
    url = os.environ.get("NAIVE_SERVER_URL", "https://localhost")
    options = types.HttpOptions(base_url=url, api_version="v1beta")
    client = genai.Client(api_key="benchmark", http_options=options)
    async with AsyncExitStack() as stack:
        server = await asyncio.start_unix_server(Server(client, stack).serve, path)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[-1]))
