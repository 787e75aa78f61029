"""Snapshots to be saved, and a program that saves one after the other until it is killed."""

import sys
from pathlib import Path

from msgspec import Raw

from livehandle_proto.transcripts import TranscriptTurn
from livehandled.context import SavedContext
from livehandled.gemini.content import text_content
from livehandled.session.handles import Kept
from livehandled.session.history import Told
from livehandled.session.outbox import Message
from livehandled.state import SavedState
from livehandled.store import Snapshot, Store, encode
from livehandled.telemetry import Telemetry
from livehandled.transcript import SavedTranscript

HANDLE = "a-resumption-handle"
SECRETS = (HANDLE, "said in confidence", "kept in the state", "still to be sent", "told before")


def snapshot(number: int = 1, *, size: int = 0) -> Snapshot:
    """Return a snapshot that says its number in several places, `size` bytes apart."""
    return Snapshot(
        session_id=f"session-{number}",
        model="gemini-3.8-live",
        backend="gemini",
        overrides={"session": {"voice": "Puck"}},
        instruction="Be kind.",
        handle=Kept(
            handle=HANDLE, model="gemini-3.8-live", backend="gemini", fingerprint="f", at_ms=number
        ),
        covered_turns=1,
        turns=number,
        reconnects=2,
        state=SavedState(
            cursor=number,
            values={
                "app:note": Raw(b'"kept in the state"'),
                "app:fill": Raw(b'"' + b"x" * size + b'"'),
            },
        ),
        transcript=SavedTranscript(
            turns=[TranscriptTurn(turn_number=0, user="said in confidence")],
            number=1,
            user="",
            notes={},
            spoken="",
            last_note=0,
            tools=[],
        ),
        telemetry=Telemetry(started=0.0).export(media_dropped=number),
        context=SavedContext(turns=[text_content("told before", "model")], prompt_armed=True),
        calls=[],
        unsent=[
            Message(b"still to be sent", "text", [text_content("still to be sent", "user")], [])
        ],
        owed=True,
        told=[Told("model", "told to the model", 0)],
        since=[Told("model", "told later", 1)],
        open=True,
        saved_at_ms=number,
    )


def whole(found: Snapshot) -> bool:
    """Return whether the snapshot is one of ours from end to end."""
    size = len(found.state.values["app:fill"]) - 2
    return encode(found) == encode(snapshot(found.turns, size=size))


def main() -> None:
    """Save snapshots of changing size at the path given, and print the number of each."""
    store = Store(Path(sys.argv[1]))
    number = int(sys.argv[2])
    while True:
        number += 1
        store.save(encode(snapshot(number, size=number * 7919 % 300_000)))
        print(number, flush=True)


if __name__ == "__main__":
    main()
