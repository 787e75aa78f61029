"""The checker, fed with conversations made up for it: each wrong in one way, or in none."""

from collections.abc import Callable
from copy import deepcopy

import pytest

from campaign.checker import Json, Log, Sent, outcome, problems

_PHASES = ["connecting", "setup_sent", "active", "model_speaking", "active"]


def events(*told: tuple[str, Json]) -> list[Json]:
    return [{"seq": seq, "topic": topic, "data": data} for seq, (topic, data) in enumerate(told, 1)]


def phases(*names: str, before: str = "disconnected") -> list[tuple[str, Json]]:
    chain = [before, *names]
    return [
        ("session.phase_changed", {"phase": phase, "previous": previous})
        for previous, phase in zip(chain, names, strict=False)
    ]


def ended(turn: int, model: str, *, interrupted: bool = False) -> list[tuple[str, Json]]:
    whole = {"turn": turn, "turn_number": turn, "model": model, "interrupted": interrupted}
    return [("session.turn_complete", {"turn": turn}), ("live.turn_complete", whole)]


def said(*deltas: str) -> list[tuple[str, Json]]:
    return [
        (f"{stream}_{'transcription' if stream == 'session.output' else 'transcript'}", data)
        for delta in deltas
        for stream, data in [("session.output", {"text": delta}), ("live.output", {"text": delta})]
    ]


def entry(role: str, text: str, kind: str) -> Json:
    return {"role": role, "text": text, "kind": kind}


def turn(number: int, user: str, model: str, *results: str) -> Json:
    tools = [{"name": "f", "args": "{}", "result": result} for result in results]
    return {"turn_number": number, "user": user, "model": model, "tool_calls": tools}


RESUMED = {"restored": "handle", "reason": None, "gap_ms": 7, "lost": 0}

TOLD = [
    *phases(*_PHASES),
    *said("You typed ", "[t1]"),
    *ended(0, "You typed [t1]"),
    *phases("disconnected", *_PHASES[:3], before="active"),
    ("session.reconnecting", {"attempt": 1}),
    ("session.resumed", RESUMED),
    *said("You typed [t2]", " f answered [r1]"),
    *ended(1, "You typed [t2] f answered [r1]"),
]

HISTORY = [
    entry("model", "[c1] is so", "context"),
    entry("user", "[t1]", "typed"),
    entry("model", "You typed [t1]", "reply"),
    entry("user", "[t2]", "typed"),
    entry("user", "f answered [r1].", "result"),
    entry("model", "You typed [t2] f answered [r1]", "reply"),
]


def good() -> Log:
    """Return a conversation in which all is well."""
    return Log(
        events=events(*TOLD),
        sent=[
            Sent("[c1]", "context"),
            Sent("[t1]", "typed"),
            Sent("[t2]", "typed"),
            Sent("[r1]", "result", "call-1"),
        ],
        sessions=[{"session": "s", "connections": [1, 2], "history": deepcopy(HISTORY)}],
        transcript={
            "turns": [
                turn(0, "[t1]", "You typed [t1]"),
                turn(1, "[t2]", "You typed [t2] f answered [r1]", '{"output":"[r1]"}'),
            ],
            "current": None,
        },
        session={"current_turn": None, "phase": "active"},
    )


def test_a_conversation_without_a_fault_has_no_problem() -> None:
    assert problems(good()) == []


def with_history(*history: Json) -> Log:
    return good()._replace(
        sessions=[{"session": "s", "connections": [1], "history": list(history)}]
    )


def with_events(*told: tuple[str, Json]) -> Log:
    return good()._replace(events=events(*told))


def swapped() -> Log:
    first, second, third, fourth = HISTORY[0], HISTORY[1], HISTORY[3], HISTORY[4]
    return with_history(first, third, fourth, second)


def out_of_turn() -> Log:
    return with_events(*TOLD, *ended(3, ""))


def unopened() -> Log:
    nothing = [ended(number, "") for number in range(2, 6)]
    return with_events(*TOLD, *(event for told in nothing for event in told))


def seq_falls() -> Log:
    told = events(*TOLD)
    told[3]["seq"] = 2
    return good()._replace(events=told)


def wrong_previous() -> Log:
    return with_events(*TOLD, *phases("user_speaking", before="model_speaking"))


def forbidden_phase() -> Log:
    return with_events(*TOLD, *phases("tool_call_executing", before="active"))


def never_resumed() -> Log:
    return with_events(*TOLD, ("session.reconnecting", {"attempt": 2}))


def resumed_from_nowhere() -> Log:
    return with_events(*TOLD, ("session.resumed", RESUMED))


def doubled_delta() -> Log:
    return with_events(*said("You typed [t1]", "You typed [t1]"), *TOLD)


def transcript_lacks() -> Log:
    log = good()
    log.transcript["turns"][0]["user"] = ""
    return log


