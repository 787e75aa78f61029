"""A daemon that stops while many clients are at it: all are answered, and it comes to an end."""

import itertools
import json
import signal
import threading
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from support.daemon import running_daemon
from support.wire import WireClient, request

CLIENTS = 30


def said(answer: dict[str, Any]) -> object:
    """Return the result of an answer, or its error's name."""
    return answer["error"]["data"]["name"] if "error" in answer else answer["result"]


@pytest.mark.parametrize("how", ["shutdown", "SIGTERM"])
def test_every_call_of_every_client_is_answered_once_and_subscribers_hear_the_last_word(
    how: str,
) -> None:
    wait = [request("session.wait_for_phase", i, phase="active") for i in range(3)]
    batch = b"[%b,%b]\n" % (wait[1].strip(), request("phase", 2).strip())
    with running_daemon() as daemon, ExitStack() as stack, daemon.client() as other:
        clients = [stack.enter_context(daemon.client()) for _ in range(CLIENTS)]
        for client in clients[::2]:
            client.result("events")
        for client in clients:
            client.send(wait[0] + batch + request("daemon.ping", "begun"))
        for client in clients[::3]:
            client.half_close()
        for client in clients:
            assert client.answer("begun")["result"] is None
        if how == "shutdown":
            assert other.result("daemon.shutdown") is None
        else:
            daemon.process.send_signal(signal.SIGTERM)
        for number, client in enumerate(clients):
            messages = client.read_rest()
            answers = [one for one in messages if isinstance(one, list) or "id" in one]
            singles = [one for one in answers if not isinstance(one, list)]
            assert [(one["id"], said(one)) for one in singles] == [(0, "daemon.stopping")]
            (array,) = (one for one in answers if isinstance(one, list))
            assert [one["id"] for one in array] == [1, 2]
            topics = [one["params"]["topic"] for one in messages if one not in answers]
            assert topics == (["daemon.stopping", "daemon.bye"] if number % 2 == 0 else [])
        assert daemon.exit_code() == 0


def test_of_a_flood_all_that_was_begun_is_answered_and_it_holds_up_no_stop() -> None:
    with running_daemon() as daemon, daemon.client() as client, daemon.client() as deaf:
        writer = threading.Thread(target=_write_without_end, args=(client,))
        deafer = threading.Thread(target=_write_without_end, args=(deaf,))
        writer.start()
        deafer.start()
        for number in range(2000):
            assert client.answer(number)["result"] is None
        daemon.process.send_signal(signal.SIGTERM)
        rest = [json.loads(line) for line in iter(client.read_line, b"")]
        assert daemon.exit_code() == 0
        writer.join()
        deafer.join()
    assert [answer["id"] for answer in rest] == list(range(2000, 2000 + len(rest)))
    names = [said(answer) for answer in rest]
    assert set(names) <= {None, "daemon.stopping"}
    assert names == sorted(names, key=bool)  # once it stops, it begins nothing


def _write_without_end(client: WireClient) -> None:
    with suppress(OSError):  # the daemon is gone
        for first in itertools.count(step=100):
            client.send(b"".join(request("daemon.ping", first + i) for i in range(100)))
