"""What is refused here because the service would close the session for it, or never answer.

The service says little: a code, and a reason of 123 bytes that rarely names the field. Each row
stands on a measurement or a document (the numbers are of the wire facts and the pains), and a
model of tomorrow that takes what a row refuses gets the quirk `checks = false`.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from livehandle_proto.tools import MAX_FUNCTIONS
from livehandled.gemini.opening import declarations

_LEAVE = "Leave {field} out of session.setup"
_CHOOSE = "Set {field} to {expected}"

_ALL_VIDEO = "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"
_DEEP_LEVELS = ("LOW", "MEDIUM", "HIGH")

_PLAIN_3_8 = r"3\.8(?!.*extended-thinking)"
_ANY_3_8 = r"3\.8"
_DEEP = "extended-thinking"
_WRITES_ONLY = "transcribe|robotics"

Predicate = Callable[[object], bool]


def _present(_value: object) -> bool:
    return True


class Row(NamedTuple):
    """One thing that is refused: where it stands, for whom, and why."""

    field: str
    """Its path in the setup; `[]` is each item of a list. Told as it was found."""
    source: str
    """The fact it stands on."""
    why: str
    wrong: Predicate = _present
    """Whether the value is refused. A null counts as absent."""
    backend: str = ""
    """`gemini` or `vertex`; empty: both."""
    model: str = ""
    """A pattern found in the model's id; empty: any."""
    versions: tuple[str, ...] = ()
    """API versions that know the field: there it is not refused."""
    advice: str = _LEAVE
    expected: tuple[str, ...] = ()
    """The values there are: any other is refused."""
    holder: str | None = None
    """Path of what `wrong` looks at, if not of the field itself."""
    speaks_only: bool = False
    """For models alone that answer in audio alone."""
    near: str | None = None
    """What was probably meant."""


def at(value: object, *names: str) -> object:
    """Return what stands in an object at names, in either spelling; None if nothing does."""
    for name in names:
        if not isinstance(value, Mapping):
            return None
        snake = re.sub("[A-Z]", lambda m: f"_{m[0].lower()}", name)
        value = value.get(name, value.get(snake))
    return value


def _is(*values: object) -> Predicate:
    def wrong(value: object) -> bool:
        return (value.upper() if isinstance(value, str) else value) in values

    return wrong


def _enum(field: str, source: str, *expected: str) -> Row:
    return Row(
        field,
        source,
        "the service knows no other name there",
        _none_of(expected),
        advice=_CHOOSE,
        expected=expected,
    )


def _none_of(expected: tuple[str, ...]) -> Predicate:
    def wrong(value: object) -> bool:
        # Names count without regard to case, and the numbers of an enumeration are not known.
        return (
            isinstance(value, str)
            and value.upper() not in expected
            and not value.upper().endswith("UNSPECIFIED")
        )

    return wrong


def _negative(value: object) -> bool:
    return isinstance(value, int | float) and value < 0


def _not_one(value: object) -> bool:
    return isinstance(value, list) and len(value) != 1


def _shallow(generation: object) -> bool:
    """Whether a generation configuration has no level that the model can think at."""
    level = at(generation, "thinkingConfig", "thinkingLevel")
    return not (isinstance(level, str) and level.upper() in _DEEP_LEVELS)


def _no_video(setup: object) -> bool:
    asked = at(setup, "generationConfig", "responseModalities")
    return at(setup, "avatarConfig") is not None and asked != ["VIDEO"]


def _trigger_with_handle(setup: object) -> bool:
    handle = at(setup, "sessionResumption", "handle")
    return bool(handle) and at(setup, "contextWindowCompression", "triggerTokens") is not None


def _hears_nothing(realtime: object) -> bool:
    disabled = at(realtime, "automaticActivityDetection", "disabled")
    return disabled is True and at(realtime, "turnCoverage") != "TURN_INCLUDES_ALL_INPUT"


def _too_many(setup: object) -> bool:
    return isinstance(setup, Mapping) and len(list(declarations(setup))) > MAX_FUNCTIONS


def _smart_with_times(transcription: object) -> bool:
    mode = at(transcription, "mode")
    extras = (at(transcription, "wordTimestamp"), at(transcription, "diarization"))
    return isinstance(mode, str) and mode.upper() == "SMART" and any(extras)


_VERTEX_ALONE = "Vertex AI alone has it"
_GEMINI_ALONE = "the Gemini API alone has it"
_ALPHA_ALONE = "v1alpha alone has it on the Gemini API, see session.api_version"
_NOT_LIVE = "a live session does not take it"
_DETECTION = "realtimeInputConfig.automaticActivityDetection"

