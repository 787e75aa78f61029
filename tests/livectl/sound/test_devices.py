"""Sound devices, by a PortAudio that is none."""

import sys
import time
from array import array
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from livectl.__main__ import main
from livectl.sound.devices import DeviceMicrophone, DeviceSpeaker
from livehandle_proto.errors import LiveHandleError

BLOCK = b"\1\0" * 320


class PortAudioError(Exception):
    pass


class Stream:
    """A stream of some direction; the test calls its callback."""

    active = False
    latency = 0.25

    def __init__(self, *, samplerate: int, callback: Any, **given: Any) -> None:
        if samplerate not in FakeSound.rates:
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")
        self.samplerate = samplerate
        self.callback = callback
        self.given = given
        self.closed = False
        FakeSound.opened.append(self)

    def start(self) -> None:
        self.active = True

    def close(self) -> None:
        self.closed = True


class FakeSound(ModuleType):
    """What is used of `sounddevice`."""

    rates: tuple[int, ...] = (16_000, 24_000)
    opened: list[Stream]
    known: list[dict[str, Any]]

    PortAudioError = PortAudioError
    RawInputStream = Stream
    RawOutputStream = Stream
    default = SimpleNamespace(device=(0, 1))

    def query_devices(self, device: int | str | None = None, kind: str | None = None) -> Any:
        if kind is None:
            return self.known
        inputs = "max_input_channels" if kind == "input" else "max_output_channels"
        fitting = [one for one in self.known if one[inputs]]
        if device is None:
            if not fitting:
                raise PortAudioError("Error querying device -1")
            return fitting[0]
        chosen = [one for one in fitting if device in (one["index"], one["name"])]
        if not chosen:
            raise ValueError(f"No {kind} device matching {device!r}")
        return chosen[0]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeSound:
    fake = FakeSound("sounddevice")
    names = ("max_input_channels", "max_output_channels")
    fake.known = [
        {
            "index": i,
            "name": name,
            "default_samplerate": 44_100.0,
            **dict(zip(names, io, strict=True)),
        }
        for i, (name, io) in enumerate([("mic", (1, 0)), ("loud", (0, 2)), ("set", (1, 1))])
    ]
    FakeSound.opened = []
    monkeypatch.setattr(FakeSound, "rates", (16_000, 24_000))
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_a_microphone_gives_what_it_hears(fake: FakeSound) -> None:
    microphone = DeviceMicrophone(None)
    (stream,) = fake.opened
    assert (stream.samplerate, stream.given["device"], stream.given["blocksize"]) == (
        16_000,
        0,
        320,
    )
    assert (stream.given["channels"], stream.given["dtype"]) == (1, "int16")
    stream.callback(BLOCK, 320, None, None)
    stream.callback(memoryview(BLOCK), 320, None, None)
    assert list(microphone.chunks(0.0)) == [BLOCK, BLOCK]
    assert list(microphone.chunks(0.0)) == []
    microphone.close()
    assert stream.closed


def test_a_microphone_that_nobody_listens_to_keeps_two_seconds(fake: FakeSound) -> None:
    microphone = DeviceMicrophone(None)
    for n in range(500):
        fake.opened[0].callback(bytes([n % 256, 0]) * 320, 320, None, None)
    kept = list(microphone.chunks(0.0))
    assert len(kept) == 100
    assert kept[-1][0] == 499 % 256


def test_a_device_with_a_rate_of_its_own_is_converted(
    fake: FakeSound, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeSound, "rates", (44_100,))
    microphone, speaker = DeviceMicrophone("set"), DeviceSpeaker(2)
    heard, played = fake.opened
    assert [one.samplerate for one in fake.opened] == [44_100, 44_100]
    assert [one.given["device"] for one in fake.opened] == [2, 2]
    for _ in range(50):
        heard.callback(b"\0\1" * 882, 882, None, None)
    total = b"".join(microphone.chunks(0.0))
    assert len(total) / 2 == pytest.approx(16_000, abs=50)
    assert array("h", total[8000:8002])[0] == pytest.approx(256, abs=3)
    assert speaker.playback.rate == 44_100
    speaker.playback.take(b"\0\1" * 24_000, 24_000)
    out = bytearray(1764)
    times = SimpleNamespace(currentTime=7.0, outputBufferDacTime=7.05)
    for _ in range(20):
        played.callback(out, 882, times, None)
    assert array("h", bytes(out[:2]))[0] == pytest.approx(256, abs=3)


