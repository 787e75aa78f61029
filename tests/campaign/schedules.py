"""Random conversations with random faults: the same for the same seed, but for races."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from statistics import quantiles
from typing import NamedTuple, Self, TypeAlias

from campaign.checker import Json, problems
from campaign.rig import HangError, RefusedError, Rig, running_rig
from support.speech import silence, speech_like

_BOUND_S = 90.0
_CLOSING_S = 5.0
_LOOK_S = 0.01
_LATE_S = 1.5
"""How long a late result waits for a reconnection that it may come after."""
_JPEG = "/9j/"
_MOST_LOSSES = 4
"""In one conversation: every further one waits longer for its reconnection."""

Step: TypeAlias = tuple[str, Mapping[str, object]]
"""What to do, and with what."""


class Schedule(NamedTuple):
    """One conversation, and what goes wrong in it."""

    seed: int
    scenario: str
    settings: Mapping[str, object]
    steps: Sequence[Step]
    answers: Sequence[Mapping[str, object]]
    """How the calls are answered, in turn: `after_s`, or `late`; and the `scheduling`."""


class Result(NamedTuple):
    """What became of a conversation."""

    schedule: Schedule
    problems: Sequence[str]
    resumed: Sequence[Json]
    """The data of each `session.resumed`."""
    sent: Counter[str]
    """How much was sent, by kind."""
    seconds: float


# What is to happen.


def schedule(seed: int) -> Schedule:
    """Return the conversation of a seed."""
    dice = Random(seed)  # noqa: S311 - it is to be the same each time
    model = dice.choices(
        ["gemini-3.8-live", "gemini-2.5-flash-native-audio-preview", "gemini-3.1-flash-live"],
        [60, 25, 15],
    )[0]
    settings: dict[str, object] = {
        "session.model": model,
        "session.setup_timeout_ms": 2000,
        "session.connect_timeout_ms": 2000,
        "resumption.policy": dice.choices(["handle", "reseed"], [80, 20])[0],
        "voice.authority": dice.choices(["server", "client"], [75, 25])[0],
        "context.delivery": dice.choices(["immediate", "deferred"], [80, 20])[0],
    }
    scenario = (
        f"timing = {{ reply_delay_ms = {dice.choice([0, 20, 100])}, stream_speed = 10.0, "
        f"playback_speed = {dice.choice([4.0, 10.0, 50.0])} }}\n"
        f"resumption = {{ repeats = {str(dice.random() < 0.15).lower()} }}\n"
    )
    talks = [_talk(dice, model) for _ in range(dice.randint(8, 16))]
    steps = [step for talk in talks for step in (talk, _pause(dice))]
    for fault in _faults(dice):
        place = dice.randrange(1, len(steps) + 1)
        steps[place:place] = [("fault", one) for one in fault]
    answers = [_answer(dice) for _ in range(16)]
    return Schedule(seed, scenario, settings, steps, answers)


def _talk(dice: Random, model: str) -> Step:
    kinds = {"text": 35, "call": 25, "speak": 18, "context": 12, "instruct": 5, "video": 5}
    if "3.1" in model:
        del kinds["context"]  # it takes none once it runs (wire 4.5)
    kind = dice.choices(list(kinds), list(kinds.values()))[0]
    match kind:
        case "text":
            return kind, {"words": " ".join(["word"] * dice.choice([1, 3, 12]))}
        case "call":
            return kind, {"function": dice.choice(["wait", "wait", "work"])}
        case "speak":
            return kind, {"seconds": dice.choice([0.4, 0.8, 1.2]), "pauses": dice.random() < 0.8}
        case "context":
            return kind, {"role": dice.choice(["model", "model", "user"])}
    return kind, {}


def _pause(dice: Random) -> Step:
    return "pause", {"seconds": round(dice.choice([0.0, 0.0, 0.05, 0.2, 0.6]) * dice.random(), 3)}


def _answer(dice: Random) -> Mapping[str, object]:
    return {
        "late": dice.random() < 0.2,
        "after_s": dice.choice([0.0, 0.0, 0.05, 0.3, 0.8]),
        "scheduling": dice.choice([None, None, "INTERRUPT", "WHEN_IDLE", "SILENT"]),
    }


def _faults(dice: Random) -> list[list[Mapping[str, object]]]:
    """Return faults, each the requests that bring it about."""
    losses = dice.randint(1, _MOST_LOSSES)
    return [
        *(dice.choice(_LOSSES)(dice) for _ in range(losses)),
        *(dice.choice(_NUISANCES)(dice) for _ in range(dice.randint(0, 3))),
    ]


_MOMENTS = [
    *["model_turn", "output_transcription", "generation_complete", "turn_complete", "tool_call"],
    *["resumption_update", "client_content", "text", "tool_response", "audio", "setup_complete"],
]


def _end(dice: Random) -> dict[str, object]:
    """Return one of the ends of a connection that are worth another."""
    code = dice.choice([None, None, 1000, 1001, 1011, 1012])
    return {"do": "abort"} if code is None else {"do": "close", "code": code, "reason": "over"}


def _now(dice: Random) -> list[Mapping[str, object]]:
    return [_end(dice)]


def _at_a_message(dice: Random) -> list[Mapping[str, object]]:
    when = dice.choice(["before", "after", "instead"])
    return [_end(dice) | {"at": dice.choice(_MOMENTS), "when": when, "skip": dice.randint(0, 3)}]


def _go_away(dice: Random) -> list[Mapping[str, object]]:
    left = dice.choice([None, 0, 300, 3000, 10_000])
    return [{"do": "go_away"} | ({} if left is None else {"time_left_ms": left})]


def _refusals(dice: Random) -> list[Mapping[str, object]]:
    return [{"do": "refuse", "times": dice.randint(1, 2), "at": "upgrade"}, {"do": "abort"}]


def _silent_setup(_dice: Random) -> list[Mapping[str, object]]:
    return [{"do": "drop_message", "at": "setup_complete"}, {"do": "abort"}]


def _forget(dice: Random) -> list[Mapping[str, object]]:
    return [{"do": "forget"}, _end(dice)]


_LOSSES: Sequence[Callable[[Random], list[Mapping[str, object]]]] = (
    *[_now, _now, _at_a_message, _at_a_message, _at_a_message],
    *[_go_away, _go_away, _refusals, _silent_setup, _forget],
)


def _stall(dice: Random) -> list[Mapping[str, object]]:
    return [{"do": "stall", "for_ms": dice.randint(50, 1500), "pings": dice.random() < 0.7}]


def _half_open(dice: Random) -> list[Mapping[str, object]]:
    return [{"do": "half_open", "for_ms": dice.randint(50, 1500)}]


def _bad_line(dice: Random) -> list[Mapping[str, object]]:
    return [
        dice.choice(
            [
                {"do": "slow", "bytes_per_s": dice.randint(60_000, 400_000)},
                {"do": "fragment", "bytes": dice.randint(20, 500)},
                {"do": "delay_pong", "by_ms": dice.randint(20, 2000)},
                {"do": "garbage"},
                {"do": "oversize", "bytes": 2_000_000},
            ]
        )
    ]


def _no_handle(dice: Random) -> list[Mapping[str, object]]:
    return [{"do": "drop_message", "at": "resumption_update", "times": dice.randint(1, 3)}]


_NUISANCES: Sequence[Callable[[Random], list[Mapping[str, object]]]] = (
    *[_stall, _half_open, _bad_line, _bad_line, _no_handle],
)


# How it happens.


class _Answers:
    """Answers the model's calls as the schedule says, each in a thread of its own."""

    def __init__(self, rig: Rig, plans: Sequence[Mapping[str, object]]) -> None:
        self.failed: list[str] = []
        self._rig = rig
        self._plans = plans
        self._seen = 0
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()
        self.wait()

    def wait(self) -> None:
        """Wait until the calls that have come are answered."""
        for thread in list(self._threads):
            thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            events = self._rig.client.events
            fresh, self._seen = events[self._seen :], len(events)
            for event in fresh:
                if event["topic"] == "session.tool_call":
                    for call in event["data"]["function_calls"]:
                        self._begin(call)

    def _begin(self, call: Json) -> None:
        plan = self._plans[len(self._threads) % len(self._plans)]
        thread = threading.Thread(target=self._answer, args=(call, plan))
        self._threads.append(thread)
        thread.start()

    def _answer(self, call: Json, plan: Mapping[str, object]) -> None:
        more = {} if plan["scheduling"] is None else {"scheduling": plan["scheduling"]}
        try:
            if plan["late"]:
                self._until_resumed()
            time.sleep(float(str(plan["after_s"])))
            self._rig.result(call, **more)
        except (HangError, RefusedError) as error:
            self.failed.append(f"a call could not be answered: {error}")

    def _until_resumed(self) -> None:
        since = len(self._rig.client.events)
        with suppress(HangError):  # nothing was lost just then: it is answered all the same
            self._rig.client.topic("session.resumed", since=since, within_s=_LATE_S)


