"""The first frame of a connection: `setup` (wire 2.1)."""

from livehandled.gemini.content import Content, Message, Object


class PrebuiltVoiceConfig(Message, frozen=True, kw_only=True):
    """One of the service's own voices, by name."""

    voice_name: str = ""


class VoiceConfig(Message, frozen=True, kw_only=True):
    """Whose voice the model speaks with."""

    prebuilt_voice_config: PrebuiltVoiceConfig | None = None
    replicated_voice_config: Object | None = None
    voice: str | None = None


class SpeechConfig(Message, frozen=True, kw_only=True):
    """Voice and language of the model's speech (wire 2.1.2)."""

    voice_config: VoiceConfig | None = None
    multi_speaker_voice_config: Object | None = None
    language_code: str | None = None


class ThinkingConfig(Message, frozen=True, kw_only=True):
    """How much the model thinks: a budget on 2.5, a level on 3.x."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class GenerationConfig(Message, frozen=True, kw_only=True):
    """Sampling, modality, voice (wire 2.1.1)."""

    response_modalities: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    max_output_tokens: int | None = None
    candidate_count: int | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop_sequences: list[str] | None = None
    media_resolution: str | None = None
    speech_config: SpeechConfig | None = None
    thinking_config: ThinkingConfig | None = None
    enable_affective_dialog: bool | None = None
    translation_config: Object | None = None
    audio_transcription_config: Object | None = None


class FunctionDeclaration(Message, frozen=True, kw_only=True):
    """One function the model may call. `parameters` is an OpenAPI-style schema."""

    name: str
    description: str | None = None
    parameters: Object | None = None
    parameters_json_schema: Object | None = None
    response: Object | None = None
    response_json_schema: Object | None = None
    behavior: str | None = None


class Tool(Message, frozen=True, kw_only=True):
    """One entry of the tool list: functions, or one of the service's own tools (wire 2.1.3)."""

    function_declarations: list[FunctionDeclaration] | None = None
    google_search: Object | None = None
    google_search_retrieval: Object | None = None
    google_maps: Object | None = None
    code_execution: Object | None = None
    url_context: Object | None = None
    computer_use: Object | None = None
    file_search: Object | None = None
    retrieval: Object | None = None
    enterprise_web_search: Object | None = None
    parallel_ai_search: Object | None = None
    exa_ai_search: Object | None = None
    mcp_servers: list[Object] | None = None


class AutomaticActivityDetection(Message, frozen=True, kw_only=True):
    """The service's own voice activity detection."""

    disabled: bool = False
    start_of_speech_sensitivity: str | None = None
    end_of_speech_sensitivity: str | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None


class RealtimeInputConfig(Message, frozen=True, kw_only=True):
    """How live input becomes turns (wire 2.1.4)."""

    automatic_activity_detection: AutomaticActivityDetection | None = None
    activity_handling: str | None = None
    turn_coverage: str | None = None
    interim_transcript_timestamp_enabled: bool | None = None


class AudioTranscriptionConfig(Message, frozen=True, kw_only=True):
    """Asks for transcription; an empty object turns it on (wire 2.1.5)."""

    language_codes: list[str] | None = None
    custom_vocabulary: list[str] | None = None
    word_timestamp: bool | None = None
    diarization: bool | None = None
    mode: str | None = None
    source_text: str | None = None
    language_auto: bool | None = None
    language_hints: Object | None = None
    adaptation_phrases: list[str] | None = None


class SessionResumption(Message, frozen=True, kw_only=True):
    """Asks for resumption handles, and resumes with one. `transparent` is for Vertex alone."""

    handle: str | None = None
    transparent: bool | None = None


class SlidingWindow(Message, frozen=True, kw_only=True):
    """Keep the newest part of the conversation; needed for compression to act."""

    target_tokens: int | None = None


class ContextWindowCompression(Message, frozen=True, kw_only=True):
    """Shorten the context when it grows past a number of tokens."""

    trigger_tokens: int | None = None
    sliding_window: SlidingWindow | None = None


class Proactivity(Message, frozen=True, kw_only=True):
    """Lets the model keep silent, or speak unasked. Known to v1alpha alone on the Gemini API."""

    proactive_audio: bool | None = None
    proactive_video: bool | None = None


class HistoryConfig(Message, frozen=True, kw_only=True):
    """Says that the first `clientContent` is history and wants no reply (wire 4.5)."""

    initial_history_in_client_content: bool | None = None


class Setup(Message, frozen=True, kw_only=True):
    """Everything a connection is opened with."""

    model: str = ""
    generation_config: GenerationConfig | None = None
    system_instruction: Content | None = None
    tools: list[Tool] | None = None
    realtime_input_config: RealtimeInputConfig | None = None
    session_resumption: SessionResumption | None = None
    context_window_compression: ContextWindowCompression | None = None
    input_audio_transcription: AudioTranscriptionConfig | None = None
    output_audio_transcription: AudioTranscriptionConfig | None = None
    proactivity: Proactivity | None = None
    explicit_vad_signal: bool | None = None
    history_config: HistoryConfig | None = None
    avatar_config: Object | None = None
    safety_settings: list[Object] | None = None
    labels: dict[str, str] | None = None
