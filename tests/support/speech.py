"""Sound for tests: speech-like, noisy, silent. All of it 16-bit mono PCM, the same each time."""

import numpy as np

from livehandled.voice.pcm import to_bytes

RATE = 16_000


def speech_like(seconds: float, *, rate: int = RATE, level: float = 0.3, seed: int = 1) -> bytes:
    """Return syllables: a buzz with a speaker's pitch and resonances, four times a second."""
    at = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(at.size)
    pitch = 2.0 * np.pi * np.cumsum(130.0 + 15.0 * np.sin(2.0 * np.pi * 0.7 * at)) / rate
    voice = np.zeros_like(at)
    for k in range(1, 25):
        frequency = 130.0 * k
        gain = sum(1.0 / (1.0 + ((frequency - f) / 150.0) ** 2) for f in (600.0, 1300.0, 2500.0))
        voice += gain * np.sin(k * pitch)
    syllables = 0.25 + 0.75 * np.abs(np.sin(2.0 * np.pi * 2.0 * at))
    sound = syllables * voice / np.abs(voice).max() + 0.01 * noise
    return to_bytes((level * sound).astype(np.float32))


def noise(seconds: float, *, rate: int = RATE, level_dbfs: float = -40.0, seed: int = 2) -> bytes:
    """Return steady noise with the falling spectrum of a fan."""
    white = np.random.default_rng(seed).standard_normal(int(seconds * rate) + 7)
    smooth = np.convolve(white, np.ones(8) / 8, mode="valid")
    scaled = smooth / np.sqrt(np.mean(smooth**2)) * 10 ** (level_dbfs / 20)
    return to_bytes(scaled.astype(np.float32))


def silence(seconds: float, *, rate: int = RATE) -> bytes:
    """Return digital silence."""
    return bytes(2 * int(seconds * rate))


def square(samples: int, *, amplitude: int = 10_000, period: int = 4) -> bytes:
    """Return a square wave: the loud frames of the Rust tests have period 4."""
    up = np.arange(samples) % period < period // 2
    return np.where(up, amplitude, -amplitude).astype("<i2").tobytes()
