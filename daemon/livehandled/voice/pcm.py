"""PCM arithmetic: bytes, samples, levels, rates.

Bytes are 16-bit little-endian mono. Samples are float32 arrays of shape (n,), full scale at 1.0.
"""

from functools import lru_cache
from math import ceil, gcd, log10

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SILENCE_DBFS = -96.0
"""The level given to digital silence: about the least that 16 bits can hold (F7)."""

_FULL_SCALE = 32768.0
_UNIT = np.float32(1.0 / _FULL_SCALE)
_ZERO_CROSSINGS = 24  # of the sinc, on each side: the stop band starts 5 % above the cutoff
_KAISER_BETA = 8.0  # about 80 dB down in the stop band
_CUTOFF = 0.94  # of the lower of the two Nyquist frequencies


def from_bytes(pcm: bytes) -> Samples:
    """Return the samples of 16-bit PCM. An odd last byte is no sample and is left out."""
    whole = np.frombuffer(pcm, dtype="<i2", count=len(pcm) // 2)
    samples: Samples = np.multiply(whole, _UNIT, dtype=np.float32)
    return samples


def to_bytes(samples: Samples) -> bytes:
    """Return samples as 16-bit PCM, clipped at full scale."""
    scaled = np.rint(samples * np.float32(_FULL_SCALE))
    clipped: NDArray[np.int16] = np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2")
    return clipped.tobytes()


def level_dbfs(samples: Samples) -> float:
    """Return the RMS level in dBFS: 0 is a full-scale square, `SILENCE_DBFS` the least."""
    if samples.size == 0:
        return SILENCE_DBFS
    power = float(samples.dot(samples)) / samples.size
    return max(SILENCE_DBFS, 10.0 * log10(power)) if power > 0.0 else SILENCE_DBFS


def resample(samples: Samples, from_rate: int, to_rate: int) -> Samples:
    """Return samples at another rate (Hz), in time with the given ones.

    A windowed-sinc filter in polyphase form, linear in phase. The result has
    ceil(n * to_rate / from_rate) samples. Raises `ValueError` for a rate that is not positive.
    """
    if from_rate <= 0 or to_rate <= 0:
        raise ValueError(f"rates must be positive, got {from_rate} and {to_rate}")
    if from_rate == to_rate or samples.size == 0:
        return samples.copy()
    common = gcd(from_rate, to_rate)
    up, down = to_rate // common, from_rate // common
    phases = _phases(up, down)
    half = phases.shape[1] // 2
    padded = np.concatenate([np.zeros(half, np.float32), samples, np.zeros(half, np.float32)])
    windows = sliding_window_view(padded, phases.shape[1])
    resampled = np.empty(ceil(samples.size * up / down), np.float32)
    for first in range(min(up, resampled.size)):
        # Every up-th output falls on the same phase, down input samples after the last.
        position = first * down
        outputs = resampled[first::up]
        inputs = windows[position // up :: down][: outputs.size]
        np.matmul(inputs, phases[position % up], out=outputs)
    return resampled


@lru_cache(maxsize=16)
def _phases(up: int, down: int) -> Samples:
    """Return the filter, one row of coefficients for each of `up` positions between samples."""
    cutoff = _CUTOFF * min(1.0, up / down)  # of the input's Nyquist frequency
    half = ceil(_ZERO_CROSSINGS / cutoff)
    offsets = np.arange(-half, half + 1)[np.newaxis, :] - np.arange(up)[:, np.newaxis] / up
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1.0 - (offsets / (half + 1)) ** 2, 0.0, 1.0)))
    rows = np.sinc(cutoff * offsets) * window
    # A constant stays that constant, whatever the phase.
    normalised: Samples = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalised
