"""Every key of the configuration (protocol section 9)."""

import msgspec
import pytest

from livehandled.config.keys import KEYS, Key
from livehandled.config.schema import Config

DEFAULTS = {
    "session.backend": "gemini",
    "session.model": "gemini-3.8-live",
    "session.instruction": "",
    "session.modality": "audio",
    "session.voice": "",
    "session.language": "",
    "session.greeting": "",
    "session.api_version": "",
    "session.base_url": "",
    "session.project": "",
    "session.location": "",
    "session.connect": "first_use",
    "session.setup": {},
    "session.allow_plaintext": False,
    "session.key_file": "",
    "session.credentials": "",
    "session.proxy": "",
    "session.quirks": {},
    "session.connect_timeout_ms": 10_000,
    "session.setup_timeout_ms": 15_000,
    "context.delivery": "immediate",
    "context.compression": True,
    "resumption.policy": "handle",
    "resumption.store": True,
    "resumption.ceiling_ms": 3_240_000,
    "tools.timeout_ms": 30_000,
    "tools.grace_ms": 2_000,
    "tools.max_repeats": 5,
    "tools.audio_during_call": "",
    "voice.vad": "energy",
    "voice.authority": "server",
    "voice.commit": "immediate",
    "voice.soft_turn_timeout_ms": 0,
    "voice.start_threshold_db": 12,
    "voice.stop_threshold_db": 8,
    "voice.min_speech_frames": 2,
    "voice.hangover_frames": 8,
    "voice.pre_speech_frames": 10,
    "extraction.extractors": {},
    "control.mode": 0o600,
    "control.group": "",
    "control.uids": (),
    "control.max_clients": 256,
    "control.max_clients_per_uid": 192,
    "control.mic_idle_ms": 5_000,
    "limits.max_line_bytes": 16 * 1024 * 1024,
    "limits.ring_events": 4096,
    "limits.ring_bytes": 32 * 2**20,
    "limits.pending_calls": 256,
    "limits.subscriptions": 64,
    "limits.turn_requests": 16,
    "limits.turn_ms": 0.25,
    "limits.client_buffer_bytes": 1024 * 1024,
    "limits.outbox_frames": 256,
    "limits.outbox_media_ms": 1000,
    "metrics.interval_ms": 0,
    "metrics.listen": "",
    "metrics.otel": False,
    "voice.stall_ms": 3000,
    "log.level": "info",
    "log.format": "text",
    "log.transcripts": False,
    "recording.directory": "",
    "recording.max_bytes": 512 * 2**20,
    "recording.keep": 20,
    "recording.redacted_audio": "leave_out",
    "redaction.patterns": {},
    "redaction.keys": (),
}

RANGES = {
    "session.connect_timeout_ms": (1, 600_000),
    "session.setup_timeout_ms": (1, 600_000),
    "resumption.ceiling_ms": (1, 3_300_000),
    "recording.max_bytes": (65_536, 4_000_000_000),
    "recording.keep": (1, 10_000),
    "voice.stall_ms": (0, 600_000),
    "tools.timeout_ms": (1, 86_400_000),
    "tools.grace_ms": (0, 600_000),
    "tools.max_repeats": (1, 1_000_000),
    "voice.soft_turn_timeout_ms": (0, 600_000),
    "voice.start_threshold_db": (0, 96),
    "voice.stop_threshold_db": (0, 96),
    "voice.min_speech_frames": (1, 1000),
    "voice.hangover_frames": (1, 1000),
    "voice.pre_speech_frames": (0, 100),
    "control.max_clients": (1, 65_536),
    "control.max_clients_per_uid": (1, 65_536),
    "control.mic_idle_ms": (1, 3_600_000),
    "limits.max_line_bytes": (4096, 2**30),
    "limits.ring_events": (1, 1_000_000),
    "limits.ring_bytes": (65_536, 2**34),
    "limits.pending_calls": (1, 65_536),
    "limits.subscriptions": (1, 4096),
    "limits.turn_requests": (1, 65_536),
    "limits.turn_ms": (0.1, 1000),
    "limits.client_buffer_bytes": (65_536, 2**30),
    "limits.outbox_frames": (1, 65_536),
    "limits.outbox_media_ms": (1, 60_000),
    "metrics.interval_ms": (0, 3_600_000),
}


def test_a1_k1_the_keys_and_their_defaults_are_the_documented_ones() -> None:
    assert {name: key.default for name, key in KEYS.items()} == DEFAULTS


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("context.delivery", {"immediate", "deferred"}),
        ("session.credentials", {"", "key", "token", "adc"}),
        ("resumption.policy", {"handle", "reseed", "fresh"}),
        ("tools.audio_during_call", {"", "pass", "drop", "buffer"}),
        ("voice.vad", {"energy", "silero", "off"}),
        ("voice.authority", {"server", "client"}),
        ("voice.commit", {"immediate", "responsive", "conversational"}),
    ],
)
def test_a_choice_is_between_the_documented_values(name: str, choices: set[str]) -> None:
    assert set(KEYS[name].choices) == choices


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_every_default_is_a_value_its_key_takes(key: Key) -> None:
    assert key.read(key.default) == key.default


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_every_key_has_a_meaning_and_an_expectation(key: Key) -> None:
    assert key.description.endswith(".")
    assert key.expected


def test_every_number_has_a_range() -> None:
    numbers = {
        name
        for name, key in KEYS.items()
        if isinstance(key.default, int | float) and not isinstance(key.default, bool)
    }
    assert numbers == {*RANGES, "control.mode"}


@pytest.mark.parametrize(("name", "limits"), RANGES.items())
def test_a_range_includes_its_ends_and_nothing_beyond(
    name: str, limits: tuple[float, float]
) -> None:
    low, high = limits
    assert [KEYS[name].read(low), KEYS[name].read(high)] == [low, high]
    for beyond in (low - 1, high + 1):
        with pytest.raises(ValueError):
            KEYS[name].read(beyond)


def test_the_configuration_cannot_be_changed_and_takes_nothing_unknown() -> None:
    with pytest.raises(AttributeError):
        Config().session.model = "other"  # type: ignore[misc]  # frozen is what is tested
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"session": {"modle": "x"}}, Config)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"sesion": {}}, Config)
