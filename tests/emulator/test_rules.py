"""Every rule of a setup and of later messages, with the service's words for breaking it."""

import pytest

from livehandle_emulator.scenario import Scenario
from support.live_session import (
    CURRENT,
    GEMINI,
    HALF_CASCADE,
    TEXT,
    VERTEX,
    VERTEX_HALF_CASCADE,
    Client,
    Json,
    closing_of,
    connected,
    functions,
    kinds,
)

V1ALPHA = GEMINI.replace("v1beta", "v1alpha")
V1 = GEMINI.replace("v1beta", "v1")
OLDER = "models/gemini-3.1-flash-live-preview"
EXTENDED = "models/gemini-3.8-live-extended-thinking"
NATIVE = "models/gemini-2.5-flash-native-audio-preview-12-2025"
VERTEX_CURRENT = "publishers/google/models/gemini-3.8-live"
ARGUMENT = "Request contains an invalid argument."
DEEP: Json = {"thinkingConfig": {"thinkingLevel": "HIGH"}}


def unknown(name: str, at: str) -> str:
    return f"Invalid JSON payload received. Unknown name \"{name}\" at '{at}': Cannot find field."


def not_found(model: str, version: str) -> str:
    return (
        f"{model} is not found for API version {version}, "
        "or is not supported for bidiGenerateContent."
    )


def combination(names: str) -> str:
    return (
        f"The requested combination of response modalities ({names}) is not supported by the model."
    )


def modalities(*names: str) -> Json:
    return {"generationConfig": {"responseModalities": list(names)}}


def realtime_config(**detection: object) -> Json:
    return {"realtimeInputConfig": {"automaticActivityDetection": detection}}


@pytest.mark.parametrize(
    ("path", "setup"),
    [
        (GEMINI, {"model": HALF_CASCADE}),
        (GEMINI, {"model": HALF_CASCADE, **modalities("TEXT")}),
        (GEMINI, {"model": HALF_CASCADE, **modalities("audio")}),
        (GEMINI, {"model": NATIVE, **modalities("AUDIO")}),
        (GEMINI, {"model": "models/gemini-3.5-transcribe-live", **modalities("TEXT")}),
        (GEMINI, {"model": HALF_CASCADE, "proactivity": {"proactiveAudio": True}}),
        (V1ALPHA, {"model": CURRENT, "proactivity": {"proactiveAudio": True}}),
        (GEMINI, {"model": HALF_CASCADE, "generationConfig": {"enableAffectiveDialog": True}}),
        (GEMINI, {"model": EXTENDED, "generationConfig": DEEP}),
        (GEMINI, {"model": OLDER, "generationConfig": {"thinkingConfig": {}}}),
        (GEMINI, {"model": CURRENT, "tools": functions("f", behavior="BLOCKING")}),
        (GEMINI, {"model": CURRENT, "sessionResumption": {}}),
        (GEMINI, {"model": CURRENT, "contextWindowCompression": {"triggerTokens": "25600"}}),
        (GEMINI, {"model": CURRENT, **realtime_config(silenceDurationMs=0)}),
        (VERTEX, {"model": VERTEX_HALF_CASCADE, "explicitVadSignal": True}),
        (VERTEX, {"model": VERTEX_CURRENT, "sessionResumption": {"transparent": True}}),
        (VERTEX, {"model": VERTEX_CURRENT, "avatarConfig": {}, **modalities("VIDEO")}),
        (GEMINI, {"model": "tunedModels/gemini-live-mine"}),
    ],
)
def test_setups_that_are_taken(path: str, setup: Json) -> None:
    assert kinds(Client(path=path).send({"setup": setup})) == ["setupComplete"]


@pytest.mark.parametrize(
    ("path", "setup", "code", "reason"),
    [
        (
            GEMINI,
            {"model": "models/gemini-1.5-flash"},
            1008,
            not_found("models/gemini-1.5-flash", "v1beta"),
        ),
        (V1, {"model": "models/x"}, 1008, not_found("models/x", "v1")),
        (GEMINI, {"model": "gemini-3.8-live"}, 1008, "gemini-3.8-live is not found"),
        (GEMINI, {}, 1008, " is not found for API version v1beta"),
        (GEMINI, {"model": VERTEX_CURRENT}, 1008, VERTEX_CURRENT + " is not found"),
        (
            VERTEX,
            {"model": CURRENT},
            1008,
            "Publisher Model `models/gemini-3.8-live` was not found",
        ),
        (
            VERTEX,
            {"model": VERTEX_HALF_CASCADE.replace("us-central1", "global")},
            1008,
            "Publisher Model `projects/p/locations/global/",
        ),
        (GEMINI, {"explicitVadSignal": True}, 1007, unknown("explicitVadSignal", "setup")),
        (
            GEMINI,
            {"sessionResumption": {"transparent": True}},
            1007,
            unknown("transparent", "setup.session_resumption"),
        ),
        (GEMINI, {"model": CURRENT, "proactivity": {}}, 1007, unknown("proactivity", "setup")),
        (V1, {"model": OLDER, "proactivity": {}}, 1007, unknown("proactivity", "setup")),
        (
            V1ALPHA,
            {"model": CURRENT, "proactivity": {"proactiveAudio": False}},
            1007,
            "Proactive audio cannot be disabled",
        ),
        *[
            (
                GEMINI,
                {"model": model, **modalities(*names)},
                1007,
                combination(", ".join(names)),
            )
            for model, names in [
                (NATIVE, ["TEXT"]),
                (CURRENT, ["TEXT"]),
                (OLDER, ["TEXT"]),
                (HALF_CASCADE, ["TEXT", "AUDIO"]),
                (HALF_CASCADE, ["VIDEO"]),
                ("models/gemini-3.5-transcribe-live", ["AUDIO"]),
                ("models/gemini-robotics-er-2-streaming-preview", ["AUDIO"]),
            ]
        ],
        (
            GEMINI,
            modalities("SOUND"),
            1007,
            "Invalid value at 'setup.generation_config.response_modalities' (TYPE_ENUM), \"SOUND\"",
        ),
        (
            GEMINI,
            {"model": CURRENT, "generationConfig": {"thinkingConfig": {}}},
            1007,
            "Thinking level is not supported",
        ),
        (GEMINI, {"model": EXTENDED}, 1007, "Thinking level must be specified"),
        (
            GEMINI,
            {"model": EXTENDED, "generationConfig": {"thinkingConfig": {"thinkingBudget": 5}}},
            1007,
            "Thinking level must be specified",
        ),
        (
            GEMINI,
            {
                "model": EXTENDED,
                "generationConfig": DEEP,
                "tools": functions("f", behavior="BLOCKING"),
            },
            1007,
            "BLOCKING function calls are not supported",
        ),
        (GEMINI, {"tools": functions(*[f"f{i}" for i in range(513)])}, 1007, ARGUMENT),
        (
            GEMINI,
            {"tools": functions("f", behavior="SOMETIMES")},
            1007,
            "Invalid value at 'setup.tools[0].function_declarations[0].behavior' (TYPE_ENUM)",
        ),
        (
            GEMINI,
            {"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"$ref": "x"}}]}]},
            1007,
            unknown("$ref", "setup.tools[0].function_declarations[0].parameters")[:100],
        ),
        (
            GEMINI,
            realtime_config(startOfSpeechSensitivity="HIGH"),
            1007,
            "Invalid value at 'setup.realtime_input_config.automatic_activity_detection.",
        ),
        (
            GEMINI,
            realtime_config(endOfSpeechSensitivity="END_SENSITIVITY_MEDIUM"),
            1007,
            "Invalid value at 'setup.realtime_input_config.automatic_activity_detection.",
        ),
        (GEMINI, realtime_config(silenceDurationMs=-1), 1007, ARGUMENT),
        (GEMINI, realtime_config(prefixPaddingMs=-1), 1007, ARGUMENT),
        (
            GEMINI,
            {"realtimeInputConfig": {"activityHandling": "SOMETIMES"}},
            1007,
            "Invalid value at 'setup.realtime_input_config.activity_handling' (TYPE_ENUM)",
        ),
        (
            VERTEX,
            {
                "model": VERTEX_CURRENT,
                "realtimeInputConfig": {
                    "turnCoverage": "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"
                },
            },
            1007,
            ARGUMENT,
        ),
        (
            GEMINI,
            {"generationConfig": {"mediaResolution": "LOW"}},
            1007,
            "Invalid value at 'setup.generation_config.media_resolution' (TYPE_ENUM)",
        ),
    ],
)
def test_setups_that_are_refused(path: str, setup: Json, code: int, reason: str) -> None:
    whole = {"model": VERTEX_HALF_CASCADE if path == VERTEX else HALF_CASCADE, **setup}
    if not setup:
        whole = {}
    closing = closing_of(Client(path=path).send({"setup": whole}))
    assert closing is not None
    assert closing[0] == code
    assert closing[1].startswith(reason[:123])


def test_a_scenario_can_name_the_models_there_are() -> None:
    scenario = Scenario(models=["house-model"])
    ours = Client(scenario=scenario).send({"setup": {"model": "models/house-model"}})
    assert kinds(ours) == ["setupComplete"]
    theirs = closing_of(Client(scenario=scenario).send({"setup": {"model": CURRENT}}))
    assert theirs is not None
    assert theirs[0] == 1008


OFF: Json = {"automaticActivityDetection": {"disabled": True}}


@pytest.mark.parametrize(
    ("setup", "message", "code", "reason"),
    [
        (
            {},
            {"realtimeInput": {"activityStart": {}}},
            1007,
            "Explicit activity control is not supported when automatic activity detection is",
        ),
        ({}, {"realtimeInput": {"activityEnd": {}}}, 1007, "Explicit activity control"),
        (
            {"realtimeInputConfig": OFF},
            {"realtimeInput": {"audioStreamEnd": True}},
            1007,
            "Audio stream end is not supported",
        ),
        ({}, {"realtimeInput": {}}, 1007, ARGUMENT),
        (
            {},
            {"realtimeInput": {"text": "a", "audioStreamEnd": True}},
            1007,
            ARGUMENT,
        ),
        ({}, {"clientContent": {"turns": [{"role": "system"}]}}, 1007, ARGUMENT),
        ({}, {"clientContent": {"turns": [{"role": "assistant"}]}}, 1007, ARGUMENT),
        (
            {},
            {
                "clientContent": {
                    "turns": [
                        {
                            "parts": [
                                {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": ""}}
                            ]
                        }
                    ]
                }
            },
            1008,
            "Operation is not implemented, or supported, or enabled.",
        ),
        (
            {},
            {
                "clientContent": {
                    "turns": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "!"}}]}]
                }
            },
            1007,
            "Invalid value at 'client_content.turns[0].parts[0].inline_data.data' (TYPE_BYTES)",
        ),
        (
            {},
            {"realtimeInput": {"audio": {"mimeType": "audio/pcm", "data": "!"}}},
            1007,
            "Invalid value at 'realtime_input.audio.data' (TYPE_BYTES)",
        ),
        ({}, {"realtimeInput": {"audio": {"mimeType": "audio/ogg"}}}, 1007, ARGUMENT),
        ({}, {"realtimeInput": {"video": {"mimeType": "video/mp4"}}}, 1007, ARGUMENT),
        ({}, {"toolResponse": {"functionResponses": [{"name": "f"}]}}, 1007, ARGUMENT),
        (
            {},
            {"toolResponse": {"functionResponses": [{"id": "1", "scheduling": "LATER"}]}},
            1007,
            "Invalid value at 'tool_response.function_responses[0].scheduling' (TYPE_ENUM)",
        ),
        (
            {"model": EXTENDED, "generationConfig": DEEP},
            {"toolResponse": {"functionResponses": [{"id": "1", "scheduling": "SILENT"}]}},
            1007,
            "Function response scheduling is not supported",
        ),
        (
            {"model": EXTENDED, "generationConfig": DEEP},
            {"contextUpdate": {"tools": {"tools": functions("f", behavior="BLOCKING")}}},
            1007,
            "BLOCKING function calls are not supported",
        ),
        ({}, {"setup": {"model": CURRENT}}, 1007, "setup must be the first message and only"),
    ],
)
def test_messages_that_are_refused(setup: Json, message: Json, code: int, reason: str) -> None:
    closing = closing_of(connected(**setup).send(message))
    assert closing is not None
    assert closing[0] == code
    assert closing[1].startswith(reason[:123])


@pytest.mark.parametrize(
    "message",
    [
        {"clientContent": {"turns": [{"role": "system"}]}},
        {"toolResponse": {"functionResponses": [{"id": "1", "willContinue": True}]}},
    ],
)
def test_what_vertex_alone_refuses_or_takes(message: Json) -> None:
    """The role works on its 2.5 models alone, and continued answers do not on any."""
    current = Client(path=VERTEX)
    current.send({"setup": {"model": VERTEX_CURRENT}})
    assert closing_of(current.send(message)) is not None
    half_cascade = connected(Client(path=VERTEX), model=VERTEX_HALF_CASCADE)
    taken = closing_of(half_cascade.send(message)) is None
    assert taken is ("clientContent" in message)


def test_an_audio_stream_may_end_where_detection_is_on() -> None:
    client = connected(generationConfig=TEXT)
    assert client.send({"realtimeInput": {"audioStreamEnd": True}}) == []
