"""What is sent: checked, put in order, context first where it is to be, and kept account of."""

import base64
import json
from collections.abc import Callable

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import ToolAnswer
from livehandled.session import outbox
from livehandled.session.outbox import Message, Outbox
from livehandled.session.writer import Writer
from support.parts import JPEG, Json, Parts, calls, speech
from support.rigs import handle
from support.service import Call

PCM = b"\x00a\x03\x04"
USER: Json = {"role": "user", "parts": [{"text": "u"}]}
MODEL: Json = {"role": "model", "parts": [{"text": "m"}]}


def refused(name: str) -> "pytest.RaisesExc[LiveHandleError]":
    return pytest.RaisesExc(LiveHandleError, check=lambda error: error.name == name)


def answer(call_id: str, response: object = 1) -> ToolAnswer:
    return ToolAnswer(id=call_id, name="f", response=response)


def frame(parts: Parts) -> Json:
    """Return the one frame that was sent."""
    found = parts.outbox.take(parts.now)
    assert found is not None
    assert parts.outbox.take(parts.now) is None
    body: Json = json.loads(found.frame)
    return body


# Text, audio, pictures (B1 to B5).


def test_b1_text_is_timed_then_sent_then_the_users_words() -> None:
    parts = Parts()
    seen: list[object] = []
    put = parts.outbox.put

    def watched(*messages: Message, now: float) -> None:
        parts.now += 0.2  # so that what was timed before can be told from what was after
        seen.append(parts.transcript.current)
        put(*messages, now=now)

    parts.outbox.put = watched  # type: ignore[method-assign]
    parts.writer.send_text("I am pescatarian")
    assert frame(parts) == {
        "clientContent": {
            "turns": [{"role": "user", "parts": [{"text": "I am pescatarian"}]}],
            "turnComplete": True,
        }
    }
    assert seen == [None]
    assert parts.transcript.current is not None
    assert parts.transcript.current.user == "I am pescatarian"
    assert parts.snapshot()["text_turns_in"] == 1
    parts.after(0.1)
    parts.hear(speech(1))
    assert parts.snapshot()["last_response_latency_ms"] == 300


def test_b3_a_text_that_could_not_be_sent_is_timed_and_nothing_else() -> None:
    parts = Parts(limit=2)
    parts.fill()
    with refused("session.queue_full"):
        parts.writer.send_text("lost")
    assert parts.transcript.current is None
    assert parts.snapshot()["text_turns_in"] == 0
    assert parts.underlying.describe().current_turn is None
    parts.after(0.1)
    parts.hear(speech(1))
    assert parts.snapshot()["last_response_latency_ms"] == 100


def test_b4_z11_a_picture_is_sent_counted_and_shortens_the_session() -> None:
    parts = Parts()
    parts.writer.send_video(JPEG)
    assert frame(parts) == {
        "realtimeInput": {
            "video": {"mimeType": "image/jpeg", "data": base64.b64encode(JPEG).decode()}
        }
    }
    assert parts.snapshot()["video_frames_in"] == 1
    assert parts.state.get("session:session_type") == "audio_video"
    assert parts.state.get("session:remaining_budget_ms") == 120_000


@pytest.mark.parametrize("data", [bytes([1, 2, 3, 4]), "AQIDBA=="])
def test_b5_audio_is_sent_as_it_is(data: bytes | str) -> None:
    parts = Parts()
    parts.writer.send_audio(data)
    assert frame(parts) == {
        "realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": "AQIDBA=="}}
    }
    assert parts.snapshot()["audio_chunks_in"] == 1
    assert parts.voice.microphone is None  # nobody listens to it


def test_media_that_could_not_be_sent_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = Parts(limit=2)
    parts.fill()
    monkeypatch.setattr(outbox, "_MAX_BYTES", 10)
    with refused("session.queue_full"):
        parts.writer.send_audio(PCM)
    with refused("session.queue_full"):
        parts.writer.send_video(JPEG)
    assert parts.snapshot()["audio_chunks_in"] == 0
    assert parts.snapshot()["video_frames_in"] == 0
    assert parts.state.get("session:session_type") == "audio_only"


# Context first (E).

SENDS: list[tuple[str, Callable[[Writer], object]]] = [
    ("audio a", lambda w: w.send_audio(PCM)),
    ("text Hi", lambda w: w.send_text("Hi")),
    ("video", lambda w: w.send_video(JPEG)),
]


