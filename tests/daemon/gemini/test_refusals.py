"""Setups refused before they are sent, each against the emulator, which knows many of the rules."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.errors import LiveHandleError
from livehandled.config.schema import Config, Session
from livehandled.gemini.endpoints import endpoint
from livehandled.gemini.models import traits_of
from livehandled.gemini.opening import setup_message
from livehandled.gemini.refusal_rows import ROWS
from livehandled.gemini.refusals import refused, refused_tools
from support.live_session import Client, closing_of, kinds

Table = dict[str, object]

NEW = "gemini-3.8-live"
DEEP = "gemini-3.8-live-extended-thinking"
OLDER = "gemini-3.1-flash-live-preview"
NATIVE = "gemini-2.5-flash-native-audio-latest"
CASCADE = "gemini-live-2.5-flash-preview"
ALL_VIDEO = "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"
VERTEX = "vertex"
LOUD: Table = {"generation_config": {"thinking_config": {"thinking_level": "LOW"}}}


def generation(**fields: object) -> Table:
    return {"generationConfig": fields}


def realtime(**fields: object) -> Table:
    return {"realtimeInputConfig": fields}


def detection(**fields: object) -> Table:
    return realtime(automaticActivityDetection=fields)


def functions(*declarations: Table) -> Table:
    return {"tools": [{"functionDeclarations": list(declarations)}]}


def many(count: int) -> Table:
    declarations: list[Table] = [{"name": f"f{i}"} for i in range(count)]
    return functions(*declarations)


def function(**fields: object) -> Table:
    return functions({"name": "f", **fields})


class Case(NamedTuple):
    field: str
    free: Table
    model: str = NEW
    backend: str = "gemini"
    does: str = "closes"
    """What the emulator does: closes, hangs, closes `later`, or knows `nothing` of the rule."""
    version: str = ""

    def session(self) -> Session:
        return Session(
            backend="vertex" if self.backend == VERTEX else "gemini",
            model=self.model,
            location="us-central1",
            project="p" if self.backend == VERTEX else "",
            api_version=self.version,
            setup=self.free,
        )


IMAGE = "generationConfig.responseModalities[0]"
VOICE = "generationConfig.speechConfig"
F = "tools[0].functionDeclarations[0]"
DETECTION = "realtimeInputConfig.automaticActivityDetection"
UNSAID = "nothing"

CASES = [
    Case("sessionResumption.transparent", {"sessionResumption": {"transparent": True}}),
    Case("sessionResumption.transparent", {"session_resumption": {"transparent": False}}),
    Case("explicitVadSignal", {"explicitVadSignal": False}),
    Case("proactivity", {"proactivity": {"proactiveAudio": True}}),
    Case("proactivity", {"proactivity": {}}, version="v1"),
    Case("proactivity", {"proactivity": {}}, NATIVE, does=UNSAID),
    Case(
        "proactivity.proactiveAudio",
        {"proactivity": {"proactive_audio": False}},
        version="v1alpha",
    ),
    Case("proactivity.proactiveAudio", {"proactivity": {"proactiveAudio": False}}, NEW, VERTEX),
    Case(
        "generationConfig.enableAffectiveDialog",
        generation(enableAffectiveDialog=True),
        OLDER,
        does="hangs",
    ),
    Case(
        "generationConfig.enableAffectiveDialog",
        generation(enableAffectiveDialog=True),
        does="later",
    ),
    Case(
        "generationConfig.enableAffectiveDialog",
        generation(enableAffectiveDialog=True),
        NATIVE,
        does=UNSAID,
    ),
    Case("safetySettings[0].method", {"safetySettings": [{"method": "SEVERITY"}]}, does=UNSAID),
    *(
        Case(f"tools[0].{name}", {"tools": [{name: {}}]}, does=UNSAID)
        for name in ("retrieval", "enterpriseWebSearch", "parallelAiSearch", "exaAiSearch")
    ),
    *(
        Case(
            f"tools[0].googleSearch.{name}", {"tools": [{"googleSearch": {name: []}}]}, does=UNSAID
        )
        for name in ("excludeDomains", "blockingConfidence")
    ),
    Case("tools[1].fileSearch", {"tools": [{}, {"file_search": {}}]}, NEW, VERTEX, UNSAID),
    *(
        Case(
            f"{VOICE}.voiceConfig.replicatedVoiceConfig.{name}",
            generation(speechConfig={"voiceConfig": {"replicatedVoiceConfig": {name: "x"}}}),
            NEW,
            VERTEX,
            UNSAID,
        )
        for name in ("consentAudio", "voiceConsentSignature")
    ),
    Case("generationConfig.thinkingConfig", generation(thinkingConfig={})),
    Case("generationConfig.thinkingConfig", LOUD),
    Case("generationConfig.thinkingConfig.thinkingLevel", {}, DEEP),
    Case("generationConfig.thinkingConfig.thinkingLevel", generation(thinkingConfig={}), DEEP),
    Case(
        "generationConfig.thinkingConfig.thinkingLevel",
        generation(thinkingConfig={"thinkingLevel": "MINIMAL"}),
        DEEP,
    ),
    Case(f"{F}.behavior", {**function(behavior="blocking"), **LOUD}, DEEP),
    *(Case(IMAGE, generation(responseModalities=["TEXT"]), m) for m in (NEW, OLDER, NATIVE)),
    Case(IMAGE, generation(responseModalities=["AUDIO"]), "gemini-3.5-transcribe-live"),
    Case(IMAGE, {}, "gemini-robotics-er-2-streaming-preview"),
    Case(IMAGE, generation(responseModalities=["VIDEO"])),
    Case(IMAGE, generation(responseModalities=["IMAGE"]), CASCADE),
    Case(IMAGE, generation(responseModalities=["VIDEO"]), "gemini-live-2.5-flash", VERTEX),
    Case("generationConfig.responseModalities", generation(responseModalities=[]), does=UNSAID),
    Case(
        "generationConfig.responseModalities",
        generation(responseModalities=["AUDIO", "TEXT"]),
        CASCADE,
    ),
    Case("realtimeInputConfig.turnCoverage", realtime(turnCoverage=ALL_VIDEO), NEW, VERTEX),
    Case("avatarConfig", {"avatarConfig": {}}, does=UNSAID),
    Case("avatarConfig", {"avatar_config": {}}, "gemini-live-2.5-flash", VERTEX, UNSAID),
    Case("avatarConfig", {"avatarConfig": {}}, NEW, VERTEX, UNSAID),
    Case(
        f"{VOICE}.multiSpeakerVoiceConfig",
        generation(speech_config={"multi_speaker_voice_config": {}}),
        does=UNSAID,
    ),
    Case("toolConfig", {"toolConfig": {}}),
    Case("toolConfig", {"tool_config": {"function_calling_config": {}}}),
    *(
        Case(
            f"generationConfig.{name}",
            generation(**{name: {}}),
            does=UNSAID if name == "stopSequences" else "closes",
        )
        for name in (
            "responseSchema",
            "responseJsonSchema",
            "responseMimeType",
            "responseLogprobs",
            "logprobs",
            "stopSequence",
            "routingConfig",
            "audioTimestamp",
        )
    ),
    Case("generationConfig.stopSequences", generation(stop_sequences=["x"]), does=UNSAID),
    Case(
        "contextWindowCompression.triggerTokens",
        {"contextWindowCompression": {"triggerTokens": 9000}, "sessionResumption": {"handle": "h"}},
        does=UNSAID,
    ),
    Case("realtimeInputConfig.turnCoverage", detection(disabled=True), OLDER, does=UNSAID),
    *(
        Case(f"{name}.mode", {name: {"mode": "SMART", "wordTimestamp": True}}, does=UNSAID)
        for name in ("inputAudioTranscription", "outputAudioTranscription")
    ),
    *(
        Case(f"{name}.mode", {name: {"mode": "smarter"}}, does=UNSAID)
        for name in ("inputAudioTranscription", "outputAudioTranscription")
    ),
    Case("tools", many(513)),
    *(
        Case(f"{F}.{name}", function(**{name: {"type": "object"}}), does=UNSAID)
        for name in ("parametersJsonSchema", "responseJsonSchema")
    ),
    Case(f"{DETECTION}.startOfSpeechSensitivity", detection(startOfSpeechSensitivity="HIGH")),
    Case(
        f"{DETECTION}.endOfSpeechSensitivity",
        detection(endOfSpeechSensitivity="SENSITIVITY_LOW"),
    ),
    Case("realtimeInputConfig.activityHandling", realtime(activityHandling="NO_INTERRUPTIONS")),
    Case("realtimeInputConfig.turnCoverage", realtime(turnCoverage="ALL")),
    Case("generationConfig.mediaResolution", generation(mediaResolution="LOW")),
    Case(IMAGE, generation(responseModalities=["SOUND"])),
    Case(
        "generationConfig.thinkingConfig.thinkingLevel",
        generation(thinkingConfig={"thinkingLevel": "MAXIMAL"}),
        OLDER,
    ),
    Case(f"{F}.behavior", function(behavior="SOMETIMES")),
    Case(f"{DETECTION}.prefixPaddingMs", detection(prefixPaddingMs=-1)),
    Case(f"{DETECTION}.silenceDurationMs", detection(silenceDurationMs=-1)),
    # Schemas of functions.
    Case(f"{F}.parameters.$ref", function(parameters={"$ref": "#/$defs/x"})),
    Case(
        f"{F}.parameters.properties.a.items.oneOf",
        function(parameters={"properties": {"a": {"items": {"oneOf": []}}}}),
    ),
    Case(
        f"{F}.parameters.anyOf[1].type",
        function(parameters={"anyOf": [{"type": "null"}, {"type": ["string", "integer"]}]}),
    ),
    Case(f"{F}.response.type", function(response={"type": "text"}), does=UNSAID),
]


def refusal(case: Case) -> LiveHandleError | None:
    session = case.session()
    traits = traits_of(session.model, session.backend)
    return refused(setup_message(Config(session=session)), session, traits)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.field}-{case.model}")
def test_what_the_service_would_not_take_is_refused_by_field_model_and_reason(case: Case) -> None:
    error = refusal(case)
    assert error is not None
    assert error.name == "upstream.unsupported"
    assert error.data["field"] == case.field
    assert error.data["model"] == case.model
    assert str(error.data["why"]) in error.message
    assert case.model in error.message
    assert error.message.endswith(").")


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.does != UNSAID],
    ids=lambda case: f"{case.field}-{case.model}",
)
def test_the_emulator_does_not_take_it_either(case: Case) -> None:
    session = case.session()
    path = endpoint(session).partition(".com")[2]
    client = Client(path=path)
    came = client.send({"setup": setup_message(Config(session=session))})
    if case.does == "hangs":
        assert came == []
        return
    if case.does == "later":
        assert kinds(came) == ["setupComplete"]
        came = client.typed("hello")
    closing = closing_of(came)
    assert closing is not None
    assert closing[0] == 1007


def test_every_row_is_tested() -> None:
    told = {(re.sub(r"\[\d+\]", "[]", c.field), e.data["why"]) for c in CASES if (e := refusal(c))}
    assert {(row.field, row.why) for row in ROWS} <= told


def test_every_row_says_what_it_stands_on() -> None:
    assert all(re.match(r"wire \d", row.source) for row in ROWS)


@pytest.mark.parametrize(
    ("backend", "model", "version", "free"),
    [
        ("gemini", NEW, "", {}),
        ("gemini", OLDER, "", {}),
        ("gemini", NATIVE, "", {}),
        ("gemini", CASCADE, "", generation(responseModalities=["TEXT"])),
        ("gemini", "gemini-3.5-transcribe-live", "", generation(responseModalities=["text"])),
        ("gemini", "a-model-of-tomorrow", "", generation(responseModalities=["TEXT"])),
        ("gemini", DEEP, "", generation(thinkingConfig={"thinkingLevel": "high"})),
        ("gemini", NEW, "v1alpha", {"proactivity": {"proactiveAudio": True}}),
        ("gemini", NATIVE, "v1alpha", generation(enableAffectiveDialog=True)),
        ("gemini", OLDER, "", generation(thinkingConfig={"thinkingLevel": "minimal"})),
        ("gemini", OLDER, "", generation(thinkingConfig={"thinkingLevel": 3})),
        ("gemini", NEW, "", detection(disabled=True)),
        (
            "gemini",
            OLDER,
            "",
            realtime(
                automaticActivityDetection={"disabled": True},
                turnCoverage="TURN_INCLUDES_ALL_INPUT",
            ),
        ),
        ("gemini", NEW, "", realtime(turnCoverage=ALL_VIDEO)),
        ("gemini", NEW, "", realtime(turnCoverage="TURN_COVERAGE_UNSPECIFIED")),
        ("gemini", NEW, "", {"contextWindowCompression": {"triggerTokens": "9000"}}),
        ("gemini", NEW, "", {"sessionResumption": {"handle": "h"}}),
        ("gemini", NEW, "", {"sessionResumption": {"handle": None, "transparent": None}}),
        ("gemini", NEW, "", function(behavior="BLOCKING")),
        ("gemini", NEW, "", many(512)),
        ("gemini", NEW, "", function(parameters={"type": ["string", "null"]})),
        ("gemini", NEW, "", {"a_field_of_tomorrow": {}}),
        ("gemini", NEW, "", {"inputAudioTranscription": {"mode": "SMART"}}),
        ("vertex", NEW, "", {"proactivity": {"proactiveAudio": True}, "explicitVadSignal": True}),
        ("vertex", NEW, "", {"avatarConfig": {}, **generation(responseModalities=["VIDEO"])}),
        ("vertex", NEW, "", {"tools": [{"enterpriseWebSearch": {}}]}),
        ("vertex", "gemini-live-2.5-flash", "", generation(enableAffectiveDialog=True)),
    ],
)
def test_what_the_service_takes_is_not_refused(
    backend: str, model: str, version: str, free: Table
) -> None:
    assert refusal(Case("", free, model, backend, version=version)) is None


def test_a_misspelt_type_is_told_with_the_nearest() -> None:
    error = refusal(Case("", function(parameters={"type": "strng"})))
    assert error is not None
    assert error.data["did_you_mean"] == "string"
    assert error.message == (
        f"Correct {F}.parameters.type: it must be string, number, integer, boolean, array, "
        "object or null; did you mean string (gemini-3.8-live)."
    )


def test_a_misspelt_name_is_told_with_the_nearest() -> None:
    error = refusal(Case("", realtime(activityHandling="NO_INTERRUPTIONS")))
    assert error is not None
    assert error.data["did_you_mean"] == "NO_INTERRUPTION"
    assert error.message == (
        "Set realtimeInputConfig.activityHandling to START_OF_ACTIVITY_INTERRUPTS or "
        "NO_INTERRUPTION: the service knows no other name there (gemini-3.8-live)."
    )


def test_the_message_says_what_to_do() -> None:
    error = refusal(Case("", generation(thinkingConfig={})))
    assert error is not None
    assert error.message == (
        "Leave generationConfig.thinkingConfig out of session.setup: this model is not told how "
        "to think, and closes the session (gemini-3.8-live)."
    )


def test_a_model_that_takes_more_than_the_table_knows_has_a_quirk() -> None:
    case = Case("", generation(thinkingConfig={}))
    session = case.session()
    setup = setup_message(Config(session=session))
    assert refused(setup, session, traits_of(NEW, "gemini")) is not None
    assert refused(setup, session, traits_of(NEW, "gemini", {"checks": False})) is None


def test_a_model_that_also_writes_may_be_asked_to() -> None:
    session = Case("", generation(responseModalities=["TEXT"])).session()
    setup = setup_message(Config(session=session))
    writes = traits_of(NEW, "gemini", {"speech_only": False})
    assert refused(setup, session, writes) is None


# Tool lists of a session that goes on.


def tool_refusal(
    model: str, *declared: Mapping[str, object], checks: bool = True
) -> LiveHandleError | None:
    traits = traits_of(model, "gemini", {"checks": checks})
    tools: list[Table] = [{"googleSearch": {}}, {"functionDeclarations": list(declared)}]
    return refused_tools(tools, Session(model=model), traits)


def test_a_tool_list_is_refused_as_the_setup_with_it_would_be() -> None:
    blocking: Table = {"name": "f", "behavior": "BLOCKING"}
    assert tool_refusal(NEW, blocking) is None
    assert tool_refusal(DEEP, blocking, checks=False) is None
    error = tool_refusal(DEEP, blocking)
    assert error is not None
    assert error.name == "upstream.unsupported"
    assert error.data["field"] == "tools[1].functionDeclarations[0].behavior"


def test_too_many_functions_are_refused_whoever_has_them() -> None:
    assert tool_refusal(NEW, *[{"name": f"f{i}"} for i in range(512)]) is None
    error = tool_refusal(NEW, *[{"name": f"f{i}"} for i in range(513)])
    assert error is not None
    assert "512 functions are the most" in error.message


def test_what_a_setup_lacks_is_no_fault_of_a_tool_list() -> None:
    assert tool_refusal(DEEP, {"name": "f"}) is None  # its setup has to ask for thinking
    assert refused_tools([], Session(model=DEEP), traits_of(DEEP, "gemini")) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("tools", "functionDeclarations", "parameters", "type", "properties", "items"),
                    *("generationConfig", "responseModalities", "thinkingConfig", "anyOf", "x"),
                    *("realtimeInputConfig", "automaticActivityDetection", "sessionResumption"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(free=st.dictionaries(st.text(max_size=5), JSON, max_size=2) | JSON)
def test_whatever_the_free_table_holds_is_told_or_passed_on(free: object) -> None:
    if isinstance(free, dict):
        error = refusal(Case("", free))
        assert error is None or error.name == "upstream.unsupported"