def run_one(plan: Schedule) -> Result:
    """Hold one conversation, and have it checked."""
    began = time.monotonic()
    wrong: list[str] = []
    resumed: list[Json] = []
    sent: Counter[str] = Counter()
    try:
        with running_rig(plan.scenario, plan.settings) as rig:
            try:
                wrong += _converse(rig, plan)
            finally:
                resumed = [e["data"] for e in rig.client.events if e["topic"] == "session.resumed"]
                sent.update(one.kind for one in rig.sent)
    except (AssertionError, RefusedError, OSError) as error:
        wrong.append(f"{type(error).__name__}: {error}")
    return Result(plan, wrong, resumed, sent, time.monotonic() - began)


def _converse(rig: Rig, plan: Schedule) -> list[str]:
    rig.greet()
    descriptors = rig.usage().descriptors
    with _Answers(rig, plan.answers) as answers:
        for name, params in plan.steps:
            _do(rig, name, params)
        answers.wait()
        rig.recover()
        if any(name == "speak" for name, _ in plan.steps):
            rig.speak(silence(1.2), speed=4.0)  # else the service waits for more of the last words
        rig.settle(_BOUND_S)
        answers.wait()  # a call that was lost may have come again
        rig.rest(_BOUND_S)
    _close_sockets(rig, descriptors)
    grown = rig.usage().descriptors - descriptors
    return [
        *answers.failed,
        *problems(rig.log()),
        *rig.complaints(),
        *([f"{grown} descriptors more than at the beginning"] if grown > 0 else []),
    ]


