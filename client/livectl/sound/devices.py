"""Microphones and speakers of this machine, through PortAudio (the extra `talk`)."""

import ctypes
import time
from collections import deque
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any, Protocol

from livectl.sound import audio as sound
from livectl.sound.playback import VOICE_RATE, Playback, samples_of, to_bytes
from livectl.sound.resample import Resampler
from livectl.usage import usage
from livehandle_proto.errors import LiveHandleError

_BLOCK_MS = 20
_LATENCY_S = 0.1
"""Asked of the device: less cracks on a busy machine, more is a barge-in that is heard late."""
_PLAUSIBLE_LATENCY_S = 2.0
_BACKLOG = 100  # blocks: two seconds, while the session opens
_WITHOUT = "or do without it: livectl talk --stdin-pcm --stdout-pcm"


class _Stream(Protocol):
    """What is used of a stream of PortAudio."""

    active: bool
    latency: float
    samplerate: float

    def start(self) -> None: ...
    def close(self) -> None: ...


class _Times(Protocol):
    """When a block is heard, on the stream's clock."""

    currentTime: float  # noqa: N815 - PortAudio's name
    outputBufferDacTime: float  # noqa: N815


class DeviceMicrophone:
    """A microphone that is listened to, at 16 kHz or at what rate it has."""

    ended = False

    def __init__(self, device: int | str | None) -> None:
        self._blocks: deque[bytes] = deque(maxlen=_BACKLOG)
        self._stream = _open("Input", device, sound.RATE, self._heard)
        rate = round(self._stream.samplerate)
        self._resampler = Resampler(rate, sound.RATE) if rate != sound.RATE else None
        self._stream.start()

    def chunks(self, now: float) -> Iterator[bytes]:  # noqa: ARG002 - it keeps real time by itself
        """Yield what it has heard. Raises `client.usage` if the device is gone."""
        while self._blocks:
            pcm = self._blocks.popleft()
            if self._resampler is not None:
                pcm = to_bytes(self._resampler.push(samples_of(pcm)))
            if pcm:
                yield pcm
        _check(self._stream, "microphone")

    def close(self) -> None:
        """Listen no more."""
        self._stream.close()

    def _heard(self, data: Any, _frames: int, _times: _Times, _status: object) -> None:
        self._blocks.append(bytes(data))


class DeviceSpeaker:
    """A speaker that plays, at the rate of the model's voice or at what rate it has."""

    def __init__(self, device: int | str | None) -> None:
        self.lock = Lock()
        self._stream = _open("Output", device, VOICE_RATE, self._play)
        self.playback = Playback(round(self._stream.samplerate))
        self._stream.start()

    def tick(self, now: float) -> None:  # noqa: ARG002 - it keeps real time by itself
        """See whether it is still there. Raises `client.usage`."""
        _check(self._stream, "speaker")

    def close(self) -> None:
        """Play no more."""
        self._stream.close()

    def _play(self, out: Any, frames: int, times: _Times, _status: object) -> None:
        latency = times.outputBufferDacTime - times.currentTime
        if not 0.0 < latency < _PLAUSIBLE_LATENCY_S:  # some drivers do not say
            latency = self._stream.latency
        with self.lock:
            pcm = self.playback.pull(frames, time.monotonic() + latency)
        out[:] = pcm.ljust(frames * 2, b"\0")


def listed() -> list[dict[str, object]]:
    """Return the sound devices: what `--input-device` and `--output-device` take."""
    sounddevice = _sounddevice()
    defaults = sounddevice.default.device
    return [
        {
            "device": number,
            "name": device["name"],
            "inputs": device["max_input_channels"],
            "outputs": device["max_output_channels"],
            "rate": round(device["default_samplerate"]),
            "default": [
                way for way, one in zip(("input", "output"), defaults, strict=True) if one == number
            ],
        }
        for number, device in enumerate(sounddevice.query_devices())
    ]


def _open(way: str, device: int | str | None, rate: int, callback: object) -> _Stream:
    """Open a device at a rate, or at its own where it does not take that one."""
    sounddevice = _sounddevice()
    found = _found(sounddevice, way, device)
    failure = ""
    for one in (rate, round(found["default_samplerate"])):
        try:
            stream: _Stream = getattr(sounddevice, f"Raw{way}Stream")(
                samplerate=one,
                blocksize=one * _BLOCK_MS // 1000,
                device=found["index"],
                channels=1,
                dtype="int16",
                latency=_LATENCY_S,
                callback=callback,
            )
        except sounddevice.PortAudioError as error:
            failure = str(error)
        else:
            return stream
    raise usage(
        f"The {_NAMES[way]} {found['name']!r} cannot be opened ({failure}): see whether another "
        f"program has it, choose one of livectl talk --list-devices, {_WITHOUT}."
    )


_NAMES = {"Input": "microphone", "Output": "speaker"}


def _found(sounddevice: Any, way: str, device: int | str | None) -> Mapping[str, Any]:
    kind = way.lower()
    try:
        found: Mapping[str, Any] = sounddevice.query_devices(device, kind)
    except (ValueError, sounddevice.PortAudioError) as error:
        if device is None:
            raise usage(
                f"No {_NAMES[way]} is found on this machine: plug one in, start the sound server, "
                f"{_WITHOUT}."
            ) from error
        why = " ".join(str(error).split())
        raise usage(
            f"--{kind}-device {device} names no one {_NAMES[way]} ({why}): see livectl talk "
            "--list-devices."
        ) from error
    return found


def _check(stream: _Stream, name: str) -> None:
    if not stream.active:
        raise usage(f"The {name} is gone: plug it in again, or choose another of --list-devices.")


def _sounddevice() -> Any:
    """Import PortAudio's binding, which is not for every machine."""
    try:
        import sounddevice
    except ImportError as error:
        raise _missing(
            "the Python package sounddevice", "pip install 'livehandle[talk]'"
        ) from error
    except OSError as error:
        remedy = "install it, on Debian with apt install libportaudio2"
        raise _missing("the library PortAudio", remedy) from error
    _hush_alsa()
    return sounddevice


_Handler = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p
)
_SAY_NOTHING = _Handler(lambda *_: None)  # kept: ALSA calls it to the end


def _hush_alsa() -> None:
    """Keep ALSA from writing to the terminal: it does at each device that it does not find."""
    try:
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(_SAY_NOTHING)
    except (OSError, AttributeError):  # PortAudio plays by something else here
        return


def _missing(what: str, remedy: str) -> LiveHandleError:
    return usage(f"A microphone or speaker needs {what}, which is not here: {remedy}, {_WITHOUT}.")
