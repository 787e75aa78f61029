"""The setup message of a new connection, from the configuration (wire 2.1)."""

from collections.abc import Mapping

import msgspec

from livehandled.config.schema import Config, Session
from livehandled.gemini.content import text_content
from livehandled.gemini.endpoints import model_name
from livehandled.gemini.models import Traits, traits_of
from livehandled.gemini.names import camelised
from livehandled.gemini.setup import (
    AudioTranscriptionConfig,
    AutomaticActivityDetection,
    ContextWindowCompression,
    GenerationConfig,
    PrebuiltVoiceConfig,
    RealtimeInputConfig,
    Setup,
    SlidingWindow,
    SpeechConfig,
    VoiceConfig,
)


def setup_message(config: Config) -> dict[str, object]:
    """Return the value of `setup` in camelCase, `session.setup` merged into it last."""
    session = config.session
    model = traits_of(session.model, session.backend)
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
        # The sliding window is left to its own size: an explicit one closes some reconnects
        # with 1007 (wire 4.3), and without the object compression does nothing.
        context_window_compression=ContextWindowCompression(sliding_window=SlidingWindow())
        if config.context.compression
        else None,
    )
    message = msgspec.to_builtins(setup)
    return _merged(message, camelised(session.setup, Setup))


def detects_activity(setup: Mapping[str, object]) -> bool:
    """Return whether the service detects speech by itself: then it takes no marks (B13)."""
    found: object = setup
    for name in ("realtimeInputConfig", "automaticActivityDetection", "disabled"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found is not True


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
