"""The setup message of a new connection (wire 2.1)."""

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.config.schema import Config, Context, Session, Voice
from livehandled.gemini.codec import decode_client, encode_setup
from livehandled.gemini.models import traits_of
from livehandled.gemini.opening import (
    blocks,
    declarations,
    detects_activity,
    setup_for,
    setup_message,
    tools_with,
)

DEFAULT: dict[str, Any] = {
    "model": "models/gemini-3.8-live",
    "generationConfig": {"responseModalities": ["AUDIO"]},
    "inputAudioTranscription": {},
    "outputAudioTranscription": {},
    "sessionResumption": {},
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


# One connection's setup.

NEW = traits_of("gemini-3.8-live", "gemini")
OLD = traits_of("gemini-live-2.5-flash", "gemini")


def test_a_session_that_begins_is_set_up_as_it_is_configured() -> None:
    assert setup_for(DEFAULT, NEW) == DEFAULT


def test_a_handle_is_in_the_setup_that_resumes_and_nowhere_else() -> None:
    made = setup_for(DEFAULT, NEW, handle="h-2")
    assert made == DEFAULT | {"sessionResumption": {"handle": "h-2"}}
    assert DEFAULT["sessionResumption"] == {}


@pytest.mark.parametrize("handle", [None, ""])
def test_without_a_handle_none_is_sent_not_even_null(handle: str | None) -> None:
    assert setup_for(DEFAULT, NEW, handle=handle)["sessionResumption"] == {}
    nulls: dict[str, object] = {"sessionResumption": {"handle": None, "transparent": None}}
    assert setup(Session(setup=nulls))["sessionResumption"] == {}


def test_only_vertex_is_asked_which_messages_a_handle_covers() -> None:
    vertex = setup(Session(backend="vertex"))
    assert vertex["sessionResumption"] == {"transparent": True}
    model = traits_of("gemini-3.8-live", "vertex")
    assert setup_for(vertex, model, handle="h")["sessionResumption"] == {
        "transparent": True,
        "handle": "h",
    }


def test_where_no_handles_are_wanted_none_are_asked_for_nor_sent() -> None:
    for session in (
        Session(setup={"session_resumption": None}),
        Session(quirks={"resumption": False}),
    ):
        message = setup(session)
        assert "sessionResumption" not in message
        assert setup_for(message, NEW, handle="h") == message


def test_the_users_own_handle_gives_way_to_a_newer_one() -> None:
    message = setup(Session(setup={"session_resumption": {"handle": "own"}}))
    assert setup_for(message, NEW)["sessionResumption"] == {"handle": "own"}
    assert setup_for(message, NEW, handle="newer")["sessionResumption"] == {"handle": "newer"}


def test_with_a_handle_goes_no_trigger_of_the_compression() -> None:
    free: dict[str, object] = {"context_window_compression": {"trigger_tokens": 9000}}
    message = setup(Session(setup=free))
    kept = message["contextWindowCompression"]
    assert kept == {"slidingWindow": {}, "triggerTokens": 9000}
    assert setup_for(message, NEW)["contextWindowCompression"] == kept
    resumed = setup_for(message, NEW, handle="h")
    assert resumed["contextWindowCompression"] == {"slidingWindow": {}}


def test_a_history_is_announced_only_where_one_comes_and_the_model_knows_it() -> None:
    made = setup_for(DEFAULT, NEW, seeding=True)
    assert made == DEFAULT | {"historyConfig": {"initialHistoryInClientContent": True}}
    assert setup_for(DEFAULT, OLD, seeding=True) == DEFAULT


def test_an_instruction_given_meanwhile_replaces_the_configured_one() -> None:
    free: dict[str, object] = {"system_instruction": {"parts": [{"text": "of the table"}]}}
    message = setup(Session(instruction="of the key", setup=free))
    made = setup_for(message, NEW, instruction="newer")
    assert made["systemInstruction"] == {"parts": [{"text": "newer"}]}
    assert setup_for(message, NEW)["systemInstruction"] == {"parts": [{"text": "of the table"}]}


@given(
    handle=st.none() | st.text(min_size=1, max_size=20),
    seeding=st.booleans(),
    instruction=st.none() | st.text(max_size=20),
)
def test_every_connections_setup_is_one_the_service_can_read(
    handle: str | None, seeding: bool, instruction: str | None
) -> None:
    made = setup_for(DEFAULT, NEW, handle=handle, seeding=seeding, instruction=instruction)
    read = decode_client(encode_setup(made)).setup
    assert read is not None
    assert read.session_resumption is not None
    assert read.session_resumption.handle == handle


def test_tools_of_clients_replace_the_configured_list_and_none_leave_it() -> None:
    message = setup(Session(setup={"tools": [{"googleSearch": {}}]}))
    tools = [{"functionDeclarations": [{"name": "f"}]}]
    assert setup_for(message, NEW, tools=tools)["tools"] == tools
    assert setup_for(message, NEW, tools=[])["tools"] == [{"googleSearch": {}}]
    assert "tools" not in setup_for(DEFAULT, NEW, tools=[])


# Functions.

FUNCTIONS: list[dict[str, object]] = [
    {"functionDeclarations": [{"name": "a"}, {"name": "b", "behavior": "BLOCKING"}]},
    {"google_search": {}},
    {"function_declarations": [{"name": "c", "behavior": None}, {"name": "d", "behavior": "x"}]},
]


@pytest.mark.parametrize(
    ("model", "default"),
    [
        ("gemini-3.8-live", "NON_BLOCKING"),
        ("gemini-3.1-flash-live-preview", "BLOCKING"),
        ("gemini-live-2.5-flash", "BLOCKING"),
    ],
)
def test_whether_a_function_blocks_is_always_said(model: str, default: str) -> None:
    session = Session(model=model, setup={"tools": FUNCTIONS})
    message = setup(session)
    declared = [d for tool in message["tools"] for d in tool.get("functionDeclarations", [])]
    behaviours = {d["name"]: d["behavior"] for d in declared}
    assert behaviours == {"a": default, "b": "BLOCKING", "c": default, "d": "x"}
    traits = traits_of(model, "gemini")
    assert blocks(message, "a", traits) is (default == "BLOCKING")
    assert blocks(message, "b", traits)
    assert blocks(message, "of no declaration", traits) is (default == "BLOCKING")
    assert session.setup == {"tools": FUNCTIONS}
    assert FUNCTIONS[0]["functionDeclarations"] == [
        {"name": "a"},
        {"name": "b", "behavior": "BLOCKING"},
    ]


@pytest.mark.parametrize("tools", [None, [], {}, "x", [1, {"functionDeclarations": {}}], [{}]])
def test_tools_that_are_none_stay_as_they_are(tools: object) -> None:
    assert setup(Session(setup={"tools": tools})).get("tools") == tools


def test_a_parameter_that_may_be_null_is_spelled_as_the_service_has_it() -> None:
    parameters = {"type": "object", "properties": {"type": {"type": ["string", "null"]}}}
    tools: list[object] = [{"functionDeclarations": [{"name": "f", "parameters": parameters}]}]
    message = setup(Session(setup={"tools": tools}))
    assert message["tools"][0]["functionDeclarations"][0]["parameters"] == {
        "type": "object",
        "properties": {"type": {"type": "string", "nullable": True}},
    }
    assert parameters["properties"] == {"type": {"type": ["string", "null"]}}


# Functions of clients.

CONFIGURED: dict[str, object] = {
    "tools": [
        {"functionDeclarations": [{"name": "a"}, {"name": "b"}]},
        {"googleSearch": {}},
        {"functionDeclarations": [{"name": "c"}], "codeExecution": {}},
    ]
}


def test_functions_of_clients_stand_last_with_the_behaviour_that_the_model_has_by_itself() -> None:
    made = tools_with(CONFIGURED, [{"name": "d"}, {"name": "e", "behavior": "BLOCKING"}], NEW)
    assert made[:3] == CONFIGURED["tools"]
    assert made[3:] == [
        {
            "functionDeclarations": [
                {"name": "d", "behavior": "NON_BLOCKING"},
                {"name": "e", "behavior": "BLOCKING"},
            ]
        }
    ]
    assert tools_with({}, [{"name": "d"}], OLD) == [
        {"functionDeclarations": [{"name": "d", "behavior": "BLOCKING"}]}
    ]


def test_a_function_of_a_client_takes_the_place_of_the_configured_one() -> None:
    made = tools_with(CONFIGURED, [{"name": name} for name in "cab"], NEW)
    assert [one["name"] for one in declarations({"tools": made})] == ["c", "a", "b"]
    assert made[:2] == [{"googleSearch": {}}, {"functionDeclarations": [], "codeExecution": {}}]


def test_without_functions_of_clients_the_list_is_the_configured_one() -> None:
    assert tools_with(CONFIGURED, [], NEW) == CONFIGURED["tools"]
    assert tools_with({}, [], NEW) == []
