"""Rotations in one conversation with speech both ways, in real time, and the gap of each."""

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from campaign.checker import Json, problems
from campaign.rig import CHUNK_BYTES, Client, HangError, Rig, running_rig
from support.speech import silence, speech_like

_SCENARIO = "timing = { reply_delay_ms = 150, stream_speed = 8.0, playback_speed = 1.0 }\n"
_LEFT_MS = 30_000
_STEP_S = 30.0


class Rotation(NamedTuple):
    """One rotation."""

    moment: str
    """When the go-away came."""
    served_ms: int
    """How long the old connection served on, to the turn's end."""
    gap_ms: int
    lost: int


class Result(NamedTuple):
    """What became of the conversation."""

    rotations: Sequence[Rotation]
    chunks_sent: int
    chunks_heard: int
    """Of them, those that the service was sent."""
    utterances: int
    audio_s: float
    """Seconds of the model's speech that came."""
    problems: Sequence[str]


class _Microphone:
    """A user who says something, listens, and says something again, until stopped."""

    def __init__(self, rig: Rig, says_s: float, listens_s: float) -> None:
        self._rig = rig
        self._pcm = speech_like(says_s) + silence(listens_s)
        self._stop = threading.Event()
        self.utterances = 0
        self.chunks = 0
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop after what is being said, and the silence that follows it."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._rig.speak(self._pcm)
            self.utterances += 1
            self.chunks += -(-len(self._pcm) // CHUNK_BYTES)


def run(
    moments: Sequence[str] = ("model speaking", "user speaking", "idle"),
    *,
    says_s: float = 1.5,
    listens_s: float = 4.5,
) -> Result:
    """Hold the conversation, with a go-away at each of the moments.

    The user speaks for `says_s` and listens for `listens_s`: long enough to be answered.
    """
    with running_rig(_SCENARIO) as rig:
        onlooker = Client(rig.daemon.path)
        onlooker.call("events", topics=["*"])
        microphone = _Microphone(rig, says_s, listens_s)
        microphone.start()
        rotations: list[Rotation] = []
        wrong: list[str] = []
        try:
            rotations += [_rotate(rig, moment) for moment in moments]
        except HangError as hang:
            wrong.append(str(hang))
        finally:
            microphone.stop()
        rig.settle(_STEP_S)
        if rig.client.closed or onlooker.closed:
            wrong.append("a client's socket was closed")
        onlooker.close()
        log = rig.log()
        heard = sum(1 for entry in rig.journal() if _is_audio(entry))
        entries = log.sessions[-1]["history"]
        spoken = [entry for entry in entries if entry["kind"] == "speech"]
        if len(spoken) != microphone.utterances:
            wrong.append(f"{microphone.utterances} utterances, the model heard {len(spoken)}")
        return Result(
            rotations=rotations,
            chunks_sent=microphone.chunks,
            chunks_heard=heard,
            utterances=microphone.utterances,
            audio_s=_seconds(rig.client.events),
            problems=[*wrong, *problems(log), *rig.complaints()],
        )


def table(result: Result) -> str:
    """Return the rotations as a table in Markdown, and what is to be said beside it."""
    lines = ["| go-away while | served on, ms | gap, ms | media lost |", "|---|---|---|---|"]
    lines += [f"| {r.moment} | {r.served_ms} | {r.gap_ms} | {r.lost} |" for r in result.rotations]
    chunks = f"{result.chunks_sent} chunks sent, {result.chunks_heard} arrived"
    came = f"{result.audio_s:.1f} s of speech came back"
    lines += ["", f"{result.utterances} utterances, {chunks}; {came}."]
    return "\n".join([*lines, *(result.problems or ["No problem."])])


def _rotate(rig: Rig, moment: str) -> Rotation:
    client = rig.client
    since = len(client.events)
    client.until(_BEGINNINGS[moment], moment, within_s=_STEP_S, since=since)
    rig.fault(do="go_away", time_left_ms=_LEFT_MS)
    client.topic("session.go_away", since=since, within_s=_STEP_S)
    resumed = client.topic("session.resumed", since=since, within_s=_STEP_S)
    at = {event["topic"]: event["ts_ms"] for event in client.events[since:]}
    return Rotation(
        moment=moment,
        served_ms=at["session.reconnecting"] - at["session.go_away"],
        gap_ms=resumed["gap_ms"],
        lost=resumed["lost"],
    )


_BEGINNINGS: dict[str, Callable[[Json], bool]] = {
    "model speaking": lambda event: event["data"].get("phase") == "model_speaking",
    "user speaking": lambda event: event["topic"] == "live.vad_start",
    "idle": lambda event: event["topic"] == "live.turn_complete",
}


def _is_audio(entry: Json) -> bool:
    return entry["what"] == "in" and "audio" in entry["kinds"]


def _seconds(events: Sequence[Json]) -> float:
    chars = sum(len(e["data"]["data"]) for e in events if e["topic"] == "live.audio")
    return chars * 3 / 4 / 2 / 24_000
