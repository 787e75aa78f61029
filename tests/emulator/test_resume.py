"""Sessions over several connections, from setup to resume, without sockets."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livehandle_emulator.scenario import ResumptionRules, Scenario, Timing
from livehandle_emulator.service import Service
from support.live_session import (
    CURRENT,
    GEMINI,
    HALF_CASCADE,
    TEXT,
    TIMING,
    VERTEX,
    VERTEX_HALF_CASCADE,
    Client,
    Json,
    calls_of,
    closing_of,
    connected,
    functions,
    kinds,
    text_of,
    transcript_of,
)
from support.speech import silence, speech_like

OLD = "models/gemini-3.1-flash-live-preview"
NATIVE = "models/gemini-2.5-flash-native-audio-latest"
TRANSCRIPTS: Json = {"inputAudioTranscription": {}, "outputAudioTranscription": {}}


def service_of(timing: Timing = TIMING, /, **rules: object) -> Service:
    resumption = msgspec.convert(rules, ResumptionRules)
    return Service(Scenario(timing=timing, resumption=resumption), name="s")


def resumable(service: Service | None = None, /, **setup: object) -> Client:
    """Return a client that asked for handles, of a new session."""
    return resumed(Client(service=service or service_of()), None, **setup)


def resumed(client: Client, handle: str | None, /, **setup: object) -> Client:
    """Return a client whose setup is complete, with a handle of before or without."""
    resumption = {"handle": handle} if handle else {}
    return connected(client, sessionResumption=resumption, **setup)


def again(client: Client, handle: str | None, /, **setup: object) -> Client:
    """Return a client that resumes after another has gone."""
    client.session.gone(client.now)
    return resumed(Client(service=client.service, now=client.now), handle, **setup)


def updates_of(messages: Sequence[Json]) -> list[Json]:
    return [m["sessionResumptionUpdate"] for m in messages if "sessionResumptionUpdate" in m]  # type: ignore[misc]  # objects in the JSON of a message


def handles_of(messages: Sequence[Json]) -> list[str]:
    return [str(update["newHandle"]) for update in updates_of(messages) if "newHandle" in update]


def history_of(client: Client, session: int = -1) -> list[tuple[str, str]]:
    """Return kinds and texts of what the model remembers."""
    history = client.service.sessions()[session]["history"]
    assert isinstance(history, list)
    return [(entry["kind"], entry["text"]) for entry in history]


def context(text: str, role: str = "user") -> Json:
    return {"clientContent": {"turns": [{"role": role, "parts": [{"text": text}]}]}}


def asked(client: Client, text: str) -> str:
    """Ask, wait for the whole answer, and return the newest handle."""
    return handles_of(client.typed(text) + client.settle())[-1]


# Updates.


def test_who_does_not_ask_is_given_no_handle() -> None:
    client = connected()
    assert updates_of(client.typed("a") + client.settle()) == []


@pytest.mark.parametrize(
    ("model", "order"),
    [
        (CURRENT, ["audio", "sessionResumptionUpdate", "audio"]),
        (OLD, ["audio"]),
        (NATIVE, ["audio", "sessionResumptionUpdate", "audio"]),
    ],
)
def test_the_order_of_a_turn_with_its_updates(model: str, order: list[str]) -> None:
    client = resumable(model=model)
    came = client.typed("hello") + client.settle()
    assert kinds(came) == [
        *order,
        "generationComplete",
        "turnComplete",
        "sessionResumptionUpdate",
    ]
    withheld = [update.get("resumable") for update in updates_of(came)]
    assert withheld == {CURRENT: [True, True], OLD: [True], NATIVE: [False, True]}[model]


def test_transparent_resumption_on_vertex_tells_how_much_was_consumed() -> None:
    client = connected(
        Client(path=VERTEX, service=service_of()),
        model=VERTEX_HALF_CASCADE,
        generationConfig=TEXT,
        sessionResumption={"transparent": True},
    )
    client.send(context("a"))
    came = client.typed("b") + client.settle()
    index = [update["lastConsumedClientMessageIndex"] for update in updates_of(came)]
    assert index == ["2", "2"]


# What is restored.


def test_a_resumed_session_remembers_everything_up_to_its_handle_and_nothing_after() -> None:
    client = resumable(generationConfig=TEXT)
    handle = asked(client, "one")
    asked(client, "two")
    client.send(context("three"))
    assert [text for _, text in history_of(client)] == [
        "one",
        "You typed: one",
        "two",
        "You typed: two",
        "three",
    ]
    client = again(client, handle, generationConfig=TEXT)
    assert history_of(client) == [("typed", "one"), ("reply", "You typed: one")]
    (session,) = client.service.sessions()
    assert session["connections"] == [1, 2]
    assert session["open"] is True
    client.session.gone(client.now)
    assert client.service.sessions()[0]["open"] is False


def test_a_reply_does_not_go_on_and_its_prompt_is_remembered_from_its_beginning_on_3_8() -> None:
    client = resumable(model=CURRENT)
    client.typed("a long question that takes its time")
    handles: list[str] = []
    while not handles:
        client.now = client.session.deadline or 0.0
        handles = handles_of(client.wait(0.0))
    client = again(client, handles[0], model=CURRENT)
    assert history_of(client) == [("typed", "a long question that takes its time")]
    assert client.settle() == []


def test_context_that_no_answer_took_up_yet_is_part_of_the_next() -> None:
    client = resumable(model=CURRENT, **TRANSCRIPTS)
    client.typed("first")
    client.wait(0.15)
    client.send(context("remember me"))
    handle = handles_of(client.settle())[-1]
    client.send(context("lost"))
    client = again(client, handle, model=CURRENT, **TRANSCRIPTS)
    assert ("context", "remember me") in history_of(client)
    came = client.typed("two") + client.settle()
    assert transcript_of(came) == "You typed: remember me You typed: two"


def test_text_that_waited_for_a_reply_to_end_is_restored_and_answered_when_asked_for() -> None:
    client = resumable(model=NATIVE, **TRANSCRIPTS)
    client.typed("first")
    client.wait(0.15)
    client.send({"realtimeInput": {"text": "second"}})
    handles: list[str] = []
    while not handles:
        client.now = client.session.deadline or 0.0
        handles = handles_of(client.wait(0.0))
    client = again(client, handles[0], model=NATIVE, **TRANSCRIPTS)
    assert [text for kind, text in history_of(client) if kind == "typed"] == ["first", "second"]
    assert client.settle() == []
    came = client.send({"clientContent": {"turnComplete": True}}) + client.settle()
    assert transcript_of(came) == "You typed: second"


def test_an_interrupted_reply_is_remembered_as_far_as_it_was_sent_and_before_its_cause() -> None:
    client = resumable(generationConfig=TEXT)
    client.typed("one two three four five six seven eight nine")
    client.wait(0.15)
    client.typed("stop")
    client.settle()
    entries = history_of(client)
    assert [kind for kind, _ in entries] == ["typed", "reply", "typed", "reply"]
    cut = entries[1][1]
    assert cut
    assert "You typed: one two three four five six seven eight nine".startswith(cut)
    assert len(cut) < 40


def test_what_was_said_of_a_reply_is_remembered_without_any_transcription() -> None:
    client = resumable(model=CURRENT)
    asked(client, "hello there")
    assert history_of(client) == [("typed", "hello there"), ("reply", "You typed: hello there")]


def test_a_reply_that_a_drop_cut_short_stands_until_something_else_is_restored() -> None:
    client = resumable(generationConfig=TEXT)
    client.typed("one two three four five six seven eight nine")
    client.wait(0.15)
    client.session.gone(client.now)
    assert [kind for kind, _ in history_of(client)] == ["typed", "reply"]


def test_speech_results_and_seeds_are_remembered_as_what_they_are() -> None:
    client = resumable(
        model=CURRENT,
        tools=functions("f"),
        historyConfig={"initialHistoryInClientContent": True},
    )
    turns = [
        {"role": "user", "parts": [{"text": "q"}]},
        {"role": "model", "parts": [{"text": "a"}]},
    ]
    client.send({"clientContent": {"turns": turns, "turnComplete": True}})
    client.send(context("note"))
    (call,) = calls_of(client.typed("call f") + client.settle())
    answer = {"id": call["id"], "response": {"output": "ok"}}
    client.send({"toolResponse": {"functionResponses": [answer]}})
    client.settle()
    client.audio(silence(0.5) + speech_like(1.2) + silence(0.8))
    client.settle()
    assert [kind for kind, _ in history_of(client)] == [
        "seed",
        "seed",
        "context",
        "typed",
        "reply",
        "result",
        "reply",
        "speech",
        "reply",
    ]
    history = client.service.sessions()[0]["history"]
    assert isinstance(history, list)
    assert history[1] == {"role": "model", "text": "a", "kind": "seed"}


def test_the_context_that_is_billed_is_restored() -> None:
    client = resumable(generationConfig=TEXT)
    handle = asked(client, "word " * 100)

    def prompt(client: Client) -> int:
        came = client.typed("x") + client.settle()
        (usage,) = (m["usageMetadata"] for m in came if "usageMetadata" in m)
        assert isinstance(usage, dict)
        return int(usage["promptTokenCount"])

    client = again(client, handle, generationConfig=TEXT)
    assert prompt(client) > 150
    assert prompt(resumable(generationConfig=TEXT)) < 50


def test_instruction_and_tools_are_those_of_the_new_setup() -> None:
    old: Json = {"systemInstruction": {"parts": [{"text": "old"}]}}
    new: Json = {"systemInstruction": {"parts": [{"text": "new"}]}}
    client = resumable(generationConfig=TEXT, **old)
    client = again(client, asked(client, "one"), generationConfig=TEXT, **new)
    assert text_of(client.typed("instruction") + client.settle()) == "My instruction is: new"


def test_the_last_transcription_can_come_again() -> None:
    client = resumable(service_of(repeats=True), model=CURRENT, **TRANSCRIPTS)
    asked(client, "one")
    came = client.audio(silence(0.5) + speech_like(1.2) + silence(0.8)) + client.settle()
    spoken = transcript_of(came)
    client.session.gone(client.now)
    client = Client(service=client.service, now=client.now)
    setup: Json = {"model": CURRENT, "sessionResumption": {"handle": handles_of(came)[-1]}}
    came = client.send({"setup": setup | TRANSCRIPTS})
    assert kinds(came) == ["setupComplete", "inputTranscription", "outputTranscription"]
    assert transcript_of(came) == spoken
    client.session.gone(client.now)
    client = Client(service=client.service, now=client.now)
    assert kinds(client.send({"setup": setup})) == ["setupComplete"]


@pytest.mark.parametrize(("forgets", "left"), [("seed", 2), ("everything", 0)])
def test_forgetting_is_not_told(forgets: str, left: int) -> None:
    client = resumable(
        service_of(forgets=forgets),
        generationConfig=TEXT,
        historyConfig={"initialHistoryInClientContent": True},
    )
    turns = [{"role": "user", "parts": [{"text": "q"}]}]
    client.send({"clientContent": {"turns": turns, "turnComplete": True}})
    client = again(client, asked(client, "one"))
    assert len(history_of(client)) == left


# Refusals.


def refusal(client: Client, handle: str, **setup: object) -> tuple[int, str] | None:
    return closing_of(client.set_up(sessionResumption={"handle": handle}, **setup))


def test_a_handle_nobody_issued_is_not_found() -> None:
    closing = refusal(Client(), "x")
    assert closing == (1008, "BidiGenerateContent session not found")


def test_an_empty_handle_begins_a_session() -> None:
    assert refusal(Client(), "") is None


def test_a_handle_with_another_model_or_key_is_invalid() -> None:
    client = resumable()
    handle = asked(client, "one")
    client.session.gone(client.now)
    other_key = Client(service=client.service, key="another", now=client.now)
    assert refusal(other_key, handle) == (1007, "Invalid session handle")
    other_model = Client(service=client.service, now=client.now)
    assert refusal(other_model, handle, model=CURRENT) == (1007, "Invalid session handle")
    same = Client(service=client.service, now=client.now)
    assert refusal(same, handle) is None


@pytest.mark.parametrize(
    ("path", "model"),
    [
        (VERTEX, VERTEX_HALF_CASCADE),
        (GEMINI.replace("Content", "ContentConstrained").replace("v1beta", "v1alpha"), CURRENT),
    ],
)
def test_tokens_may_change_from_connection_to_connection(path: str, model: str) -> None:
    service = service_of()
    tokens = [f"auth_tokens/{i}" for i in range(2)]
    client = Client(path=path, key=tokens[0], service=service)
    connected(client, model=model, sessionResumption={})
    handle = asked(client, "one")
    client.session.gone(client.now)
    other = Client(path=path, key=tokens[1], service=service, now=client.now)
    assert refusal(other, handle, model=model) is None


def test_the_old_connection_has_to_be_closed_first() -> None:
    client = resumable()
    handle = asked(client, "one")
    second = Client(service=client.service, now=client.now)
    assert refusal(second, handle) == (1011, "Internal error encountered.")
    assert text_of(client.typed("go on")) == ""
    client.session.gone(client.now)
    third = Client(service=client.service, now=client.now)
    assert refusal(third, handle) is None
    assert client.service.sessions()[0]["connections"] == [1, 3]


def test_a_connection_the_service_has_given_up_is_in_nobodys_way() -> None:
    client = resumable()
    handle = asked(client, "one")
    client.session.unreachable(client.now)
    assert refusal(Client(service=client.service, now=client.now), handle) is None


def test_a_connection_that_the_service_closed_is_in_nobodys_way() -> None:
    client = resumable()
    handle = asked(client, "one")
    assert closing_of(client.send({"bogus": 1})) is not None
    assert refusal(Client(service=client.service, now=client.now), handle) is None


# Calls from before.


def called(model: str, **rules: object) -> tuple[Client, str, str]:
    """Return a client on a second connection, and calls made before and after its handle."""
    tools = functions("f", behavior="NON_BLOCKING")
    client = resumable(service_of(**rules), model=model, tools=tools)
    came = client.typed("call f") + client.settle()
    handle = handles_of(came)[-1]
    (known,) = calls_of(came)
    (lost,) = calls_of(client.typed("call f") + client.settle())
    return (
        again(client, handle, model=model, tools=tools, **TRANSCRIPTS),
        str(known["id"]),
        str(lost["id"]),
    )


def answer_to(id_: str) -> Json:
    return {"toolResponse": {"functionResponses": [{"id": id_, "response": {"output": "ok"}}]}}


@pytest.mark.parametrize("model", [CURRENT, NATIVE])
def test_a_call_made_before_the_handle_may_still_be_answered(model: str) -> None:
    client, known, _ = called(model)
    came = client.send(answer_to(known)) + client.settle()
    assert transcript_of(came) == "f answered ok."


@pytest.mark.parametrize(
    ("model", "rule"), [(NATIVE, None), (NATIVE, "ignore"), (CURRENT, "ignore")]
)
def test_an_answer_to_a_call_made_after_it_is_ignored(model: str, rule: str | None) -> None:
    client, _, lost = called(model, unknown_calls=rule)
    assert client.send(answer_to(lost)) + client.settle() == []
    assert transcript_of(client.typed("hello") + client.settle()) == "You typed: hello"


@pytest.mark.parametrize("spoken", [False, True])
@pytest.mark.parametrize(("model", "rule"), [(CURRENT, None), (NATIVE, "swallow")])
def test_or_ends_a_turn_and_costs_the_next_input(
    model: str, rule: str | None, spoken: bool
) -> None:
    client, _, lost = called(model, unknown_calls=rule)
    before = history_of(client)
    assert kinds(client.send(answer_to(lost))) == ["turnComplete"]
    client.settle()
    speech = silence(0.5) + speech_like(1.2) + silence(0.8)
    assert (client.audio(speech) if spoken else client.typed("lost")) + client.settle() == []
    assert history_of(client) == before
    assert transcript_of(client.typed("hello") + client.settle()) == "You typed: hello"


def test_realtime_text_is_swallowed_too_and_an_answer_during_a_reply_ends_no_turn() -> None:
    client, _, lost = called(CURRENT)
    client.typed("hello")
    assert client.send(answer_to(lost)) == []
    client.settle()
    assert client.send({"realtimeInput": {"text": "lost"}}) + client.settle() == []


def test_or_ends_the_connection() -> None:
    client, _, lost = called(CURRENT, unknown_calls="close")
    assert closing_of(client.send(answer_to(lost))) == (
        1008,
        "Operation is not implemented, or supported, or enabled.",
    )


# A client that keeps to the rules loses nothing and doubles nothing.


class Keeper:
    """Sends again what no handle covers, and keeps count of what it wanted to say."""

    def __init__(self, model: str, timing: Timing) -> None:
        self._model = model
        self._service = service_of(timing)
        self.wanted: list[str] = []
        self._uncovered: dict[str, Json] = {}
        self._taken: set[str] = set()
        self._answered: set[str] = set()
        self._handle: str | None = None
        self._client = resumable(self._service, model=model)

    def say(self, *, how: str) -> None:
        text = f"t{len(self.wanted)}"
        self.wanted.append(text)
        frames: dict[str, Json] = {
            "context": context(text),
            "typed": {"realtimeInput": {"text": text}},
            "content": {
                "clientContent": {
                    "turns": [{"role": "user", "parts": [{"text": text}]}],
                    "turnComplete": True,
                }
            },
        }
        self._send(text, frames[how])

    def wait(self, seconds: float) -> None:
        """Let time pass in small steps, as a client that reads all the time sees it."""
        until = self._client.now + seconds
        while (at := self._client.session.deadline) is not None and at <= until:
            self._hear(self._client.wait(max(0.0, at - self._client.now)))
        self._client.now = until

    def wait_for_the_end_of_a_turn(self) -> None:
        """Stop right there, before the handle that follows."""
        ended = False
        while not ended and (at := self._client.session.deadline) is not None:
            came = self._client.wait(max(0.0, at - self._client.now))
            self._hear(came)
            ended = "turnComplete" in kinds(came)

    def drop(self) -> None:
        self._client = again(self._client, self._handle, model=self._model)
        uncovered, self._uncovered = self._uncovered, {}
        answered, self._taken, self._answered = self._answered, set(), set()
        for text, frame in uncovered.items():
            self._send(text, context(text) if text in answered else frame)

    def remembered(self) -> list[str]:
        history = self._service.sessions()[-1]["history"]
        assert isinstance(history, list)
        return [entry["text"] for entry in history if entry["kind"] in {"typed", "context"}]

    def _send(self, text: str, frame: Json) -> None:
        self.wait(0.0)
        self._uncovered[text] = frame
        self._hear(self._client.send(frame))

    def _hear(self, came: list[Json]) -> None:
        for message in came:
            for kind in kinds([message]):
                if kind in {"audio", "text", "outputTranscription", "toolCall"}:
                    self._taken |= self._uncovered.keys()
                    self._answered |= self._uncovered.keys()
                elif kind == "turnComplete":
                    self._taken |= self._uncovered.keys()
            for handle in handles_of([message]):
                self._handle = handle
                for text in self._taken:
                    self._uncovered.pop(text, None)
                self._taken.clear()


STEPS = st.one_of(
    st.sampled_from(["context", "typed", "content", "drop", "end of a turn"]),
    st.sampled_from([0.03, 0.11, 0.2, 1.0, 5.0]),
)


TIMINGS = [TIMING, Timing(reply_delay_ms=0, stream_speed=10.0), Timing(reply_delay_ms=10)]


@settings(max_examples=60)
@given(
    st.sampled_from([CURRENT, OLD, NATIVE, HALF_CASCADE]),
    st.sampled_from(TIMINGS),
    st.lists(STEPS, min_size=5, max_size=20),
)
def test_every_text_of_a_careful_client_is_remembered_once_and_in_order(
    model: str, timing: Timing, steps: list[str | float]
) -> None:
    keeper = Keeper(model, timing)
    for step in steps:
        if isinstance(step, float):
            keeper.wait(step)
        elif step == "drop":
            keeper.drop()
        elif step == "end of a turn":
            keeper.wait_for_the_end_of_a_turn()
        else:
            keeper.say(how=step)
    keeper.wait(30.0)
    assert keeper.remembered() == keeper.wanted