@pytest.mark.parametrize(("sent", "send"), SENDS)
def test_e2_e4_queued_turns_go_first_in_one_frame_and_the_prompt_stays_armed(
    sent: str, send: Callable[[Writer], object]
) -> None:
    parts = Parts()
    parts.queue("a", "b", prompt=True)
    send(parts.writer)
    assert parts.sent() == ["context a|b", sent]
    assert parts.context.turns == ()
    assert parts.context.prompt_armed
    send(parts.writer)
    assert parts.sent() == [sent]


@pytest.mark.parametrize(("sent", "send"), SENDS)
def test_e3_nothing_queued_is_nothing_sent(sent: str, send: Callable[[Writer], object]) -> None:
    parts = Parts()
    send(parts.writer)
    assert parts.sent() == [sent]


@pytest.mark.parametrize(("sent", "send"), SENDS)
def test_a21_the_sessions_own_sends_leave_the_context(
    sent: str, send: Callable[[Writer], object]
) -> None:
    parts = Parts()
    parts.queue("a")
    send(parts.underlying)
    assert parts.sent() == [sent]
    assert len(parts.context.turns) == 1


@pytest.mark.parametrize(
    ("sent", "send"),
    [
        ("tool c1", lambda w: w.send_tool_response([answer("c1")])),
        ("context u", lambda w: w.send_client_content([USER], turn_complete=False)),
        ("prompt", lambda w: w.send_client_content([], turn_complete=True)),
        ("instruction", lambda w: w.update_instruction("Be brief.")),
        ("start", lambda w: w.signal_activity_start()),
    ],
)
def test_e5_e6_nothing_else_sends_the_context(sent: str, send: Callable[[Writer], object]) -> None:
    parts = Parts(authority="client")
    parts.hear(calls("c1"))
    parts.queue("a", "b", prompt=True)
    send(parts.writer)
    assert parts.sent() == [sent]
    assert len(parts.context.turns) == 2
    assert parts.context.prompt_armed


@pytest.mark.parametrize(("sent", "send"), SENDS)
def test_e7_z12_context_that_finds_the_outbox_full_waits_in_front_and_goes_with_the_next(
    sent: str, send: Callable[[Writer], object]
) -> None:
    parts = Parts(limit=3)
    assert isinstance(parts.outbox, Outbox)
    parts.queue("a", "b", prompt=True)
    parts.fill()
    with refused("session.queue_full"):
        send(parts.writer)
    assert len(parts.outbox) == 3
    assert parts.transcript.current is None
    parts.queue("c")
    assert parts.sent() == []  # but for what filled it
    send(parts.writer)
    assert parts.sent() == ["context a|b|c", sent]
    assert parts.context.prompt_armed


def test_audio_that_waits_takes_no_room_from_context_and_text() -> None:
    parts = Parts(limit=2)
    parts.writer.send_audio(b"\x00x")
    parts.writer.send_audio(b"\x00y")
    parts.queue("a")
    parts.writer.send_text("Hi")
    assert parts.sent() == ["audio x", "audio y", "context a", "text Hi"]


def test_z12_where_only_the_context_finds_room_it_has_been_sent() -> None:
    parts = Parts(limit=2)
    parts.session.put(Message(b"{}", "text"))
    parts.queue("a")
    with refused("session.queue_full"):
        parts.writer.send_text("Hi")
    assert parts.context.turns == ()
    assert parts.sent() == ["context a"]


@pytest.mark.anyio
async def test_e6_a17_disconnect_sends_the_context_and_never_the_prompt() -> None:
    parts = Parts()
    parts.queue("a", prompt=True)
    await parts.writer.disconnect()
    assert parts.sent() == ["context a"]
    assert parts.session.conversation.phase == "disconnecting"
    parts.session.end()
    assert not parts.context


@pytest.mark.anyio
async def test_a17_a_full_outbox_does_not_hold_the_end_up() -> None:
    parts = Parts(limit=1)
    parts.queue("a", prompt=True)
    parts.fill()
    await parts.writer.disconnect()
    assert parts.session.conversation.phase == "disconnecting"
    assert parts.sent() == []


@pytest.mark.anyio
async def test_a21_the_sessions_own_disconnect_leaves_the_context_unsent() -> None:
    parts = Parts()
    parts.queue("a")
    await parts.underlying.disconnect()
    assert parts.sent() == []


