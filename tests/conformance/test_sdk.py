"""The official Python SDK, unmodified, holds conversations with the emulator over TLS.

One `livehandle-emulator` process serves all of them; SSL_CERT_FILE is all the SDK is told of it.
"""

import warnings
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager

import pytest

from support.emulator import running_emulator
from support.speech import silence, speech_like

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the SDK's dependencies, at import
    from google import genai
    from google.genai import errors, types
    from google.genai.live import AsyncSession

pytestmark = pytest.mark.anyio

HALF_CASCADE = "gemini-live-2.5-flash-preview"
CURRENT = "gemini-3.8-live"
WEATHER = types.FunctionDeclaration(
    name="get_weather",
    description="Tells the weather.",
    parameters=types.Schema(
        type=types.Type.OBJECT,
        properties={"city": types.Schema(type=types.Type.STRING)},
        required=["city"],
    ),
)
SPEECH = silence(0.3) + speech_like(1.0) + silence(0.8)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An emulator's URL for the SDK; SSL_CERT_FILE is set as a user would set it."""
    with (
        running_emulator(tmp_path_factory.mktemp("emulator"), tls=True) as emulator,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SSL_CERT_FILE", str(emulator.ca_file))
        for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"):
            patch.delenv(name, raising=False)
        yield emulator.url.replace("wss://", "https://")


def session(
    url: str, model: str = HALF_CASCADE, *, version: str | None = None, **config: object
) -> AbstractAsyncContextManager[AsyncSession]:
    options = types.HttpOptions(base_url=url, api_version=version)
    client = genai.Client(api_key="test-key", http_options=options)
    return client.aio.live.connect(model=model, config=types.LiveConnectConfig(**config))  # type: ignore[arg-type]  # each test gives fields of the config


async def turn(live: AsyncSession) -> list[types.LiveServerMessage]:
    """Return the messages of one turn."""
    return [message async for message in live.receive()]


def text_of(messages: list[types.LiveServerMessage]) -> str:
    return "".join(message.text or "" for message in messages)


def sound_of(messages: list[types.LiveServerMessage]) -> bytes:
    return b"".join(message.data or b"" for message in messages)


def spoken(messages: list[types.LiveServerMessage]) -> str:
    """Return the transcription of what the model said."""
    contents = [m.server_content for m in messages if m.server_content]
    return "".join(
        c.output_transcription.text or "" for c in contents if c.output_transcription is not None
    )


def calls_of(messages: list[types.LiveServerMessage]) -> list[types.FunctionCall]:
    return [c for m in messages if m.tool_call for c in m.tool_call.function_calls or []]


async def say(live: AsyncSession, pcm: bytes) -> None:
    for first in range(0, len(pcm), 3200):
        blob = types.Blob(data=pcm[first : first + 3200], mime_type="audio/pcm;rate=16000")
        await live.send_realtime_input(audio=blob)


def user(text: str) -> types.Content:
    return types.Content(role="user", parts=[types.Part(text=text)])


def answered(call: types.FunctionCall, **response: object) -> types.FunctionResponse:
    return types.FunctionResponse(id=call.id, name=call.name, response=response)


async def test_a_conversation_in_text(url: str) -> None:
    async with session(url, response_modalities=["TEXT"]) as live:
        assert live.session_id
        await live.send_client_content(turns=user("hello"))
        messages = await turn(live)
        assert text_of(messages) == "You typed: hello"
        usage = messages[-1].usage_metadata
        assert usage is not None
        assert usage.total_token_count == (usage.prompt_token_count or 0) + (
            usage.response_token_count or 0
        )
        await live.send_realtime_input(text="typed")
        assert text_of(await turn(live)) == "You typed: typed"


async def test_history_waits_and_what_was_answered_in_it_is_not_answered_again(url: str) -> None:
    async with session(url, response_modalities=["TEXT"]) as live:
        history: list[types.Content | types.ContentDict] = [user("a")]
        history.append(types.Content(role="model", parts=[types.Part(text="b")]))
        await live.send_client_content(turns=history, turn_complete=False)
        await live.send_client_content(turns=user("c"))
        assert text_of(await turn(live)) == "You typed: c"


async def test_typed_words_are_answered_in_speech(url: str) -> None:
    async with session(url, CURRENT, output_audio_transcription={}) as live:
        await live.send_client_content(turns=user("hello"))
        messages = await turn(live)
        assert spoken(messages) == "You typed: hello"
        assert len(sound_of(messages)) > 24_000
        content = messages[-1].server_content
        assert content is not None
        assert content.interaction_status == types.InteractionStatus.IDLE


@pytest.mark.parametrize("model", [HALF_CASCADE, CURRENT])
async def test_speech_is_spoken_back_and_transcribed(url: str, model: str) -> None:
    async with session(
        url, model, input_audio_transcription={}, output_audio_transcription={}
    ) as live:
        await say(live, SPEECH)
        messages = await turn(live)
        contents = [m.server_content for m in messages if m.server_content]
        heard = [c.input_transcription.text for c in contents if c.input_transcription]
        assert heard in (["[0.9 s of speech]"], ["[1.0 s of speech]"], ["[1.1 s of speech]"])
        assert spoken(messages) == heard[0]
        assert 1.0 < len(sound_of(messages)) / 48_000 < 1.6


async def test_the_end_of_the_audio_stream_commits_the_speech(url: str) -> None:
    async with session(url) as live:
        await say(live, speech_like(0.8))
        await live.send_realtime_input(audio_stream_end=True)
        assert len(sound_of(await turn(live))) > 48_000 * 0.7


async def test_speech_between_marks(url: str) -> None:
    config = types.RealtimeInputConfig(
        automatic_activity_detection=types.AutomaticActivityDetection(disabled=True)
    )
    async with session(url, realtime_input_config=config) as live:
        await live.send_realtime_input(activity_start=types.ActivityStart())
        await say(live, speech_like(0.5))
        await live.send_realtime_input(activity_end=types.ActivityEnd())
        assert len(sound_of(await turn(live))) == pytest.approx(48_000 * 0.5, abs=4)


async def test_pictures_are_seen(url: str) -> None:
    async with session(url, response_modalities=["TEXT"]) as live:
        picture = types.Blob(data=b"\xff\xd8\xff\xfb", mime_type="image/jpeg")
        await live.send_realtime_input(video=picture)
        await live.send_realtime_input(media=picture)
        await live.send_client_content(turns=user("look"))
        assert text_of(await turn(live)) == "You typed: look I saw 2 video frames."


async def test_a_tool_is_called_and_its_result_told(url: str) -> None:
    tool = types.Tool(function_declarations=[WEATHER])
    async with session(url, response_modalities=["TEXT"], tools=[tool]) as live:
        await live.send_client_content(turns=user('call get_weather {"city": "Oslo"}'))
        # A blocking call holds the turn up: its answer comes in the same turn.
        messages = []
        async for message in live.receive():
            messages.append(message)
            for call in calls_of([message]):
                assert (call.name, call.args) == ("get_weather", {"city": "Oslo"})
                await live.send_tool_response(function_responses=answered(call, output="sunny"))
        assert text_of(messages) == "get_weather answered sunny."


async def test_a_tool_that_does_not_block_is_answered_in_a_turn_of_its_own(url: str) -> None:
    tool = types.Tool(function_declarations=[WEATHER])
    async with session(url, CURRENT, tools=[tool], output_audio_transcription={}) as live:
        await live.send_realtime_input(text="call get_weather {}")
        (call,) = calls_of(await turn(live))
        response = answered(call, temp=21)
        response.scheduling = types.FunctionResponseScheduling.WHEN_IDLE
        await live.send_tool_response(function_responses=[response])
        assert spoken(await turn(live)) == 'get_weather answered {"temp": 21}.'


async def test_a_python_function_as_a_tool(url: str) -> None:
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    async with session(url, response_modalities=["TEXT"], tools=[add]) as live:
        await live.send_client_content(turns=user('call add {"a": 1, "b": 2}'))
        messages = []
        async for message in live.receive():
            messages.append(message)
            for call in calls_of([message]):
                result = add(**call.args or {})
                await live.send_tool_response(function_responses=answered(call, result=result))
        assert text_of(messages) == 'add answered {"result": 3}.'


async def test_the_context_is_updated_in_both_its_parts(url: str) -> None:
    async with session(
        url, CURRENT, system_instruction="Be long.", output_audio_transcription={}
    ) as live:

        async def said(text: str) -> str:
            await live.send_realtime_input(text=text)
            return spoken(await turn(live))

        assert await said("instruction") == "My instruction is: Be long."
        await live.send_context_update(system_instruction="Be concise.")
        assert await said("instruction") == "My instruction is: Be concise."
        await live.send_context_update(tools=[types.Tool(function_declarations=[WEATHER])])
        await live.send_client_content(turns=user("call get_weather {}"))
        assert [call.name for call in calls_of(await turn(live))] == ["get_weather"]
        await live.send_context_update(tools=[])
        assert await said("call get_weather {}") == (
            "There is no function get_weather. Declared: none."
        )


async def test_vertex_with_an_express_key(url: str) -> None:
    client = genai.Client(
        vertexai=True, api_key="test-key", http_options=types.HttpOptions(base_url=url)
    )
    config = types.LiveConnectConfig(
        response_modalities=[types.Modality.TEXT], explicit_vad_signal=True
    )
    model = "gemini-live-2.5-flash"
    async with client.aio.live.connect(model=model, config=config) as live:
        await live.send_client_content(turns=user("hello"))
        messages = await turn(live)
        assert text_of(messages) == "You typed: hello"
        usage = messages[-1].usage_metadata
        assert usage is not None
        assert usage.response_token_count == 4
        await say(live, SPEECH + silence(1.0))
        kinds = [m.voice_activity.voice_activity_type for m in await turn(live) if m.voice_activity]
        assert kinds == [
            types.VoiceActivityType.ACTIVITY_START,
            types.VoiceActivityType.ACTIVITY_END,
        ]


async def test_an_ephemeral_token(url: str) -> None:
    options = types.HttpOptions(base_url=url, api_version="v1alpha")
    client = genai.Client(api_key="auth_tokens/t", http_options=options)
    with pytest.warns(errors.ExperimentalWarning, match="ephemeral token"):
        async with client.aio.live.connect(model=CURRENT) as live:
            assert live.session_id


@pytest.mark.parametrize(
    ("model", "version", "config", "code", "reason"),
    [
        ("gemini-pro", "v1beta", {}, 1008, "models/gemini-pro is not found for API version v1b"),
        (CURRENT, None, {"response_modalities": ["TEXT"]}, 1007, "The requested combination of"),
        (CURRENT, "v1beta", {"proactivity": {"proactive_audio": True}}, 1007, "Invalid JSON pay"),
        (CURRENT, None, {"thinking_config": {"thinking_budget": 0}}, 1007, "Thinking level is"),
    ],
)
async def test_refusals_reach_the_caller_in_the_service_s_words(
    url: str, model: str, version: str | None, config: dict[str, object], code: int, reason: str
) -> None:
    with pytest.raises(errors.APIError, match=reason) as caught:
        async with session(url, model, version=version, **config):
            pass
    assert caught.value.code == code
