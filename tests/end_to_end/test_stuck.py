"""Half a minute of a stopped client; `python -m campaign stuck` has ten, and compares latency."""

from campaign import stuck


def test_a_stopped_client_costs_little_and_is_told_what_it_missed() -> None:
    values = ("limits.ring_events=512", "limits.client_buffer_bytes=65536")
    result = stuck.run(0.4, 100.0, *values)
    assert result.problems == []
    assert result.audio_s > 20
    assert sum("events.dropped" in told for told in result.told) > 0