@pytest.mark.anyio
async def test_a7_a_greeting_goes_after_the_context_that_waited() -> None:
    async def script(call: Call) -> None:
        await call.set_up()
        await call.hear_all()

    async with handle(script, session__greeting="Hello", context__delivery="deferred") as rig:
        rig.handle.queue_context(text="Ann calls.", prompt=True)
        await rig.handle.connect()
        heard = await rig.heard(3)
        assert heard[1:] == [
            {"clientContent": {"turns": [{"role": "model", "parts": [{"text": "Ann calls."}]}]}},
            {
                "clientContent": {
                    "turns": [{"role": "user", "parts": [{"text": "Hello"}]}],
                    "turnComplete": True,
                }
            },
        ]
        assert rig.handle.writer_state().prompt_armed
        current = rig.handle.transcript().current
        assert current is not None
        assert current.user == "Hello"


# Content, instruction, tools.


def test_b2_the_users_text_in_client_content_is_the_users() -> None:
    parts = Parts()
    parts.writer.send_client_content([USER, MODEL], turn_complete=False)
    assert frame(parts) == {"clientContent": {"turns": [USER, MODEL]}}
    assert parts.transcript.current is not None
    assert (parts.transcript.current.user, parts.transcript.current.model) == ("u", "")


def test_client_content_without_a_turn_is_a_prompt_or_nothing() -> None:
    parts = Parts()
    with refused("wire.invalid_params"):
        parts.writer.send_client_content([], turn_complete=False)
    parts.writer.send_client_content([], turn_complete=True)
    assert parts.sent() == ["prompt"]


@pytest.mark.parametrize(
    ("model", "backend", "body"),
    [
        (
            "gemini-3.8-live",
            "gemini",
            {"contextUpdate": {"systemInstruction": {"parts": [{"text": "Be brief."}]}}},
        ),
        (
            "gemini-live-2.5-flash",
            "vertex",
            {"clientContent": {"turns": [{"role": "system", "parts": [{"text": "Be brief."}]}]}},
        ),
    ],
)
def test_b17_an_instruction_goes_as_the_model_takes_it(
    model: str, backend: str, body: Json
) -> None:
    parts = Parts(model=model, backend=backend)
    parts.writer.update_instruction("Be brief.")
    assert frame(parts) == body
    assert parts.transcript.current is None


def test_b17_elsewhere_an_instruction_is_a_note_of_the_user_that_asks_for_no_reply() -> None:
    parts = Parts(model="gemini-2.5-flash-live")
    parts.writer.update_instruction("Be brief.")
    body = frame(parts)["clientContent"]
    assert isinstance(body, dict)
    assert body["turns"][0]["role"] == "user"
    assert body["turns"][0]["parts"][0]["text"].endswith("\n\nBe brief.")
    assert not body.get("turnComplete")
    assert parts.transcript.current is None  # not a word of the user's


def test_b17_a_model_that_would_close_the_session_is_sent_none_and_is_opened_anew_with_it() -> None:
    parts = Parts(model="gemini-3.1-flash-live-preview")
    parts.writer.update_instruction("Be brief.")
    assert parts.sent() == []
    assert parts.session.instruction == "Be brief."


def test_b18_b19_answers_go_in_one_frame_and_what_is_no_object_as_output() -> None:
    parts = Parts()
    parts.hear(calls("c1", "c2"))
    late = ToolAnswer(id="c2", name="f", response={"a": 1}, scheduling="WHEN_IDLE")
    parts.writer.send_tool_response([answer("c1", "mild"), late])
    assert frame(parts) == {
        "toolResponse": {
            "functionResponses": [
                {"id": "c1", "name": "f", "response": {"output": "mild"}},
                {"id": "c2", "name": "f", "response": {"a": 1}, "scheduling": "WHEN_IDLE"},
            ]
        }
    }


def test_b18_a_model_that_takes_no_scheduling_is_sent_none() -> None:
    parts = Parts(model="gemini-3.8-live-extended-thinking")
    parts.hear(calls("c1"))
    parts.writer.send_tool_response(
        [ToolAnswer(id="c1", name="f", response={"a": 1}, scheduling="WHEN_IDLE")]
    )
    assert frame(parts) == {
        "toolResponse": {"functionResponses": [{"id": "c1", "name": "f", "response": {"a": 1}}]}
    }


