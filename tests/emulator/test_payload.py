"""Frames that are messages, and the words for those that are not."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_emulator.closing import RefusedError
from livehandle_emulator.payload import audio_in, bytes_in, image_in, message_in
from livehandled.gemini.content import Blob

JSON_ERROR = "Invalid JSON payload received. "


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("", JSON_ERROR + "Unexpected token."),
        ("nonsense", JSON_ERROR + "Unexpected token."),
        ('{"setup":', JSON_ERROR + "Unexpected token."),
        ("[]", JSON_ERROR + "Root element must be a message."),
        ("7", JSON_ERROR + "Root element must be a message."),
        ('{"a":' * 50_000, JSON_ERROR + "Unexpected token."),
        ("{}", "Request contains an invalid argument."),
        ('{"setup":null}', "Request contains an invalid argument."),
        ('{"bogus":{}}', JSON_ERROR + 'Unknown name "bogus": Cannot find field.'),
        ('{"setup":{"x":1}}', JSON_ERROR + "Unknown name \"x\" at 'setup': Cannot find field."),
        (
            '{"clientContent":{"turns":[{"parts":[{"txt":"a"}]}]}}',
            JSON_ERROR
            + "Unknown name \"txt\" at 'client_content.turns[0].parts[0]': Cannot find field.",
        ),
        (
            '{"clientContent":{"turnComplete":"perhaps"}}',
            "Invalid value at 'client_content.turn_complete' (TYPE_BOOL)",
        ),
        ('{"realtimeInput":{"text":5}}', "Invalid value at 'realtime_input.text' (TYPE_STRING)"),
        (
            '{"setup":{"generationConfig":{"topK":"many"}}}',
            "Invalid value at 'setup.generation_config.top_k' (TYPE_DOUBLE)",
        ),
        (
            '{"setup":{"contextWindowCompression":{"triggerTokens":1.5}}}',
            "Invalid value at 'setup.context_window_compression.trigger_tokens' (TYPE_INT32)",
        ),
        (
            '{"toolResponse":{"functionResponses":[{"id":"1","response":"x"}]}}',
            "Invalid value at 'tool_response.function_responses[0].response' (TYPE_MESSAGE)",
        ),
        (
            '{"realtimeInput":{"text":"a"},"clientContent":{}}',
            JSON_ERROR + "Invalid value (oneof), oneof field 'message_type' is already set. "
            "Cannot set 'realtime_input'",
        ),
    ],
)
def test_frames_that_are_refused(frame: str, reason: str) -> None:
    with pytest.raises(RefusedError) as caught:
        message_in(frame.encode())
    assert caught.value.close == (1007, reason[:123])


@pytest.mark.parametrize(
    "frame",
    [
        '{"realtimeInput":{"audioStreamEnd":true}}',
        '{"realtime_input":{"audio_stream_end":true}}',
        '{"realtime_input":{"audioStreamEnd":true}}',
    ],
)
def test_both_spellings_at_every_level(frame: str) -> None:
    message = message_in(frame.encode())
    assert message.realtime_input is not None
    assert message.realtime_input.audio_stream_end is True


@given(st.binary(max_size=80))
def test_no_bytes_raise_anything_but_a_refusal(frame: bytes) -> None:
    with suppress(RefusedError):
        message_in(frame)


@given(st.binary(max_size=80), st.booleans(), st.booleans())
def test_base64_in_either_alphabet_padded_or_not(data: bytes, url: bool, padded: bool) -> None:
    encoded = (base64.urlsafe_b64encode if url else base64.b64encode)(data).decode()
    assert bytes_in(Blob(data=encoded if padded else encoded.rstrip("=")), "x") == data


@pytest.mark.parametrize("data", ["not base64!", "A", "AAA=A", "é", "AA\n=="])
def test_what_is_not_base64_is_refused(data: str) -> None:
    with pytest.raises(RefusedError) as caught:
        bytes_in(Blob(data=data), "realtime_input.audio")
    assert caught.value.close == (
        1007,
        "Invalid value at 'realtime_input.audio.data' (TYPE_BYTES), Base64 decoding failed",
    )


@pytest.mark.parametrize(
    ("mime_type", "rate"),
    [
        ("audio/pcm", 16_000),
        ("audio/pcm;rate=24000", 24_000),
        ("audio/pcm; rate=8000", 8_000),
        ("audio/pcm;channels=1;rate=48000", 48_000),
    ],
)
def test_the_rate_is_the_stated_one(mime_type: str, rate: int) -> None:
    assert audio_in(Blob(mime_type=mime_type, data="AAE="), "x") == (b"\x00\x01", rate)


@pytest.mark.parametrize(
    "mime_type",
    [
        "",
        "audio/wav",
        "image/png",
        "audio/pcm;rate=10",
        "audio/pcm;rate=9999999",
        "audio/pcm;rate=" + "9" * 5000,
    ],
)
def test_what_is_not_pcm_is_refused(mime_type: str) -> None:
    with pytest.raises(RefusedError):
        audio_in(Blob(mime_type=mime_type, data="AAE="), "x")


def test_a_picture_is_an_image_of_some_kind() -> None:
    assert image_in(Blob(mime_type="image/jpeg", data="_9j_"), "x") == b"\xff\xd8\xff"
    with pytest.raises(RefusedError):
        image_in(Blob(mime_type="video/mp4", data="_9j_"), "x")
