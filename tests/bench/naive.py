"""The baseline of the audio benchmark: a program that holds the session by the official SDK.

Prints one JSON object: CPU microseconds a frame sent and a frame received, by its own account.
Called with the emulator's URL, the number of frames, the seconds between two, and a text whose
spoken answer is received.
"""

import asyncio
import json
import sys
import time
import warnings

warnings.simplefilter("ignore")

from google import genai  # noqa: E402 - its import warns
from google.genai import types  # noqa: E402

SILENCE = bytes(640)


async def converse(url: str, frames: int, pause_s: float, text: str) -> dict[str, float]:
    options = types.HttpOptions(base_url=url, api_version="v1beta")
    client = genai.Client(api_key="benchmark", http_options=options)
    config = types.LiveConnectConfig(response_modalities=[types.Modality.AUDIO])
    async with client.aio.live.connect(model="gemini-3.8-live", config=config) as session:
        due = time.perf_counter()
        begun = time.process_time()
        for _ in range(frames):
            blob = types.Blob(data=SILENCE, mime_type="audio/pcm;rate=16000")
            await session.send_realtime_input(audio=blob)
            due += pause_s
            if pause_s:
                await asyncio.sleep(due - time.perf_counter())
        sent = time.process_time() - begun
        begun = time.process_time()
        turn = types.Content(role="user", parts=[types.Part(text=text)])
        await session.send_client_content(turns=[turn], turn_complete=True)
        received = 0
        async for message in session.receive():
            received += message.data is not None
        spent = time.process_time() - begun
    return {"in": sent / frames * 1e6, "out": spent / received * 1e6, "received": received}


if __name__ == "__main__":
    url, frames, pause, text = sys.argv[1:]
    print(json.dumps(asyncio.run(converse(url, int(frames), float(pause), text))))
