"""Sample rates and widths in plain Python, for a client that does not wait for numpy.

A windowed-sinc filter in polyphase form: each output sample is one sum of products, which
`map` runs in C, some ten times faster than real time.
"""

import math
from array import array
from collections.abc import Iterator
from functools import cache
from operator import mul

_HALF_WIDTH = 24  # zero crossings of the sinc on each side
_CUT_OFF = 0.93  # of what the lower rate can carry: flat up to 0.85, below -50 dB from 1 on
_LIMITS = (-32768, 32767)


class Resampler:
    """Converts one stream of mono samples from one rate to another, chunk by chunk."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        divisor = math.gcd(from_rate, to_rate)
        self._up = to_rate // divisor
        self._down = from_rate // divisor
        self._phases = _phases(self._up, self._down)
        self._taps = len(self._phases[0])
        # As much silence before the first sample as the filter looks back.
        self._input = array("d", bytes(8 * (self._taps // 2 - 1)))
        self._position = 0  # of the next output sample, in input samples times `up`

    def push(self, samples: "array[float]") -> "array[int]":
        """Take samples and return those of the other rate that they complete, 16 bit."""
        if self._up == self._down:
            return array("h", _rounded(samples))
        self._input.extend(samples)
        return array("h", _rounded(self._ready()))

    def finish(self) -> "array[int]":
        """Return the samples that the end of the stream completes."""
        if self._up == self._down:
            return array("h")
        return self.push(array("d", bytes(8 * (self._taps // 2))))

    def _ready(self) -> Iterator[float]:
        available = (len(self._input) - self._taps + 1) * self._up
        while self._position < available:
            start, phase = divmod(self._position, self._up)
            yield sum(map(mul, self._input[start : start + self._taps], self._phases[phase]))
            self._position += self._down
        used = self._position // self._up
        del self._input[:used]
        self._position -= used * self._up


def _rounded(samples: "array[float] | Iterator[float]") -> Iterator[int]:
    low, high = _LIMITS
    return (min(max(round(sample), low), high) for sample in samples)


@cache
def _phases(up: int, down: int) -> "list[array[float]]":
    """Return the filter's taps for each of the `up` places between two input samples."""
    stretch = max(1.0, down / up) / _CUT_OFF  # a lower rate wants a lower cut-off
    half = math.ceil(_HALF_WIDTH * stretch)
    phases = []
    for phase in range(up):
        taps = array("d")
        for i in range(-half + 1, half + 1):
            taps.append(_windowed_sinc((i - phase / up) / stretch))
        total = sum(taps)
        phases.append(array("d", (tap / total for tap in taps)))
    return phases


def _windowed_sinc(x: float) -> float:
    if x == 0:
        return 1.0
    if abs(x) >= _HALF_WIDTH:
        return 0.0
    window = 0.54 + 0.46 * math.cos(math.pi * x / _HALF_WIDTH)  # Hamming
    return math.sin(math.pi * x) / (math.pi * x) * window