def tool_told_twice() -> Log:
    log = good()
    log.transcript["turns"][1]["tool_calls"] *= 2
    return log


def hole_in_the_transcript() -> Log:
    log = good()
    log.transcript["turns"][1]["turn_number"] = 5
    return log


_OPEN = {"current_turn": 2, "phase": "model_speaking"}

WRONG: list[tuple[Callable[[], Log], str]] = [
    (lambda: with_history(*HISTORY[:3], *HISTORY[4:]), "[t2] (typed) is lost"),
    (lambda: with_history(*HISTORY[1:]), "[c1] (context) is lost"),
    (lambda: with_history(*HISTORY[:4]), "[r1] (result) is lost"),
    (lambda: with_history(*HISTORY, HISTORY[1]), "[t1] stands 2 times in the history of s"),
    (lambda: with_history(*HISTORY, HISTORY[4]), "[r1] stands 2 times in the history of s"),
    (
        lambda: with_history(*HISTORY, entry("model", "[f({}) returned [r1]]", "seed")),
        "[r1] stands 2 times in the history of s",
    ),
    (swapped, "the typed of s came in the order [t2] [t1]"),
    (out_of_turn, "turn 3 ended where turn 2 was to end"),
    (unopened, "turn 4 ended and was not opened"),
    (seq_falls, "seq 2 of session.phase_changed does not rise above 3"),
    (wrong_previous, "the phase was active"),
    (forbidden_phase, "tool_call_executing may not follow active"),
    (never_resumed, "session.reconnecting was followed by nothing"),
    (resumed_from_nowhere, "session.resumed came without a session.reconnecting"),
    (doubled_delta, "the model says [t1]"),
    (doubled_delta, "turn 0: a client heard"),
    (transcript_lacks, "[t1] stands 0 times in the transcript"),
    (tool_told_twice, "[r1] stands 2 times among the transcript's tools"),
    (hole_in_the_transcript, "the transcript has the turns [0, 5]"),
    (lambda: good()._replace(session=_OPEN), "turn 2 is still open"),
    (lambda: good()._replace(session=_OPEN), "at the end the phase is model_speaking"),
    (lambda: with_events(*TOLD, ("events.lagged", {"missed": 3})), "events.lagged"),
]


@pytest.mark.parametrize(("make", "problem"), WRONG, ids=[problem for _, problem in WRONG])
def test_what_is_wrong_is_told(make: Callable[[], Log], problem: str) -> None:
    assert any(problem in told for told in problems(make()))


def test_the_result_of_a_call_that_the_service_gave_up_need_not_arrive() -> None:
    log = with_history(*HISTORY[:4])._replace(cancelled=frozenset({"call-1"}))
    assert problems(log) == []


def test_what_a_session_begun_anew_is_told_counts() -> None:
    seed = [
        entry("model", "[c1] is so", "seed"),
        entry("user", "[t1]", "seed"),
        entry("model", "You typed [t1]", "seed"),
        entry("user", "[t2]", "seed"),
        entry("model", '[f({}) returned {"output":"[r1]"}]\nYou typed [t2]', "seed"),
    ]
    log = good()
    sessions = [*log.sessions, {"session": "t", "connections": [3], "history": seed}]
    assert problems(log._replace(sessions=sessions)) == []


def test_a_doubling_in_an_earlier_session_is_told_too() -> None:
    log = good()
    earlier = {"session": "r", "connections": [0], "history": [HISTORY[1], HISTORY[1]]}
    log = log._replace(sessions=[earlier, *log.sessions])
    assert problems(log) == ["[t1] stands 2 times in the history of r"]


def test_a_session_that_ended_for_good_may_have_lost_what_was_on_its_way() -> None:
    log = with_history(*HISTORY[:3])
    over = ("session.disconnected", {"reason": "failed"})
    assert problems(log._replace(events=events(*TOLD, over))) == []


def test_an_interrupted_turn_keeps_the_words_that_were_heard() -> None:
    told = [*phases(*_PHASES), *said("You typed ", "[t1]"), *ended(0, "You", interrupted=True)]
    log = good()
    turns = [turn(0, "[t1] [t2]", "You", "[r1]")]
    log = log._replace(events=events(*told), transcript={"turns": turns, "current": None})
    assert problems(log) == []


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ([], "unaffected"),
        ([("session.resumed", RESUMED)], "handle, gap 7 ms, lost 0"),
        (
            [("session.resumed", RESUMED | {"restored": "reseeded", "reason": "no handle"})],
            "reseeded (no handle), gap 7 ms, lost 0",
        ),
        (
            [
                ("session.error", {"data": {"name": "upstream.rejected"}}),
                ("session.disconnected", {"reason": "failed"}),
            ],
            "failed: upstream.rejected",
        ),
    ],
)
def test_the_outcome_is_told_in_a_few_words(told: list[tuple[str, Json]], words: str) -> None:
    assert outcome(events(*told)) == words