@pytest.mark.parametrize(("told", "latency"), [(0.1, 0.1), (0.0, 0.25), (-3.0, 0.25), (1e9, 0.25)])
def test_a_speaker_counts_the_latency_of_its_device(
    told: float, latency: float, fake: FakeSound
) -> None:
    speaker = DeviceSpeaker(None)
    (stream,) = fake.opened
    speaker.playback.take(BLOCK, 24_000)
    speaker.playback.turn_complete()
    out = bytearray(960)
    times = SimpleNamespace(currentTime=5000.0, outputBufferDacTime=5000.0 + told)
    before = time.monotonic()
    stream.callback(out, 480, times, None)
    after = time.monotonic()
    assert out == BLOCK + bytes(320), "what is not there is silence"
    lasts = latency + 320 / 24_000
    assert not speaker.playback.drained(before + lasts - 0.001)
    assert speaker.playback.drained(after + lasts + 0.001)
    speaker.close()
    assert stream.closed


def test_a_device_that_is_gone_is_told(fake: FakeSound) -> None:
    microphone, speaker = DeviceMicrophone(None), DeviceSpeaker(None)
    speaker.tick(0.0)
    for stream in fake.opened:
        stream.active = False
    with pytest.raises(LiveHandleError, match="The microphone is gone: plug it in"):
        list(microphone.chunks(0.0))
    with pytest.raises(LiveHandleError, match="The speaker is gone: plug it in"):
        speaker.tick(0.0)


def test_devices_are_listed(fake: FakeSound, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["talk", "--list-devices"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "0  mic (1 in, 0 out, 44100 Hz, default input)",
        "1  loud (0 in, 2 out, 44100 Hz, default output)",
        "2  set (1 in, 1 out, 44100 Hz)",
    ]
    assert main(["talk", "--list-devices", "--json"]) == 0
    assert '"default": ["input"]' in capsys.readouterr().out
    fake.known = []
    assert main(["talk", "--list-devices"]) == 3


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["--socket", "/nowhere", "talk", *words]) == 3
    error = capsys.readouterr().err
    assert error.endswith(" [client.usage]\n")
    return error


@pytest.mark.parametrize(
    ("words", "known", "told"),
    [
        ([], [], "No microphone is found on this machine: plug one in"),
        (["--input-device", "9"], [0, 1, 2], "--input-device 9 names no one microphone"),
        (["--output-device", "mic"], [0, 1, 2], "--output-device mic names no one speaker"),
        ([], [0], "No speaker is found"),
    ],
)
def test_a_device_that_is_not_there_is_named(
    words: list[str],
    known: list[int],
    told: str,
    fake: FakeSound,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake.known = [fake.known[i] for i in known]
    assert told in refusal(capsys, *words)
    assert all(stream.closed for stream in fake.opened)


def test_a_device_that_cannot_be_opened_is_named(
    fake: FakeSound, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(FakeSound, "rates", ())
    error = refusal(capsys)
    assert "The microphone 'mic' cannot be opened (Invalid sample rate" in error
    assert "--list-devices" in error


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (ImportError("No module"), "needs the Python package sounddevice, which is not here: pip"),
        (OSError("PortAudio library not found"), "on Debian with apt install libportaudio2"),
    ],
)
def test_what_is_not_installed_is_named_with_its_remedy(
    failure: Exception,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Failing:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "sounddevice":
                raise failure

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Failing(), *sys.meta_path])
    error = refusal(capsys)
    assert told in error
    assert "--stdin-pcm --stdout-pcm" in error