def _do(rig: Rig, name: str, params: Mapping[str, object]) -> None:
    match name:
        case "text":
            rig.text(str(params["words"]))
        case "call":
            rig.text(f"please:\ncall {params['function']}")
        case "speak":
            seconds = float(str(params["seconds"]))
            rig.speak(speech_like(seconds) + silence(1.0 if params["pauses"] else 0.0), speed=2.0)
        case "context":
            rig.context(str(params["role"]))
        case "instruct":
            rig.client.call("update_instruction", instruction="Be brief.")
        case "video":
            rig.client.call("send_video", data=_JPEG)
        case "pause":
            time.sleep(float(str(params["seconds"])))
        case "fault":
            with suppress(ConnectionError):  # nothing is connected that it could happen to
                rig.fault(**params)


def _close_sockets(rig: Rig, descriptors: int) -> None:
    """Give sockets that are closing the time to be closed."""
    until = time.monotonic() + _CLOSING_S
    while rig.usage().descriptors > descriptors and time.monotonic() < until:
        time.sleep(0.05)


def run(seeds: Sequence[int], *, jobs: int, tell: Callable[[str], None]) -> list[Result]:
    """Hold the conversations of all seeds, so many at a time; `tell` of each that went wrong."""

    def one(seed: int) -> Result:
        result = run_one(schedule(seed))
        if result.problems:
            tell(failure(result))
        return result

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, seeds))


def failure(result: Result) -> str:
    """Return what went wrong, and in which conversation."""
    plan = result.schedule
    return "\n".join(
        [
            f"seed {plan.seed}: {plan.settings} {plan.scenario!r}",
            *(f"  {name} {dict(params)}" for name, params in plan.steps if name != "pause"),
            *(f"  PROBLEM {problem}" for problem in result.problems),
        ]
    )


def summary(results: Sequence[Result]) -> str:
    """Return the figures of all conversations."""
    wrong = [result.schedule.seed for result in results if result.problems]
    resumed = [data for result in results for data in result.resumed]
    ways = Counter(data["restored"] for data in resumed)
    gaps = sorted(int(data["gap_ms"]) for data in resumed)
    sent = sum((result.sent for result in results), Counter[str]())
    lost = sum(int(data["lost"]) for data in resumed)
    at = quantiles(gaps, n=20) if len(gaps) > 1 else [*gaps * 19]
    lines = [
        f"{len(results)} schedules, {len(wrong)} with a problem {wrong or ''}".rstrip(),
        f"sent: {dict(sent)}; in {sum(result.seconds for result in results):.0f} s",
        f"reconnections: {len(gaps)} {dict(ways)}, frames of media lost in gaps: {lost}",
    ]
    if at:
        lines.append(f"gap: median {at[9]:.0f} ms, 95 % {at[18]:.0f} ms, most {gaps[-1]} ms")
    return "\n".join(lines)
