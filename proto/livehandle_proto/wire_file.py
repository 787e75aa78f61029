"""The wire file of a recording: what went to the model's service and what came, line by line.

One JSON object a line. The first, the header, has `livehandle_recording` (the version of this
form), `version` (of the daemon), `name`, `started_ms` (wall clock since 1970), `redacted`, and
`audio` (`recorded`, or `left_out` where texts are redacted and sound is not kept). Every other has
`ms` (since the start, of a steady clock) and `what`:

- `open`: a connection, by its number in the recording, with `session`, `generation`, `model`,
  `backend` and `url`; with `before` true it was open when the recording began;
- `out` and `in`: a message to the service and one from it, in `frame`; in `text` one that is no
  JSON. With `before` true it is older than the recording: the setup, and its answer;
- `close`: the connection's end, `by` `service`, `daemon` or `network`, `code` and `reason` if any;
- `dropped`: so many lines, `count`, are missing here;
- `end`: of the recording, with its `reason`.

No key and no token is in it, and a stand-in for each resumption handle: `handle-1` and so on, the
same for the same handle. A file that was cut off anywhere is read up to there.
"""

import json
from collections.abc import Iterable, Iterator

VERSION = 1
"""Of the form of the file."""

HEAD = "livehandle_recording"

WIRE = "wire.jsonl"
AUDIO = "audio.wav"
SUFFIX = ".recording"
"""A recording is a directory `NAME.recording` with the files `wire.jsonl` and `audio.wav`."""

Line = dict[str, object]


class NoRecordingError(ValueError):
    """What a file is instead of a recording, in words that go on after "it"."""


def read(lines: Iterable[bytes]) -> tuple[Line, Iterator[Line]]:
    """Return the header of a wire file, and what follows, line by line.

    Raises `NoRecordingError` for what is none, at once or at the line that is not.
    """
    numbered = enumerate(lines, 1)
    header = next((_object(line) for _, line in numbered), None)
    version = None if header is None else header.get(HEAD)
    if header is None or not isinstance(version, int):
        raise NoRecordingError("has no header of a recording")
    if version != VERSION:
        raise NoRecordingError(f"is of version {version} of the form, and this reads {VERSION}")
    return header, _rest(numbered)


def _rest(numbered: Iterable[tuple[int, bytes]]) -> Iterator[Line]:
    for number, line in numbered:
        found = _object(line)
        if found is None:
            if not line.endswith(b"\n"):
                return  # it was cut off: the daemon was killed, or the disk was full
            raise NoRecordingError(f"has no line of a recording at line {number}")
        yield found


def _object(line: bytes) -> Line | None:
    """Return a line with a time and a kind, or a header."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    ms, what = found.get("ms"), found.get("what")
    fits = isinstance(ms, int | float) and not isinstance(ms, bool) and isinstance(what, str)
    return found if fits or HEAD in found else None
