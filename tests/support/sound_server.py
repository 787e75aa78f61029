"""A sound server with a virtual microphone and a virtual speaker, and no hardware."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from support.daemon import environment
from support.heard import RATE, Gathered

MIC_RATE = 16_000
TOOLS = ("pulseaudio", "pacat", "parec")

# A null sink asks for sound as seldom as all that is connected lets it, if need be every two
# seconds. These latencies are what keeps it lively; a real device has its own.
_LATENCY_MS = "20"
_CLIENT_LATENCY_MS = "120"
_WAIT_S = 20.0
# PortAudio reaches the server as most programs do, through ALSA's plug-in.
_ALSA = "</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n"


class SoundServer:
    """PulseAudio: what is said into its microphone is heard there, and what is played is kept."""

    speaker: Gathered
    """All that is played, silence included: 16-bit mono PCM at 24 kHz."""

    def __init__(self, directory: Path) -> None:
        alsa = directory / "asound.conf"
        alsa.write_text(_ALSA)
        self.environ: Mapping[str, str] = {
            "ALSA_CONFIG_PATH": str(alsa),
            "PULSE_SERVER": f"unix:{directory}/sound",
            "PULSE_SINK": "ear",
            "PULSE_SOURCE": "mouth.monitor",
            "PULSE_LATENCY_MSEC": _CLIENT_LATENCY_MS,
        }
        """What a client of it is to have in its environment."""
        self._directory = directory
        self._processes: list[subprocess.Popen[bytes]] = []
        self._gathered: list[Gathered] = []

    def start(self) -> None:
        """Run it, and connect both ends."""
        log = self._gather(self._run(_server(self._directory), stderr=subprocess.PIPE).stderr)
        log.wait(lambda told: b"startup complete" in told or None)
        self._mouth = self._run(_tool("pacat", "mouth", MIC_RATE), stdin=subprocess.PIPE).stdin
        ear = self._run(_tool("parec", "ear.monitor", RATE), stdout=subprocess.PIPE)
        self.speaker = self._gather(ear.stdout)

    def say(self, pcm: bytes) -> None:
        """Speak into the microphone, 16-bit mono PCM at `MIC_RATE`; it goes on in real time."""
        assert self._mouth is not None
        self._mouth.write(pcm)
        self._mouth.flush()

    def close(self) -> None:
        """End it."""
        for process in reversed(self._processes):
            process.terminate()
            process.wait(_WAIT_S)
            if process.stdin is not None:
                process.stdin.close()
        for gathered in self._gathered:
            gathered.close()

    def _run(
        self,
        command: list[str],
        *,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> subprocess.Popen[bytes]:
        environ = environment(self._directory, self.environ)
        process = subprocess.Popen(command, env=environ, stdin=stdin, stdout=stdout, stderr=stderr)
        self._processes.append(process)
        return process

    def _gather(self, stream: IO[bytes] | None) -> Gathered:
        gathered = Gathered(stream)
        self._gathered.append(gathered)
        return gathered


@contextmanager
def sound_server(directory: Path) -> Iterator[SoundServer]:
    """Run a sound server of our own, with its socket in a directory of a short path."""
    server = SoundServer(directory)
    try:
        server.start()
        yield server
    finally:
        server.close()


def _server(directory: Path) -> list[str]:
    sink = "--load=module-null-sink sink_name={} rate={} channels=1 format=s16le"
    return [
        *("pulseaudio", "-n", "-v", "--daemonize=no", "--exit-idle-time=-1"),
        *("--use-pid-file=no", "--disable-shm=yes", "--realtime=no", "--high-priority=no"),
        sink.format("ear", RATE),
        sink.format("mouth", MIC_RATE),
        f"--load=module-native-protocol-unix auth-anonymous=1 socket={directory}/sound",
    ]


def _tool(name: str, device: str, rate: int) -> list[str]:
    command = [name, "--raw", "--format=s16le", "--channels=1", f"--rate={rate}"]
    return [*command, f"--latency-msec={_LATENCY_MS}", f"--device={device}"]
