"""Recordings begun and ended, and what everybody is told of them."""

import inspect
import logging
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import msgspec
import pytest

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.recordings import RecordingChange, RecordingStart
from livehandle_proto.values import Value
from livehandle_proto.wire_file import read
from livehandled.config.schema import Recording as Settings
from livehandled.recording import running as running_module
from livehandled.recording import writer as writer_module
from livehandled.recording.recorder import Recorder
from livehandled.redaction import Redaction
from livehandled.session.router import Ear
from livehandled.session.wiretap import Connected, Listener, Wiretap

pytestmark = pytest.mark.anyio

START = RecordingStart(name="call")
CONNECTED = Connected("s", 1, "m", "gemini", "wss://x", (), ())


class Socket:
    tap: Listener | None = None


class Sounds:
    sound: Ear | None = None


class Rig:
    """A recorder, and what it tells."""

    def __init__(
        self, default: Path | None, redaction: Redaction | None = None, **settings: object
    ) -> None:
        self.told: list[RecordingChange] = []
        self.wiretap, self.sounds = Wiretap(), Sounds()
        self.changed = anyio.Event()
        self.recorder = Recorder(
            msgspec.convert(settings, Settings),
            default=default,
            wiretap=self.wiretap,
            router=self.sounds,
            publish=self._publish,
            clock=time.monotonic,
            now_ms=lambda: 1_767_225_600_000,
            redaction=redaction,
        )

    def _publish(self, topic: str, data: Value) -> None:
        assert topic == "daemon.recording_changed"
        assert isinstance(data, RecordingChange)
        self.told.append(data)
        if data.reason != "started":
            self.changed.set()

    @property
    def reasons(self) -> list[str]:
        return [change.reason for change in self.told]

    def wire(self) -> bytes:
        wire = self.told[0].recording.wire
        assert wire is not None
        return Path(wire).read_bytes()

    def lines(self) -> list[str]:
        return [str(line["what"]) for line in read(self.wire().splitlines(keepends=True))[1]]


async def refused(call: Callable[[], object]) -> LiveHandleError:
    with pytest.raises(LiveHandleError) as caught:
        await call()  # type: ignore[misc]  # what can be awaited
    return caught.value


async def test_a_recording_is_begun_told_and_ended(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "shelf")
    assert rig.recorder.current() is None
    begun = await rig.recorder.start(START)
    assert begun.wire == str(tmp_path / "shelf" / "call.recording" / "wire.jsonl")
    ear = rig.sounds.sound
    assert ear is not None
    with rig.wiretap.connected(socket := Socket(), CONNECTED):
        assert socket.tap is not None
        socket.tap.sent(b"{}")
        socket.tap.came(b"{}")
        ear.user(bytes(640))
        ear.model("AAAA", "audio/pcm;rate=24000")
        ear.cut()
        current = rig.recorder.current()
        assert current is not None
        assert current.name == "call"
    ended = await rig.recorder.stop()
    assert (ended.frames, ended.dropped, ended.redacted) == (2, 0, False)
    assert rig.recorder.current() is None
    assert rig.sounds.sound is None
    assert rig.reasons == ["started", "stopped"]
    assert rig.lines() == ["open", "out", "in", "close", "end"]
    [kept] = (await rig.recorder.kept()).recordings
    assert (kept.name, kept.bytes) == ("call", ended.wire_bytes + ended.audio_bytes)


async def begin(rig: Rig) -> None:
    await rig.recorder.start(START)


