"""The setup message of a new connection, from the configuration (wire 2.1)."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from livehandled.config.schema import Config, Session
from livehandled.gemini.content import text_content
from livehandled.gemini.endpoints import model_name
from livehandled.gemini.models import Traits, traits_of
from livehandled.gemini.names import camelised
from livehandled.gemini.schemas import normalised
from livehandled.gemini.setup import (
    AudioTranscriptionConfig,
    AutomaticActivityDetection,
    ContextWindowCompression,
    GenerationConfig,
    PrebuiltVoiceConfig,
    RealtimeInputConfig,
    SessionResumption,
    Setup,
    SlidingWindow,
    SpeechConfig,
    VoiceConfig,
)

Function = Mapping[str, object]
"""The declaration of a function, in camelCase, its `name` among the rest (wire 2.1.3)."""


def setup_message(config: Config, traits: Traits | None = None) -> dict[str, object]:
    """Return the value of `setup` in camelCase, `session.setup` merged into it last.

    It is that of a session that begins. Traits are those of the configured model, if none are
    given.
    """
    session = config.session
    model = traits or traits_of(session.model, session.backend, session.quirks)
    # J6: from a model that only speaks, text is the transcription of its speech.
    audio = session.modality == "audio" or model.speech_only
    setup = Setup(
        model=model_name(session),
        generation_config=GenerationConfig(
            response_modalities=["AUDIO" if audio else "TEXT"], speech_config=_speech(session)
        ),
        system_instruction=text_content(session.instruction) if session.instruction else None,
        input_audio_transcription=AudioTranscriptionConfig(),
        output_audio_transcription=AudioTranscriptionConfig() if audio else None,
        realtime_input_config=_client_detection(model)
        if config.voice.authority == "client"
        else None,
        session_resumption=SessionResumption(transparent=True if model.transparent else None)
        if model.resumption
        else None,
        # The sliding window is left to its own size: an explicit one closes some reconnects
        # with 1007 (wire 4.3), and without the object compression does nothing.
        context_window_compression=ContextWindowCompression(sliding_window=SlidingWindow())
        if config.context.compression
        else None,
    )
    message = _merged(msgspec.to_builtins(setup), camelised(session.setup, Setup))
    for declaration in declarations(message):
        # Left out it means one thing on 3.1 and another on 3.8 (wire 5).
        if declaration.get("behavior") is None:
            declaration["behavior"] = model.blocking_default
        for name in {"parameters", "response"} & declaration.keys():
            declaration[name] = normalised(declaration[name])
    return message


def setup_for(
    setup: Mapping[str, object],
    model: Traits,
    *,
    handle: str | None = None,
    seeding: bool = False,
    instruction: str | None = None,
    tools: Sequence[Mapping[str, object]] | None = None,
) -> dict[str, object]:
    """Return the setup of one connection, made of the one of a session that begins.

    `handle` resumes, unless the user's own setup has no resumption. `seeding` is whether the
    frames of `frames.seed` come next: announced without them, the user's first turn would be
    swallowed (wire 4.5). `instruction` and `tools` are what the model was given meanwhile.
    """
    made = dict(setup)
    resumption = made.get("sessionResumption")
    if handle and isinstance(resumption, Mapping):
        made["sessionResumption"] = {**resumption, "handle": handle}
        compression = made.get("contextWindowCompression")
        if isinstance(compression, Mapping):
            # With a handle it closes the connection with 1007 (wire 4.3).
            kept = {k: v for k, v in compression.items() if k != "triggerTokens"}
            made["contextWindowCompression"] = kept
    if seeding and model.seed == "history":
        made["historyConfig"] = {"initialHistoryInClientContent": True}
    if instruction:
        made["systemInstruction"] = msgspec.to_builtins(text_content(instruction))
    if tools:
        made["tools"] = tools
    return made


def tools_with(
    setup: Mapping[str, object], functions: Sequence[Function], model: Traits
) -> list[dict[str, object]]:
    """Return the tool list of a setup with more functions in it, last.

    One of the same name as a function of the setup takes its place.
    """
    more = [{"behavior": model.blocking_default, **function} for function in functions]
    names = {function["name"] for function in functions}
    tools = []
    for tool in _objects(setup.get("tools")):
        declared = tool.get("functionDeclarations")
        if isinstance(declared, list) and names:
            kept = [one for one in declared if one.get("name") not in names]
            tool = {**tool, "functionDeclarations": kept}
            if not kept and len(tool) == 1:
                continue
        tools.append(tool)
    return [*tools, {"functionDeclarations": more}] if more else tools


def declarations(setup: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Yield the function declarations of a setup."""
    for tool in _objects(setup.get("tools")):
        yield from _objects(tool.get("functionDeclarations"))


def blocks(setup: Mapping[str, object], function: str, model: Traits) -> bool:
    """Return whether the model waits for a function's result (wire 5)."""
    found = (d.get("behavior") for d in declarations(setup) if d.get("name") == function)
    return str(next(found, model.blocking_default)).upper() == "BLOCKING"


def detects_activity(setup: Mapping[str, object]) -> bool:
    """Return whether the service detects speech by itself: then it takes no marks (B13)."""
    found: object = setup
    for name in ("realtimeInputConfig", "automaticActivityDetection", "disabled"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found is not True


def _objects(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, list):
        yield from (inner for inner in value if isinstance(inner, dict))


def _client_detection(model: Traits) -> RealtimeInputConfig:
    return RealtimeInputConfig(
        automatic_activity_detection=AutomaticActivityDetection(disabled=True),
        turn_coverage="TURN_INCLUDES_ALL_INPUT" if model.whole_input else None,
    )


def _speech(session: Session) -> SpeechConfig | None:
    if not session.voice and not session.language:
        return None
    voice = VoiceConfig(prebuilt_voice_config=PrebuiltVoiceConfig(voice_name=session.voice))
    return SpeechConfig(
        voice_config=voice if session.voice else None, language_code=session.language or None
    )


def _merged(message: Mapping[str, object], changes: object) -> dict[str, object]:
    """Return the message with the changes in it: tables merge, all else replaces, null removes."""
    merged = dict(message)
    if not isinstance(changes, Mapping):
        return merged
    for name, change in changes.items():
        before = merged.get(name)
        if change is None:
            merged.pop(name, None)
        elif isinstance(change, Mapping):
            merged[name] = _merged(before if isinstance(before, Mapping) else {}, change)
        else:
            merged[name] = change
    return merged
