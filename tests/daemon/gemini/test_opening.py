"""The setup message of a new connection (wire 2.1)."""

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.config.schema import Config, Context, Session, Voice
from livehandled.gemini.codec import decode_client, encode_setup
from livehandled.gemini.opening import detects_activity, setup_message

DEFAULT: dict[str, Any] = {
    "model": "models/gemini-3.8-live",
    "generationConfig": {"responseModalities": ["AUDIO"]},
    "inputAudioTranscription": {},
    "outputAudioTranscription": {},
    "contextWindowCompression": {"slidingWindow": {}},
}


def setup(session: Session) -> dict[str, Any]:
    return setup_message(Config(session=session))


def test_the_default_setup_is_the_documented_one() -> None:
    assert setup_message(Config()) == DEFAULT


def test_text_has_no_output_to_transcribe() -> None:
    message = setup(Session(modality="text", model="gemini-live-2.5-flash"))
    assert message["generationConfig"] == {"responseModalities": ["TEXT"]}
    assert message["inputAudioTranscription"] == {}
    assert "outputAudioTranscription" not in message


@pytest.mark.parametrize(
    "model",
    ["gemini-3.8-live", "gemini-3.1-flash-live-preview", "gemini-2.5-flash-native-audio-latest"],
)
def test_j6_a_model_that_only_speaks_is_asked_for_speech_and_its_transcription(model: str) -> None:
    # A TEXT modality closes the session with 1007.
    text, audio = (setup(Session(modality=m, model=model)) for m in ("text", "audio"))
    assert text == audio
    assert text["generationConfig"] == {"responseModalities": ["AUDIO"]}
    assert text["outputAudioTranscription"] == {}


def test_j6_the_free_table_has_the_last_word_on_the_modality() -> None:
    free: dict[str, object] = {"generation_config": {"response_modalities": ["TEXT"]}}
    message = setup(Session(modality="text", setup=free))
    assert message["generationConfig"] == {"responseModalities": ["TEXT"]}


def voiced(
    authority: Literal["server", "client"],
    model: str = "gemini-3.8-live",
    free: dict[str, object] | None = None,
) -> dict[str, Any]:
    session = Session(model=model, setup=free or {})
    return setup_message(Config(session=session, voice=Voice(authority=authority)))


def test_b13_with_server_authority_the_service_detects_activity() -> None:
    message = voiced("server")
    assert message == DEFAULT
    assert detects_activity(message)


@pytest.mark.parametrize("model", ["gemini-3.8-live", "gemini-live-2.5-flash-native-audio", "m"])
def test_b13_with_client_authority_it_does_not(model: str) -> None:
    message = voiced("client", model)
    assert message["realtimeInputConfig"] == {"automaticActivityDetection": {"disabled": True}}
    assert not detects_activity(message)


def test_b13_without_detection_3_1_hears_nothing_but_by_its_coverage() -> None:
    message = voiced("client", "models/gemini-3.1-flash-live-preview")
    assert message["realtimeInputConfig"] == {
        "automaticActivityDetection": {"disabled": True},
        "turnCoverage": "TURN_INCLUDES_ALL_INPUT",
    }
    assert "realtimeInputConfig" not in voiced("server", "gemini-3.1-flash-live-preview")


@pytest.mark.parametrize(
    ("authority", "free", "detects"),
    [
        ("client", {"realtimeInputConfig": {}}, False),
        ("client", {"realtimeInputConfig": {"activityHandling": "NO_INTERRUPTION"}}, False),
        (
            "client",
            {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": False}}},
            True,
        ),
        (
            "client",
            {"realtime_input_config": {"automatic_activity_detection": {"disabled": False}}},
            True,
        ),
        ("client", {"realtime_input_config": None}, True),
        ("client", {"realtimeInputConfig": {"automatic_activity_detection": None}}, True),
        (
            "server",
            {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}},
            False,
        ),
        (
            "server",
            {"realtime_input_config": {"automatic_activity_detection": {"disabled": True}}},
            False,
        ),
        (
            "server",
            {"realtime_input_config": {"automatic_activity_detection": {"prefix_padding_ms": 9}}},
            True,
        ),
        ("server", {"realtimeInputConfig": {"automaticActivityDetection": []}}, True),
        ("server", {"realtimeInputConfig": "x"}, True),
    ],
)
def test_b13_what_the_merged_setup_says_counts_in_either_spelling(
    authority: Literal["server", "client"], free: dict[str, object], detects: bool
) -> None:
    assert detects_activity(voiced(authority, free=free)) is detects


