"""What a session is opened with, from the configuration: its plan, and its microphone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec

import msgspec

from livehandle_proto import values as v
from livehandled.config.loader import Loaded
from livehandled.config.schema import Config, Session
from livehandled.gemini.auth import Credentials
from livehandled.gemini.endpoints import endpoint, model_name
from livehandled.gemini.generate import Service
from livehandled.gemini.models import Traits, traits_of
from livehandled.gemini.opening import Function, setup_message, tools_with
from livehandled.gemini.refusals import refused, refused_tools
from livehandled.session.access import credentials, routed
from livehandled.session.plan import Plan
from livehandled.voice.commit import PRESETS, TurnCommit
from livehandled.voice.detector import (
    SILERO_FRAME_MS,
    SILERO_PACKAGE,
    Detector,
    VadConfig,
    silero_missing,
)
from livehandled.voice.microphone import Microphone


class Opener:
    """Knows how sessions are opened."""

    def __init__(self, base: Loaded, *, environ: Mapping[str, str], emulator_url: str) -> None:
        self.base = base
        """The configuration without `connect {config}`."""
        self._environ = environ
        self._emulator_url = emulator_url
        self._beside: tuple[Session, Credentials] | None = None
        """Of the newest session that asked a model outside itself: its token is kept."""

    def plan(self, loaded: Loaded) -> Plan:
        """Return how to open a session.

        Raises `auth.missing_key`, `config.invalid`, or `upstream.unsupported` for a setup that
        the service would not take.
        """
        config = loaded.config
        if config.voice.vad == "silero":
            _find_silero()
        config = _with_named_model(config)
        found = credentials(config.session, self._environ, self._emulator_url)
        session = routed(config.session, found)
        model = _traits(config)
        setup = setup_message(msgspec.structs.replace(config, session=session), model)
        if error := refused(setup, session, model):
            raise error
        return Plan(
            url=endpoint(session, self._emulator_url, constrained=found.is_token),
            setup=setup,
            connect_timeout_s=session.connect_timeout_ms / 1000,
            setup_timeout_s=session.setup_timeout_ms / 1000,
            credentials=found,
            proxy=session.proxy,
            model=session.model,
            backend=session.backend,
            traits=model,
            transcript_is_text=session.modality == "text" and model.speech_only,
        )

    def secrets(self) -> tuple[str, ...]:
        """Return what no text may show of the credentials that models beside the session have."""
        return () if self._beside is None else self._beside[1].secrets()

    def setup(self, loaded: Loaded) -> dict[str, object]:
        """Return the setup of a session that begins, whoever connects."""
        config = _with_named_model(loaded.config)
        return setup_message(config, _traits(config))

    def check(self, loaded: Loaded, functions: Sequence[Function]) -> None:
        """Raise `upstream.unsupported` where the service would not take these functions."""
        config = _with_named_model(loaded.config)
        model = _traits(config)
        tools = tools_with(setup_message(config, model), functions, model)
        if error := refused_tools(tools, config.session, model):
            raise error

    def service(self, loaded: Loaded) -> Service:
        """Return where to ask a model outside the session, and as whom.

        Ephemeral tokens are for live sessions alone: the key that mints them asks.
        """
        session = loaded.config.session
        if session.credentials == "token":
            session = msgspec.structs.replace(session, credentials="key")
        if self._beside is None or self._beside[0] != session:
            self._beside = session, credentials(session, self._environ, self._emulator_url)
        found = self._beside[1]
        return Service(routed(session, found), found, self._emulator_url)


def _traits(config: Config) -> Traits:
    """Return the traits of the model, with what the configuration knows better."""
    quirks = dict(config.session.quirks)
    if config.tools.audio_during_call:
        quirks["audio_during_call"] = config.tools.audio_during_call
    return traits_of(config.session.model, config.session.backend, quirks)


def _with_named_model(config: Config) -> Config:
    """Return the configuration with the model that its setup message names in the end."""
    named = setup_message(config).get("model")
    if not isinstance(named, str) or named == model_name(config.session):
        return config
    session = msgspec.structs.replace(config.session, model=named)
    return msgspec.structs.replace(config, session=session)


def _find_silero() -> None:
    """Raise `config.invalid` if the package is missing; to load it here would take too long."""
    if find_spec(SILERO_PACKAGE) is None:
        raise silero_missing()


def commits(config: Config, plan: Plan) -> bool:
    """Return whether the daemon decides on activities: it may, and the service does not."""
    return config.voice.authority == "client" and plan.takes_marks


def microphone(config: Config, plan: Plan) -> Microphone:
    """Return a microphone with a fresh detector. Takes a tenth of a second the first time."""
    commit = TurnCommit(PRESETS[config.voice.commit]) if commits(config, plan) else None
    hearing = detector(config)
    frame_ms = hearing.frame_duration_ms if hearing is not None else 0
    # The start of speech is known only once its first frames are over.
    frames = config.voice.pre_speech_frames + config.voice.min_speech_frames
    pre_roll_ms = frames * frame_ms
    return Microphone(hearing, commit, pre_roll_ms=pre_roll_ms)


def detector(config: Config) -> Detector | None:
    """Return the detector that is configured; None where it is `off`.

    Raises `config.invalid` for one whose package is missing.
    """
    # numpy takes a tenth of a second and 16 MB: it waits for the first audio.
    match config.voice.vad:
        case "energy":
            from livehandled.voice.vad import EnergyVad

            return EnergyVad(_vad_config(config))
        case "silero":
            from livehandled.voice.silero import SileroVad

            return SileroVad(_vad_config(config))
        case _:
            return None


def _vad_config(config: Config) -> VadConfig:
    voice = config.voice
    return VadConfig(
        start_threshold_db=voice.start_threshold_db,
        stop_threshold_db=voice.stop_threshold_db,
        min_speech_frames=voice.min_speech_frames,
        hangover_frames=voice.hangover_frames,
    )


def vad_state(config: Config, microphone: Microphone | None, now: float) -> v.InputVadState:
    """Return the state of a microphone's detector; of one that heard nothing yet for None (F2)."""
    heard = None if microphone is None else microphone.detector
    if heard is None:
        frame_ms = SILERO_FRAME_MS if config.voice.vad == "silero" else _FRAME.frame_duration_ms
        frame = replace(_FRAME, frame_duration_ms=frame_ms)
        return v.InputVadState(
            backend=_BACKENDS[config.voice.vad],
            sample_rate=frame.sample_rate,
            frame_duration_ms=frame.frame_duration_ms,
            frame_size=frame.frame_size,
            state="silence",
            speaking=False,
            last_probability=None,
            frames_processed=0,
            last_transition_ms_ago=None,
        )
    at = None if microphone is None else microphone.last_transition_at
    return v.InputVadState(
        backend=heard.backend,
        sample_rate=heard.sample_rate,
        frame_duration_ms=heard.frame_duration_ms,
        frame_size=heard.frame_size,
        state=heard.state.value,
        speaking=heard.speaking,
        last_probability=heard.last_probability,
        frames_processed=heard.frames_processed,
        last_transition_ms_ago=None if at is None else max(0, round((now - at) * 1000)),
    )


_FRAME = VadConfig()
_BACKENDS = {"energy": "energy-zcr", "silero": "silero", "off": "off"}