ROWS: tuple[Row, ...] = (
    # What one backend, or one version of it, does not have.
    Row("sessionResumption.transparent", "wire 2.1, 2.6", _VERTEX_ALONE, backend="gemini"),
    Row("explicitVadSignal", "wire 2.1, 2.6", _VERTEX_ALONE, backend="gemini"),
    Row("proactivity", "wire 1.1, 2.6; G3", _ALPHA_ALONE, backend="gemini", versions=("v1alpha",)),
    Row("safetySettings[].method", "wire 2.1", _VERTEX_ALONE, backend="gemini"),
    *(
        Row(f"tools[].{name}", "wire 2.1.3", _VERTEX_ALONE, backend="gemini")
        for name in ("retrieval", "enterpriseWebSearch", "parallelAiSearch", "exaAiSearch")
    ),
    *(
        Row(f"tools[].googleSearch.{name}", "wire 2.1.3", _VERTEX_ALONE, backend="gemini")
        for name in ("excludeDomains", "blockingConfidence")
    ),
    Row("tools[].fileSearch", "wire 2.1.3", _GEMINI_ALONE, backend="vertex"),
    *(
        Row(
            f"generationConfig.speechConfig.voiceConfig.replicatedVoiceConfig.{name}",
            "wire 2.1.2",
            _GEMINI_ALONE,
            backend="vertex",
        )
        for name in ("consentAudio", "voiceConsentSignature")
    ),
    # What a model does not take.
    Row(
        "proactivity.proactiveAudio",
        "wire 2.1",
        "this model is always proactive, and closes the session",
        _is(False),
        model=_ANY_3_8,
    ),
    Row(
        "generationConfig.enableAffectiveDialog",
        "wire 2.1.1, 5",
        "this model never answers such a setup",
        model=r"3\.1",
    ),
    Row(
        "generationConfig.enableAffectiveDialog",
        "wire 2.1.1, 5",
        "this model has it no more, and closes the session at the first turn",
        model=_ANY_3_8,
    ),
    Row(
        "generationConfig.enableAffectiveDialog",
        "wire 1.1, 2.1.1, 2.6",
        _ALPHA_ALONE,
        backend="gemini",
        versions=("v1alpha",),
    ),
    Row(
        "generationConfig.thinkingConfig",
        "wire 5, 4.4",
        "this model is not told how to think, and closes the session",
        model=_PLAIN_3_8,
    ),
    Row(
        "generationConfig.thinkingConfig.thinkingLevel",
        "wire 5, 4.4",
        "this model must be told how hard to think, and closes the session",
        _shallow,
        model=_DEEP,
        advice="Set {field} in session.setup to {expected}",
        expected=_DEEP_LEVELS,
        holder="generationConfig",
    ),
    Row(
        "tools[].functionDeclarations[].behavior",
        "wire 5, 4.4",
        "this model waits for no function, and closes the session",
        _is("BLOCKING"),
        model=_DEEP,
        advice="Set {field} to NON_BLOCKING",
    ),
    Row(
        "generationConfig.responseModalities[]",
        "wire 2.1.1, 4.4",
        "this model only speaks: its text comes as the transcription of its speech",
        _is("TEXT"),
        advice="Set {field} to AUDIO",
        speaks_only=True,
    ),
    Row(
        "generationConfig.responseModalities[]",
        "wire 5",
        "this model only writes",
        _is("AUDIO"),
        model=_WRITES_ONLY,
        advice='Set session.modality to "text"',
    ),
    Row(
        "realtimeInputConfig.turnCoverage",
        "wire 2.1.4",
        "this model does not take it on Vertex AI",
        _is(_ALL_VIDEO),
        backend="vertex",
        model=_ANY_3_8,
        advice="Set {field} to another value",
    ),
    # What has video answers, which one model has on one backend.
    *(
        Row(
            "generationConfig.responseModalities[]",
            "wire 2.1.1, 5",
            "only gemini-3.8-live on Vertex AI shows an avatar",
            _is("VIDEO", "IMAGE"),
            backend=backend,
            model=model,
            advice="Set {field} to AUDIO",
        )
        for backend, model in (("gemini", ""), ("vertex", r"^(?!.*3\.8)"))
    ),
    *(
        Row(
            "avatarConfig",
            "wire 2.1",
            "only gemini-3.8-live on Vertex AI shows an avatar",
            backend=backend,
            model=model,
        )
        for backend, model in (("gemini", ""), ("vertex", r"^(?!.*3\.8)"))
    ),
    Row(
        "avatarConfig",
        "wire 2.1",
        "an avatar needs generationConfig.responseModalities to be VIDEO",
        _no_video,
        holder="",
    ),
    # What no live session takes.
    Row(
        "generationConfig.responseModalities",
        "wire 2.1.1, 4.4",
        "a live session answers in exactly one",
        _not_one,
        advice="Name one of them in {field}",
    ),
    Row("generationConfig.speechConfig.multiSpeakerVoiceConfig", "wire 2.1.2", _NOT_LIVE),
    Row("toolConfig", "wire 2.1", "a live session has none: no function can be forced"),
    *(
        Row(f"generationConfig.{name}", "wire 2.1.1", _NOT_LIVE)
        for name in (
            "responseSchema",
            "responseJsonSchema",
            "responseMimeType",
            "responseLogprobs",
            "logprobs",
            "stopSequence",
            "stopSequences",
            "routingConfig",
            "audioTimestamp",
        )
    ),
    Row(
        "contextWindowCompression.triggerTokens",
        "wire 4.3; pipecat 4560",
        "together with a handle it closes the session",
        _trigger_with_handle,
        holder="",
    ),
    Row(
        "realtimeInputConfig.turnCoverage",
        "wire 4.7",
        "without the service's detection this model hears nothing else",
        _hears_nothing,
        model=r"3\.1-flash-live",
        advice="Set {field} to TURN_INCLUDES_ALL_INPUT",
        holder="realtimeInputConfig",
    ),
    *(
        Row(
            f"{name}.mode",
            "wire 2.1.5",
            "SMART transcription has neither word timestamps nor speakers",
            _smart_with_times,
            advice="Set {field} to VERBATIM, or leave wordTimestamp and diarization out",
            holder=name,
        )
        for name in ("inputAudioTranscription", "outputAudioTranscription")
    ),
    Row(
        "tools",
        "wire 2.1",
        f"{MAX_FUNCTIONS} functions are the most a session takes",
        _too_many,
        advice="Declare fewer functions in {field}",
        holder="",
    ),
    *(
        Row(
            f"tools[].functionDeclarations[].{name}JsonSchema",
            "wire 2.1.3; G13",
            "a live session accepts it and does not read it",
            advice=f"Give {name} instead of {{field}}",
        )
        for name in ("parameters", "response")
    ),
    # Spellings (G4, G5).
    _enum(
        f"{_DETECTION}.startOfSpeechSensitivity",
        "wire 2.1.4; G4",
        "START_SENSITIVITY_HIGH",
        "START_SENSITIVITY_LOW",
    ),
    _enum(
        f"{_DETECTION}.endOfSpeechSensitivity",
        "wire 2.1.4; G4",
        "END_SENSITIVITY_HIGH",
        "END_SENSITIVITY_LOW",
    ),
    _enum(
        "realtimeInputConfig.activityHandling",
        "wire 2.1.4",
        "START_OF_ACTIVITY_INTERRUPTS",
        "NO_INTERRUPTION",
    ),
    _enum(
        "realtimeInputConfig.turnCoverage",
        "wire 2.1.4",
        "TURN_INCLUDES_ONLY_ACTIVITY",
        "TURN_INCLUDES_ALL_INPUT",
        _ALL_VIDEO,
    ),
    _enum(
        "generationConfig.mediaResolution",
        "wire 2.1.1; G5",
        "MEDIA_RESOLUTION_LOW",
        "MEDIA_RESOLUTION_MEDIUM",
        "MEDIA_RESOLUTION_HIGH",
    ),
    _enum("generationConfig.responseModalities[]", "wire 2.1.1", "AUDIO", "TEXT", "VIDEO", "IMAGE"),
    _enum(
        "generationConfig.thinkingConfig.thinkingLevel",
        "wire 2.1.1",
        "MINIMAL",
        "LOW",
        "MEDIUM",
        "HIGH",
        "XHIGH",
    ),
    _enum("tools[].functionDeclarations[].behavior", "wire 2.1.3", "BLOCKING", "NON_BLOCKING"),
    *(
        _enum(f"{name}.mode", "wire 2.1.5", "VERBATIM", "SMART")
        for name in ("inputAudioTranscription", "outputAudioTranscription")
    ),
    *(
        Row(
            f"{_DETECTION}.{name}",
            "wire 2.1.4",
            "a time is not negative",
            _negative,
            advice="Set {field} to 0 or more",
        )
        for name in ("prefixPaddingMs", "silenceDurationMs")
    ),
)
"""The first row that fits is told."""
