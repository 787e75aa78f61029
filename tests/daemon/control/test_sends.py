"""What is sent, and who may send it: the microphone's holder, the speaker, anybody."""

from collections.abc import Awaitable

import pytest

from livehandle_proto import methods as m
from livehandle_proto.errors import LiveHandleError
from support.calls import SENDS, Called, refused

pytestmark = pytest.mark.anyio

TOOL_ANSWER = m.ToolAnswer(id="1", name="f", response=5)


TURN = {"role": "model", "parts": [{"text": "a"}]}
SENT: dict[str, tuple[dict[str, object], tuple[object, ...]]] = {
    "send_text": ({"text": "hi"}, ("hi",)),
    "send_audio": ({"data": "AAAA"}, ("AAAA",)),
    "send_video": ({"data": "/9j/"}, ("/9j/",)),
    "send_tool_response": (
        {"responses": [{"id": "1", "name": "f", "response": 5}]},
        ([TOOL_ANSWER],),
    ),
    "update_instruction": ({"instruction": "Be brief."}, ("Be brief.",)),
    "send_client_content": (
        {"turns": [TURN], "turn_complete": True},
        ([TURN], ("turn_complete", True)),
    ),
    "queue_context": (
        {"turns": [TURN], "text": "b", "role": "user", "prompt": True},
        ([TURN], ("text", "b"), ("role", "user"), ("prompt", True)),
    ),
}
ALL_SENDS = [
    name for name in m.METHODS if name.rpartition(".")[2] in SENDS and name != "session.disconnect"
]


@pytest.mark.parametrize("method", ALL_SENDS)
async def test_a_send_is_answered_at_once_in_an_open_session_and_else_once_it_is_open(
    method: str,
) -> None:
    params, arguments = SENT.get(method.rpartition(".")[2], ({}, ()))
    it = Called()
    assert it.call(method, **params) is None
    it.handle.ready = False
    settled: Awaitable[None] = it.call(method, **params)
    assert it.handle.asked == [(method, *arguments)] * 2  # sent before anybody waits
    await settled


AUDIO = ("send_audio", "writer.send_audio", "session.send_audio")
PLAYBACK = ("playback_drained", "flush_deferred_prompt")


@pytest.mark.parametrize("method", AUDIO)
async def test_audio_takes_the_microphone_and_that_of_others_is_refused_before_it_is_sent(
    method: str,
) -> None:
    it = Called()
    it.handle.ready = False  # it is held while the session is being opened, too
    waits = it.call(method, data="AAAA")
    assert [change.reason for change in it.changes] == ["audio"]
    sent = list(it.handle.asked)
    for audio in AUDIO:
        assert refused(it, it.other, audio, data="AAAA") == "roles.claimed"
    assert it.handle.asked == sent
    await waits


@pytest.mark.parametrize("method", AUDIO)
def test_audio_that_is_refused_takes_no_microphone(method: str) -> None:
    it = Called()
    it.handle.refuses = LiveHandleError("audio.empty", "The audio has no samples.")
    assert refused(it, it.peer, method, data="") == "audio.empty"
    assert it.changes == []


def test_audio_keeps_the_microphone_from_the_time_it_came() -> None:
    it = Called(mic_idle_s=5.0)
    it.call("send_audio", data="AAAA")
    it.now += 4.0
    it.call("send_audio", data="AAAA")
    assert it.claims.deadline == it.now + 5.0


@pytest.mark.parametrize("method", PLAYBACK)
def test_only_the_speaker_reports_playback_and_anybody_where_there_is_none(method: str) -> None:
    it = Called()
    it.call(method)
    assert it.changes == []  # to report is not to claim
    it.call("claim", role="speaker")
    assert refused(it, it.other, method) == "roles.claimed"
    it.call(method)
    it.call("release", role="speaker")
    it.call_by(it.other, method)
    assert it.handle.asked == [(method,)] * 3


@pytest.mark.parametrize(
    "method", [name for name in m.METHODS if name.rpartition(".")[2] in SENDS and name not in AUDIO]
)
def test_the_microphones_holder_has_the_microphone_alone(method: str) -> None:
    it = Called()
    it.call("claim", role="mic")
    params, _ = SENT.get(method.rpartition(".")[2], ({}, ()))
    assert it.call_by(it.other, method, **params) is None