async def test_a_start_that_nobody_awaits_is_none(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    starting = rig.recorder.start(START)
    assert inspect.iscoroutine(starting)
    starting.close()  # as of a request that was cancelled before its turn
    await rig.recorder.start(START)
    await rig.recorder.stop()


async def test_who_goes_while_it_starts_leaves_no_empty_directory(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(begin, rig)
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert rig.recorder.current() is not None
    await rig.recorder.stop()
    assert rig.lines() == ["end"]


async def test_what_starts_while_the_daemon_stops_ends_with_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(begin, rig)
        await anyio.lowlevel.checkpoint()
        await rig.recorder.close()
    assert rig.reasons == ["started", "stopping"]
    assert rig.recorder.current() is None
    assert rig.lines() == ["end"]


async def test_one_recording_runs_at_a_time(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    assert (await refused(rig.recorder.stop)).name == "recording.not_running"
    starting = rig.recorder.start(START)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(begin, rig)
        await anyio.lowlevel.checkpoint()
        assert (await refused(lambda: rig.recorder.start(START))).name == "recording.running"
        assert (await refused(lambda: starting)).name == "recording.running"
    assert (await refused(lambda: rig.recorder.start(START))).name == "recording.running"
    await rig.recorder.stop()
    assert (await refused(lambda: rig.recorder.start(START))).name == "wire.invalid_params"
    await rig.recorder.start(RecordingStart())
    await rig.recorder.stop()


@pytest.mark.parametrize(
    ("params", "files"),
    [
        (RecordingStart(name="a", audio=False), {"wire.jsonl"}),
        (RecordingStart(name="a", wire=False), {"audio.wav"}),
    ],
)
async def test_what_is_not_asked_for_is_not_recorded(
    tmp_path: Path, params: RecordingStart, files: set[str]
) -> None:
    rig = Rig(tmp_path)
    begun = await rig.recorder.start(params)
    assert (begun.wire is None, begun.audio is None) == (not params.wire, not params.audio)
    with rig.wiretap.connected(socket := Socket(), CONNECTED):
        assert (socket.tap is None) == (not params.wire)
    assert (rig.sounds.sound is None) == (not params.audio)
    await rig.recorder.stop()
    assert {file.name for file in (tmp_path / "a.recording").iterdir()} == files


async def test_nothing_at_all_cannot_be_recorded(tmp_path: Path) -> None:
    nothing = RecordingStart(wire=False, audio=False)
    error = await refused(lambda: Rig(tmp_path).recorder.start(nothing))
    assert error.data["param"] == "audio"


async def test_sound_is_left_out_where_texts_are_redacted_unless_it_is_to_be_kept(
    tmp_path: Path,
) -> None:
    redaction = Redaction({"card": r"\d{4}"})
    rig = Rig(tmp_path, redaction)
    begun = await rig.recorder.start(START)
    assert (begun.redacted, begun.audio) == (True, None)
    assert rig.sounds.sound is None
    await rig.recorder.stop()
    assert b'"redacted":true,"audio":"left_out"' in rig.wire()
    alone = RecordingStart(wire=False)
    assert (await refused(lambda: rig.recorder.start(alone))).name == "wire.invalid_params"
    rig.recorder.settings = Settings(redacted_audio="keep")
    kept = await rig.recorder.start(RecordingStart(name="b"))
    assert (kept.redacted, kept.audio is not None) == (True, True)
    await rig.recorder.stop()


async def test_a_recording_that_is_full_ends_by_itself(tmp_path: Path) -> None:
    rig = Rig(tmp_path, max_bytes=65_536)
    await rig.recorder.start(START)
    with rig.wiretap.connected(socket := Socket(), CONNECTED):
        tap = socket.tap
        assert tap is not None
        for _ in range(80):
            tap.came(b'{"a": "%s"}' % (b"x" * 1000))
        await rig.changed.wait()
        left = socket.tap
    assert left is None
    assert rig.reasons == ["started", "full"]
    assert rig.recorder.current() is None


async def test_a_disk_that_fails_is_told_once_and_the_next_recording_can_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_file: int, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    rig = Rig(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(writer_module, "_write", full)
        await rig.recorder.start(START)
        await rig.changed.wait()
    assert rig.reasons == ["started", "failed"]
    assert "No space left on device" in str(rig.told[-1].message)
    warnings = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert [one.getMessage().endswith("[recording.failed]") for one in warnings] == [True]
    await rig.recorder.start(RecordingStart(name="next"))
    await rig.recorder.stop()
    assert rig.reasons[2:] == ["started", "stopped"]


@pytest.mark.parametrize("error", [MemoryError("a secret"), ValueError("a secret")])
async def test_an_error_that_is_no_disk_s_ends_the_recording_and_is_logged(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    def broken(_file: int, _data: bytes) -> None:
        raise error

    rig = Rig(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(writer_module, "_write", broken)
        await rig.recorder.start(START)
        with anyio.fail_after(10):
            await rig.changed.wait()
    assert rig.reasons == ["started", "failed"]
    assert type(error).__name__ in str(rig.told[-1].message)
    assert "secret" not in str(rig.told[-1].message)
    assert [one.exc_info[1] for one in caplog.records if one.exc_info] == [error]
    await rig.recorder.start(RecordingStart(name="next"))
    await rig.recorder.stop()


async def test_a_disk_that_stands_still_keeps_nobody_waiting_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_module, "END_S", 0.0)
    rig = Rig(tmp_path)
    await rig.recorder.start(START)
    assert (await refused(rig.recorder.stop)).name == "recording.failed"
    await rig.changed.wait()
    assert rig.reasons == ["started", "stopped"]


async def test_what_runs_ends_with_the_daemon(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.recorder.start(START)
    await rig.recorder.close()
    await rig.recorder.close()
    assert rig.reasons == ["started", "stopping"]
    assert rig.lines() == ["end"]


@pytest.mark.parametrize("place", ["a file", "nowhere"])
async def test_a_place_that_cannot_be_used_is_refused_in_words(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    rig = Rig(tmp_path / "file" / "shelf" if place == "a file" else None)
    error = await refused(lambda: rig.recorder.start(START))
    assert error.name == "recording.failed"
    assert "recording.directory" in error.message
    error = await refused(rig.recorder.kept)
    assert error.name == "recording.failed"
    assert rig.told == []


async def test_the_configured_directory_stands_over_the_usual_one(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "usual", directory=str(tmp_path / "other"))
    begun = await rig.recorder.start(START)
    await rig.recorder.stop()
    assert str(begun.wire).startswith(str(tmp_path / "other"))
