"""What the service refuses in a setup or a later message, and its words for it (wire 2, 4, 5).

Fields that a backend or a version does not have are unknown names there. Enumerations are
compared without regard to case, as the service does.
"""

from livehandle_emulator.closing import NOT_SUPPORTED, RefusedError, invalid, unknown_name
from livehandle_emulator.endpoint import Endpoint
from livehandle_emulator.models import Model, model_of
from livehandle_emulator.payload import audio_in, bytes_in
from livehandle_emulator.schemas import check_parameters
from livehandled.gemini.client import ClientContent, RealtimeInput, ToolResponse
from livehandled.gemini.setup import GenerationConfig, RealtimeInputConfig, Setup, Tool

_MAX_FUNCTIONS = 512
_START_SENSITIVITIES = ("START_SENSITIVITY_HIGH", "START_SENSITIVITY_LOW")
_END_SENSITIVITIES = ("END_SENSITIVITY_HIGH", "END_SENSITIVITY_LOW")
_HANDLINGS = ("START_OF_ACTIVITY_INTERRUPTS", "NO_INTERRUPTION")
_ALL_VIDEO = "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"
_COVERAGES = ("TURN_INCLUDES_ONLY_ACTIVITY", "TURN_INCLUDES_ALL_INPUT", _ALL_VIDEO)
_RESOLUTIONS = ("MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_MEDIUM", "MEDIA_RESOLUTION_HIGH")
_THINKING_LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")
_DEEP_LEVELS = ("LOW", "MEDIUM", "HIGH")
_MODALITIES = ("AUDIO", "TEXT", "VIDEO", "IMAGE")
_BEHAVIOURS = ("BLOCKING", "NON_BLOCKING")
_SCHEDULINGS = ("INTERRUPT", "WHEN_IDLE", "SILENT")
_AUDIO_IN_HISTORY_HZ = 16_000


def check_setup(setup: Setup, endpoint: Endpoint, models: list[str] | None) -> Model:
    """Return the model of a setup that breaks no rule. Raises `RefusedError`.

    `models` are the ids there are; None means any that looks like a live model.
    """
    _check_names(setup, endpoint)
    model = _found(setup.model, endpoint, models)
    _check_proactivity(setup, endpoint, model)
    if setup.generation_config is not None:
        _check_generation(setup.generation_config, model, vertex=endpoint.vertex)
    if setup.realtime_input_config is not None:
        _check_realtime(setup.realtime_input_config, model, vertex=endpoint.vertex)
    if model.extended_thinking and not _thinks_deeply(setup.generation_config):
        raise invalid("Thinking level must be specified for this model.")
    check_tools(setup.tools or [], model, "setup")
    return model


def _check_names(setup: Setup, endpoint: Endpoint) -> None:
    """Refuse the fields that the Gemini API does not have (wire 2.6)."""
    if endpoint.vertex:
        return
    if setup.explicit_vad_signal is not None:
        raise unknown_name("explicitVadSignal", "setup")
    if setup.session_resumption and setup.session_resumption.transparent is not None:
        raise unknown_name("transparent", "setup.session_resumption")


def _found(name: str, endpoint: Endpoint, models: list[str] | None) -> Model:
    model = model_of(name, vertex=endpoint.vertex)
    # The 2.5 models of Vertex are regional (wire 1.4).
    misplaced = model and model.generation == "2.5" and model.location == "global"
    if model and not misplaced and (model.plausible if models is None else model.id in models):
        return model
    if endpoint.vertex:
        raise RefusedError(
            1008,
            f"Publisher Model `{name}` was not found or your project does not have access to it.",
        )
    raise RefusedError(
        1008,
        f"{name} is not found for API version {endpoint.version}, "
        "or is not supported for bidiGenerateContent.",
    )


def _check_proactivity(setup: Setup, endpoint: Endpoint, model: Model) -> None:
    if setup.proactivity is None:
        return
    # Measured on 3.x (wire 1.1). The official SDK sends it to 2.5 on v1beta.
    known = endpoint.vertex or endpoint.version == "v1alpha"
    if not known and model.generation.startswith("3."):
        raise unknown_name("proactivity", "setup")
    if model.generation == "3.8" and setup.proactivity.proactive_audio is False:
        raise invalid("Proactive audio cannot be disabled for this model.")


def _check_generation(config: GenerationConfig, model: Model, *, vertex: bool) -> None:
    at = "setup.generation_config"
    _check_enum(config.media_resolution, _RESOLUTIONS, f"{at}.media_resolution")
    for modality in config.response_modalities or []:
        _check_enum(modality, _MODALITIES, f"{at}.response_modalities")
    asked = [m.upper() for m in config.response_modalities or []]
    avatar = vertex and model.generation == "3.8" and asked == ["VIDEO"]
    if asked and not avatar and (len(asked) > 1 or asked[0] not in model.modalities):
        raise invalid(
            f"The requested combination of response modalities ({', '.join(asked)}) "
            "is not supported by the model."
        )
    if config.thinking_config is not None:
        _check_enum(
            config.thinking_config.thinking_level,
            _THINKING_LEVELS,
            f"{at}.thinking_config.thinking_level",
        )
        if model.generation == "3.8" and not model.extended_thinking:
            raise invalid("Thinking level is not supported for this model.")


def _thinks_deeply(config: GenerationConfig | None) -> bool:
    thinking = config.thinking_config if config else None
    return thinking is not None and (thinking.thinking_level or "").upper() in _DEEP_LEVELS


def _check_realtime(config: RealtimeInputConfig, model: Model, *, vertex: bool) -> None:
    at = "setup.realtime_input_config"
    _check_enum(config.activity_handling, _HANDLINGS, f"{at}.activity_handling")
    _check_enum(config.turn_coverage, _COVERAGES, f"{at}.turn_coverage")
    if vertex and model.generation == "3.8" and config.turn_coverage == _ALL_VIDEO:
        raise invalid()
    detection = config.automatic_activity_detection
    if detection is None:
        return
    at += ".automatic_activity_detection"
    _check_enum(
        detection.start_of_speech_sensitivity,
        _START_SENSITIVITIES,
        f"{at}.start_of_speech_sensitivity",
    )
    _check_enum(
        detection.end_of_speech_sensitivity,
        _END_SENSITIVITIES,
        f"{at}.end_of_speech_sensitivity",
    )
    if (detection.prefix_padding_ms or 0) < 0 or (detection.silence_duration_ms or 0) < 0:
        raise invalid()


def check_tools(tools: list[Tool], model: Model, at: str) -> None:
    """Check a tool list, of the setup or of a context update (wire 2.1.3, 5)."""
    functions = 0
    for i, tool in enumerate(tools):
        for j, function in enumerate(tool.function_declarations or []):
            place = f"{at}.tools[{i}].function_declarations[{j}]"
            _check_enum(function.behavior, _BEHAVIOURS, f"{place}.behavior")
            if model.extended_thinking and (function.behavior or "").upper() == "BLOCKING":
                raise invalid("BLOCKING function calls are not supported for this model.")
            check_parameters(function.parameters, f"{place}.parameters")
            functions += 1
    if functions > _MAX_FUNCTIONS:
        raise invalid()


def check_content(content: ClientContent, endpoint: Endpoint, model: Model) -> None:
    """Check roles and media of turns (wire 2.2, 4.6)."""
    roles = {"user", "model"}
    if endpoint.vertex and model.generation == "2.5":
        roles.add("system")
    for i, turn in enumerate(content.turns):
        if turn.role and turn.role not in roles:
            raise invalid()
        for j, part in enumerate(turn.parts):
            blob = part.inline_data
            if blob is None:
                continue
            at = f"client_content.turns[{i}].parts[{j}].inline_data"
            if not blob.mime_type.startswith("audio/pcm"):
                bytes_in(blob, at)
            elif audio_in(blob, at)[1] != _AUDIO_IN_HISTORY_HZ:
                raise RefusedError(1008, NOT_SUPPORTED)


def check_realtime(realtime: RealtimeInput, *, detects: bool) -> None:
    """Check that the marks fit the detection (wire 4.7) and that there is one kind (wire 2.3)."""
    kinds = [n for n in realtime.__struct_fields__ if getattr(realtime, n) is not None]
    if len(kinds) != 1:
        raise invalid()
    if detects and kinds[0] in {"activity_start", "activity_end"}:
        raise invalid(
            "Explicit activity control is not supported when automatic activity detection "
            "is enabled."
        )
    if not detects and kinds[0] == "audio_stream_end":
        raise invalid(
            "Audio stream end is not supported when automatic activity detection is disabled."
        )


def check_tool_response(response: ToolResponse, endpoint: Endpoint, model: Model) -> None:
    """Check ids and scheduling of answers to calls (wire 2.4)."""
    for i, answer in enumerate(response.function_responses):
        at = f"tool_response.function_responses[{i}]"
        _check_enum(answer.scheduling, _SCHEDULINGS, f"{at}.scheduling")
        if answer.scheduling and model.extended_thinking:
            raise invalid("Function response scheduling is not supported for this model.")
        if endpoint.vertex and answer.will_continue is not None:
            raise unknown_name("willContinue", at)
        if not endpoint.vertex and not answer.id:
            raise invalid()


def _check_enum(value: str | None, known: tuple[str, ...], at: str) -> None:
    if value is not None and value.upper() not in known and not value.endswith("UNSPECIFIED"):
        raise invalid(f"Invalid value at '{at}' (TYPE_ENUM), \"{value}\"")
