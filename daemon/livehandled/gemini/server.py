"""What the service sends (wire 3). Several fields may stand in one message.

Enumerations are plain strings, so that a value of tomorrow does not cost the frame it is in.
"""

from livehandled.gemini.content import Content, FunctionCall, Message, Object


class SetupComplete(Message, frozen=True, kw_only=True):
    """The connection is ready. Often empty: its presence is what counts."""

    session_id: str | None = None
    voice_consent_signature: Object | None = None


class Transcription(Message, frozen=True, kw_only=True):
    """Words heard or spoken: a delta, to be appended as it stands (wire 4.2)."""

    text: str = ""
    finished: bool | None = None
    language_code: str | None = None
    speaker_label: str | None = None
    words: list[Object] | None = None
    start_offset: str | None = None
    end_offset: str | None = None


class ServerContent(Message, frozen=True, kw_only=True):
    """The conversation itself (wire 3.2)."""

    model_turn: Content | None = None
    generation_complete: bool = False
    turn_complete: bool = False
    interrupted: bool = False
    turn_complete_reason: str | None = None
    waiting_for_input: bool | None = None
    interaction_status: str | None = None
    input_transcription: Transcription | None = None
    interim_input_transcription: Transcription | None = None
    output_transcription: Transcription | None = None
    grounding_metadata: Object | None = None
    url_context_metadata: Object | None = None


class ToolCall(Message, frozen=True, kw_only=True):
    """Calls the model makes now."""

    function_calls: list[FunctionCall] = []


class ToolCallCancellation(Message, frozen=True, kw_only=True):
    """Calls the model no longer wants."""

    ids: list[str] = []


class ModalityTokens(Message, frozen=True, kw_only=True):
    """Tokens of one modality."""

    modality: str = ""
    token_count: int = 0


class UsageMetadata(Message, frozen=True, kw_only=True):
    """Tokens of one turn, not of the session. Vertex says candidates for response (wire 3.3)."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    response_token_count: int | None = None
    candidates_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    thoughts_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[ModalityTokens] | None = None
    cache_tokens_details: list[ModalityTokens] | None = None
    response_tokens_details: list[ModalityTokens] | None = None
    candidates_tokens_details: list[ModalityTokens] | None = None
    tool_use_prompt_tokens_details: list[ModalityTokens] | None = None
    traffic_type: str | None = None
    service_tier: str | None = None


class GoAway(Message, frozen=True, kw_only=True):
    """The connection will end. `time_left` is a proto Duration: `"50s"`, maybe fractional."""

    time_left: str | None = None


class SessionResumptionUpdate(Message, frozen=True, kw_only=True):
    """A handle to resume with. The index is an int64 and comes as a string."""

    new_handle: str | None = None
    resumable: bool | None = None
    last_consumed_client_message_index: int | None = None

    def __repr__(self) -> str:
        return f"SessionResumptionUpdate(resumable={self.resumable!r}, ***)"


class VoiceActivity(Message, frozen=True, kw_only=True):
    """An edge of speech the service heard (Vertex with explicitVadSignal)."""

    type: str = ""
    audio_offset: str | None = None


class VoiceActivityDetectionSignal(Message, frozen=True, kw_only=True):
    """The older form of `VoiceActivity`."""

    vad_signal_type: str = ""


class ServerMessage(Message, frozen=True, kw_only=True):
    """One frame from the service."""

    setup_complete: SetupComplete | None = None
    server_content: ServerContent | None = None
    tool_call: ToolCall | None = None
    tool_call_cancellation: ToolCallCancellation | None = None
    usage_metadata: UsageMetadata | None = None
    go_away: GoAway | None = None
    session_resumption_update: SessionResumptionUpdate | None = None
    voice_activity: VoiceActivity | None = None
    voice_activity_detection_signal: VoiceActivityDetectionSignal | None = None
    error: Object | None = None
    code: int | None = None
    message: str | None = None
