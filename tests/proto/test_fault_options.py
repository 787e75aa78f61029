"""Faults on a command line."""

import argparse
import contextlib
import re
import shlex
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.fault_options import OPTIONS, add_options, described, fault_of, in_words
from livehandle_proto.faults import Fault, FaultMoment
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
        ("GoAway --at TurnComplete", Fault(do="go_away", at="turn_complete")),
        ("close --reason=-", Fault(do="close", reason="-")),
        ("stall 250", Fault(do="stall", for_ms=250)),
    ],
)
def test_a_line_is_a_fault_and_can_be_shown_as_one(line: str, expected: Fault) -> None:
    assert fault(line) == expected
    assert fault(in_words(expected)) == expected
    assert Fault(**described(expected)) == expected  # type: ignore[arg-type]  # its own fields


@pytest.mark.parametrize(
    ("line", "path", "words"),
    [
        ("clos", "WHAT", "there is no 'clos'; did you mean close"),
        ("go_awy 5s", "WHAT", "there is no 'go_awy'; did you mean go-away"),
        ("dance 1 2", "WHAT", "there is no 'dance'; known are close, abort, go-away, "),
        ("close 1 2 3", "'3'", "close takes CODE REASON"),
        ("half_open 1 2", "'2'", "half-open takes FOR-MS"),
        ("abort now", "'now'", "abort takes no values"),
        ("close x", "--code", "it must be a whole number, not 'x'"),
        ("close 1.0", "--code", "it must be a whole number, not '1.0'"),
        ("close 99", "--code", "it must be a whole number of at least 1000, not '99'"),
        ("close 2000", "--code", "3000 to 4999, not '2000'"),
        (f"close {'9' * 5000}", "--code", f"a whole number, not '{'9' * 60}...'"),
        ("close 1011 '\udcff'", "--reason", "it must be UTF-8 text, not '\\udcff'"),
        ("goaway 5h", "--time-left-ms", "such as 500ms, 5s or 2m, not '5h'"),
        ("stall --for-ms=-5s", "--for-ms", "such as 500ms, 5s or 2m, not '-5s'"),
        ("stall 1.5", "--for-ms", "not '1.5'"),
        ("stall ''", "--for-ms", "not ''"),
        ("stall 35792m", "--for-ms", "up to 24 days, such as 500ms, 5s or 2m, not '35792m'"),
        (f"stall {'9' * 400}s", "--for-ms", "up to 24 days"),
        ("stall 5s maybe", "--pings", "it must be true or false, not 'maybe'"),
        ("stall 5s --for-ms 3s", "--for-ms", "given twice, as '5s' and as '3s'; leave one out"),
        ("abort --at lunch", "--at", "there is no 'lunch'; known are now, upgrade, setup, client-"),
        ("abort --at tool_cal", "--at", "there is no 'tool_cal'; did you mean tool-call"),
        ("abort --when befor", "--when", "there is no 'befor'; did you mean before"),
        ("slow", "--bytes-per-s", "slow needs it"),
        ("delay_pong", "--by-ms", "delay-pong needs it"),
        ("abort --code 1001", "--code", "abort has none"),
        ("abort --for-ms 1", "--for-ms", "it belongs to stall and half-open: leave it out"),
    ],
)
def test_what_is_no_fault_is_told_by_its_option(line: str, path: str, words: str) -> None:
    with pytest.raises(WrongValueError) as caught:
        fault(line)
    assert caught.value.path == path
    assert words in caught.value.words
    assert (caught.value.near is not None) == ("did you mean" in words)


@given(st.sampled_from(sorted(OPTIONS)), st.text())
def test_any_word_is_a_value_or_refused(option: str, word: str) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    with contextlib.suppress(WrongValueError):
        fault_of(parser.parse_args([f"{option}={word}", "stall"]))


def test_the_help_has_every_name_in_the_spelling_of_the_command_line() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("fault", formatter_class=raw)
    add_options(parser)
    told = parser.format_help()
    assert "_" not in told
    assert all(re.search(rf"\b{name.replace('_', '-')}\b", told) for name in get_args(FaultMoment))
    assert re.search("^  stall FOR-MS PINGS$", told, re.MULTILINE)
    assert re.search("^  drop-message$", told, re.MULTILINE)


def test_every_field_but_one_is_an_option() -> None:
    assert set(OPTIONS.values()) == set(Fault.__struct_fields__) - {"do"}