@pytest.mark.parametrize(
    ("responses", "name"),
    [
        ([], "wire.invalid_params"),
        ([answer("c9")], "tools.unknown_call"),
        ([answer("c1"), answer("c9")], "tools.unknown_call"),
        ([answer("c1"), answer("c1")], "tools.unknown_call"),
        ([ToolAnswer(id="c1", name="g", response=1)], "tools.unknown_call"),
    ],
)
def test_answers_to_what_was_not_asked_are_refused_and_nothing_changes(
    responses: list[ToolAnswer], name: str
) -> None:
    parts = Parts()
    parts.hear(calls("c1"))
    with refused(name):
        parts.writer.send_tool_response(responses)
    assert parts.sent() == []
    assert parts.state.get("session:phase") == "tool_call_executing"
    assert parts.told("live.tool_execution") == []


def test_the_name_of_a_call_is_told_on_one_line_and_cut() -> None:
    parts = Parts()
    name = "f\n" + "x" * 100
    parts.hear({"toolCall": {"functionCalls": [{"id": "c1", "name": name, "args": {}}]}})
    with refused("tools.unknown_call") as caught:
        parts.writer.send_tool_response([answer("c1")])
    assert caught.value.message == f"The call 'c1' is of {name[:80]!r}: give it as the `name`."


def test_answers_that_could_not_be_sent_leave_the_calls_open() -> None:
    parts = Parts(limit=1)
    parts.hear(calls("c1"))
    parts.fill("tool")
    with refused("session.queue_full"):
        parts.writer.send_tool_response([answer("c1")])
    assert parts.state.get("session:phase") == "tool_call_executing"
    parts.sent()
    parts.writer.send_tool_response([answer("c1")])
    assert parts.sent() == ["tool c1"]


def test_a_queue_full_of_text_does_not_keep_the_model_waiting_for_an_answer() -> None:
    parts = Parts(limit=1)
    parts.hear(calls("c1"))
    parts.fill()
    parts.writer.send_tool_response([answer("c1")])
    assert parts.sent() == ["tool c1"]


# Where no session is open.

EVERY_SEND: list[Callable[[Writer], object]] = [
    *(send for _, send in SENDS),
    lambda w: w.send_tool_response([answer("c1")]),
    lambda w: w.send_client_content([USER], turn_complete=True),
    lambda w: w.update_instruction("Be brief."),
    lambda w: w.signal_activity_start(),
    lambda w: w.signal_activity_end(),
]


@pytest.mark.parametrize("send", EVERY_SEND)
def test_b16_after_the_end_sends_are_refused_and_context_waits_for_nothing(
    send: Callable[[Writer], object],
) -> None:
    parts = Parts()
    parts.session.end()
    with refused("session.not_connected"):
        send(parts.writer)
    assert parts.sent() == []


@pytest.mark.parametrize(
    ("send", "name"),
    [
        (lambda w: w.send_text(" "), "text.empty"),
        (lambda w: w.send_audio("AQID"), "audio.misaligned"),
        (lambda w: w.send_video(b"\x89PNG"), "video.not_jpeg"),
        (lambda w: w.update_instruction(""), "text.empty"),
        (
            lambda w: w.send_client_content([{"role": "user"}], turn_complete=True),
            "wire.invalid_params",
        ),
        (lambda w: w.send_tool_response([]), "wire.invalid_params"),
    ],
)
def test_what_is_wrong_with_a_send_is_told_before_what_is_wrong_with_the_session(
    send: Callable[[Writer], object], name: str
) -> None:
    parts = Parts()
    parts.queue("a")
    parts.session.end()
    with refused(name):
        send(parts.writer)


# What a send returns.


@pytest.mark.anyio
async def test_a_send_to_a_session_that_is_set_up_has_nothing_to_wait_for() -> None:
    parts = Parts()
    sent = parts.writer.send_text("Hi")
    assert sent.done
    await sent


@pytest.mark.anyio
async def test_a_send_to_a_session_that_is_never_set_up_tells_so_to_who_waits() -> None:
    parts = Parts(set_up=False)
    sent = parts.writer.send_text("Hi")
    assert not sent.done
    parts.session.end()
    with refused("session.ended"):
        await sent