@pytest.mark.parametrize(
    ("session", "speech"),
    [
        (Session(voice="Puck"), {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}}),
        (Session(language="de-DE"), {"languageCode": "de-DE"}),
        (
            Session(voice="Puck", language="de-DE"),
            {
                "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}},
                "languageCode": "de-DE",
            },
        ),
    ],
)
def test_voice_and_language_are_in_the_speech_config(
    session: Session, speech: dict[str, object]
) -> None:
    assert setup(session)["generationConfig"]["speechConfig"] == speech


def test_the_instruction_is_content_of_one_text_part() -> None:
    message = setup(Session(instruction="Be brief."))
    assert message["systemInstruction"] == {"parts": [{"text": "Be brief."}]}


def test_compression_can_be_off() -> None:
    message = setup_message(Config(context=Context(compression=False)))
    assert message == {k: v for k, v in DEFAULT.items() if k != "contextWindowCompression"}


def test_the_model_has_the_name_of_its_backend() -> None:
    message = setup(Session(backend="vertex", model="m", project="p", location="eu"))
    assert message["model"] == "projects/p/locations/eu/publishers/google/models/m"


@pytest.mark.parametrize(
    ("free", "changed"),
    [
        ({}, {}),
        ({"model": "models/other"}, {"model": "models/other"}),
        (
            {"generationConfig": {"temperature": 0.5}},
            {"generationConfig": {"responseModalities": ["AUDIO"], "temperature": 0.5}},
        ),
        (
            {"generation_config": {"response_modalities": ["TEXT"]}},
            {"generationConfig": {"responseModalities": ["TEXT"]}},
        ),
        ({"generationConfig": {"responseModalities": None}}, {"generationConfig": {}}),
        (
            {"context_window_compression": {"sliding_window": {"target_tokens": 5}}},
            {"contextWindowCompression": {"slidingWindow": {"targetTokens": 5}}},
        ),
        ({"labels": {"my_label": "a"}}, {"labels": {"my_label": "a"}}),
        ({"brand_new": {"its_own": None, "x": 1}}, {"brand_new": {"x": 1}}),
        ({"inputAudioTranscription": []}, {"inputAudioTranscription": []}),
        ({"model": {"a": 1}}, {"model": {"a": 1}}),
    ],
)
def test_the_free_table_is_merged_last_in_either_spelling(
    free: dict[str, object], changed: dict[str, object]
) -> None:
    assert setup(Session(setup=free)) == DEFAULT | changed


@pytest.mark.parametrize("name", ["outputAudioTranscription", "output_audio_transcription"])
def test_a_null_removes_a_field(name: str) -> None:
    expected = {k: v for k, v in DEFAULT.items() if k != "outputAudioTranscription"}
    assert setup(Session(setup={name: None, "nothing": None})) == expected


def test_the_configuration_stays_as_it_is() -> None:
    free: dict[str, object] = {"generation_config": {"seed": 1}}
    session = Session(setup=free)
    setup(session)
    assert session.setup == {"generation_config": {"seed": 1}}


@given(
    modality=st.sampled_from(["audio", "text"]),
    texts=st.tuples(*[st.text(max_size=20)] * 4),
    compression=st.booleans(),
)
def test_every_setup_is_one_the_service_can_read(
    modality: str, texts: tuple[str, str, str, str], compression: bool
) -> None:
    instruction, voice, language, model = texts
    session = Session(
        modality="text" if modality == "text" else "audio",
        instruction=instruction,
        voice=voice,
        language=language,
        model=model,
    )
    message = setup_message(Config(session=session, context=Context(compression=compression)))
    frame = encode_setup(message)
    read = decode_client(frame).setup
    assert read is not None
    assert json.loads(frame) == {"setup": message}
