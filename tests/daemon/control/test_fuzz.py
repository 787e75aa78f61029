"""Some thousands of the inputs of `python -m campaign fuzz`; every method is among them."""

from collections import Counter

import pytest

from campaign import fuzz
from campaign.inputs import EXEMPT, FUZZED, LINE_BYTES, Maker
from campaign.judge import Verdict, wants
from livehandle_proto.methods import METHODS


def test_every_method_is_fuzzed_or_is_exempt_for_a_reason() -> None:
    assert set(METHODS) - set(FUZZED) - set(EXEMPT) == set()
    assert set(FUZZED) & set(EXEMPT) == set()
    assert (set(FUZZED) | set(EXEMPT)) - set(METHODS) == set()
    assert all(EXEMPT.values())
    assert len(FUZZED) == len(set(FUZZED))


def test_every_method_is_called_rightly_by_some_input() -> None:
    asked: Counter[str] = Counter()
    for number in range(100):
        wanted = wants(Maker(f"idle 1 {number}").input(fuzz.LINES).data, LINE_BYTES)
        asked.update(want.method for want in wanted.single)
    assert set(FUZZED) - set(asked) == set()


@pytest.mark.parametrize(("mode", "count"), [("idle", 3000), ("live", 2000)])
def test_whatever_is_written_only_what_is_documented_comes_back(mode: str, count: int) -> None:
    result = fuzz.run(seed=1, count=count, mode=mode)
    assert result.problems == []
    assert sum(result.answered.values()) > count / 2


PING = b'{"jsonrpc":"2.0","id":1,"method":"daemon.ping"}\n'
PONG = b'{"jsonrpc":"2.0","result":null,"id":1}\n'


@pytest.mark.parametrize(
    ("written", "received"),
    [
        (PING, b""),
        (PING, b'{"jsonrpc":"2.0","result":null,"id":2}\n'),
        (PING, b'{"jsonrpc":"2.0","result":5,"id":1}\n'),
        (PING, PONG * 2),
        (PING, PONG.strip()),
        (PING, b"Traceback\n"),
        (b"{\n", b""),
        (b"{\n", b'{"jsonrpc":"2.0","result":null,"id":null}\n'),
        (b"x" * (LINE_BYTES + 1), b""),
        (PING.replace(b'"id":1,', b""), PONG),
        (b"[" + PING.strip() + b"]\n", PONG),
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
    ],
)
def test_the_judge_sees_what_is_wrong(written: bytes, received: bytes) -> None:
    verdict = Verdict(wants(written, LINE_BYTES))
    verdict.take(received)
    verdict.whole(but=frozenset())
    assert verdict.problems
