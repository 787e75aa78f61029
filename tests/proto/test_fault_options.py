"""Faults on a command line."""

import argparse
import shlex

import pytest

from livehandle_proto.fault_options import OPTIONS, add_options, described, fault_of, in_words
from livehandle_proto.faults import Fault
from livehandle_proto.wrong_values import WrongValueError


def fault(line: str) -> Fault:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return fault_of(parser.parse_intermixed_args(shlex.split(line)))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("abort", Fault(do="abort")),
        ("go-away 50s", Fault(do="go_away", time_left_ms=50_000)),
        ("goaway 1.5s", Fault(do="go_away", time_left_ms=1500)),
        ("go_away --time-left-ms 5000", Fault(do="go_away", time_left_ms=5000)),
        ("goaway", Fault(do="go_away")),
        ("close 1008 'not now'", Fault(do="close", code=1008, reason="not now")),
        ("close --code 1000 --at turn-complete", Fault(do="close", code=1000, at="turn_complete")),
        (
            "close --at tool_call --when instead --skip 2 --times 0 --connection 3 --after-ms 10",
            Fault(
                do="close",
                at="tool_call",
                when="instead",
                skip=2,
                times=0,
                connection=3,
                after_ms=10,
            ),
        ),
        ("stall 2m false", Fault(do="stall", for_ms=120_000, pings=False)),
        ("half-open --for-ms 300ms", Fault(do="half_open", for_ms=300)),
        ("refuse 429 'slow down'", Fault(do="refuse", status=429, body="slow down")),
        ("slow 100", Fault(do="slow", bytes_per_s=100)),
        ("fragment 7 --at upgrade", Fault(do="fragment", bytes=7, at="upgrade")),
        ("delay-pong 8s", Fault(do="delay_pong", by_ms=8000)),
        ("drop-message --at audio", Fault(do="drop_message", at="audio")),
    ],
)
def test_a_line_is_a_fault_and_can_be_shown_as_one(line: str, expected: Fault) -> None:
    assert fault(line) == expected
    assert fault(in_words(expected)) == expected
    assert Fault(**described(expected)) == expected  # type: ignore[arg-type]  # its own fields


@pytest.mark.parametrize(
    ("line", "path", "words"),
    [
        ("clos", "WHAT", "did you mean close"),
        ("dance 1 2", "WHAT", "it must be one of abort, close"),
        ("close 1 2 3", "3", "close takes CODE REASON"),
        ("abort now", "now", "abort takes no values"),
        ("close x", "--code", "it must be a whole number, not text"),
        ("goaway 5h", "--time-left-ms", "a whole number"),
        ("abort --at lunch", "--at", "it must be one of activity_end"),
        ("slow", "--bytes-per-s", "slow needs it"),
        ("abort --code 1001", "--code", "abort has none"),
    ],
)
def test_what_is_no_fault_is_told_by_its_option(line: str, path: str, words: str) -> None:
    with pytest.raises(WrongValueError) as caught:
        fault(line)
    assert caught.value.path == path
    assert words in caught.value.words


def test_every_field_but_one_is_an_option() -> None:
    assert set(OPTIONS.values()) == set(Fault.__struct_fields__) - {"do"}
