"""What is told of the daemon, its clients and its session as a whole."""

import os
from typing import cast

import msgspec

from livehandle_proto import __version__
from livehandle_proto import methods as m
from livehandle_proto.description import FILE
from livehandle_proto.topics import Nothing
from livehandled.config.schema import Control, Limits
from livehandled.control.answers import fitted
from livehandled.control.dispatch import Answer, Dispatcher
from livehandled.control.overview import description
from livehandled.control.peer import Peer
from support.calls import SESSION, Called
from support.control import handlers_with
from support.wire import request


def test_the_daemon_says_who_it_is_and_what_it_can_do() -> None:
    it = Called()
    daemon = it.overview.daemon(cast("Peer", it.peer))
    assert (daemon.name, daemon.version) == ("livehandled", __version__)
    assert daemon.api_level >= daemon.api_compatible == 1
    assert daemon.instance == it.hub.instance
    assert daemon.session == SESSION
    assert daemon.capabilities == ["events.replay", "events.snapshot", "roles", "tools"]


def test_the_description_is_the_files_in_one_line_that_needs_a_longer_one_than_usual() -> None:
    text = bytes(description())
    assert b"\n" not in text
    assert msgspec.json.decode(text) == msgspec.json.decode(FILE.read_bytes())
    assert description() is description()
    dispatcher = Dispatcher[None](handlers_with({"rpc.discover": lambda _p, _n: description()}))
    answer = dispatcher.start(None, request("rpc.discover"))
    assert isinstance(answer, Answer)
    assert fitted([answer], line_bytes=2**20) == [answer]
    (refused,) = fitted([answer], line_bytes=m.MIN_LINE_BYTES)
    assert refused.error is not None
    data = refused.error["data"]
    assert isinstance(data, dict)
    assert (data["name"], data["param"]) == ("wire.result_too_large", "max_line_bytes")


def test_the_daemon_says_every_limit_it_is_configured_with() -> None:
    it = Called()
    it.peer.line_bytes = 70_000
    assert it.overview.daemon(cast("Peer", it.peer)).limits == m.Limits(
        max_line_bytes=16 * 2**20,
        your_max_line_bytes=70_000,
        max_batch=100,
        ring_events=4096,
        ring_bytes=32 * 2**20,
        client_buffer_bytes=1_048_576,
        pending_calls=5,
        subscriptions=4,
        turn_requests=3,
        turn_ms=2.5,
        max_clients=7,
        max_clients_per_uid=6,
    )


def test_the_status_shows_the_daemon_at_a_glance() -> None:
    it = Called()
    it.hub.publish("live.interrupted", Nothing())
    status = it.overview.status()
    assert (status.pid, status.socket, status.uptime_ms) == (os.getpid(), "/run/s", 1500)
    assert (status.last_seq, status.session) == (1, SESSION)


def test_the_status_of_as_many_clients_as_a_user_may_have_fits_the_shortest_line() -> None:
    limits = Limits()
    busy = m.Client(
        connection="c1000000",
        client="x" * 64,
        pid=2**22,
        uid=2**32 - 2,
        roles=[],
        tools=100,
        subscriptions=limits.subscriptions,
        pending=limits.pending_calls,
        queued_lines=10_000,
        queued_bytes=limits.client_buffer_bytes,
        lag_ms=100_000,
        dropped=1_000_000,
        lagged=1000,
    )
    clients = [busy] * (Control().max_clients_per_uid - 1)
    clients.append(msgspec.structs.replace(busy, roles=["mic", "speaker"]))
    status = msgspec.structs.replace(Called().overview.status(), clients=clients)
    dispatcher = Dispatcher[None](handlers_with({"daemon.status": lambda _peer, _none: status}))
    answer = dispatcher.start(None, request("daemon.status"))
    assert isinstance(answer, Answer)
    assert msgspec.json.decode(answer.text)["result"]["clients"][-1]["client"] == "x" * 64
    assert fitted([answer], line_bytes=m.MIN_LINE_BYTES) == [answer]


def test_clients_are_shown_with_their_roles_and_the_number_of_their_tools() -> None:
    it = Called()
    it.handle.tool_count = 2
    it.call("claim", role="speaker")
    it.call("claim", role="mic")
    it.call_by(it.other, "claim", role="mic", force=True)
    clients = it.overview.status().clients
    assert [(one.connection, one.roles, one.tools) for one in clients] == [
        ("c1", ["speaker"], 2),
        ("c2", ["mic"], 2),
    ]
    assert it.overview.telemetry() == {"errors": 0, "clients": clients}


def test_a_snapshot_has_what_a_subscription_starts_from() -> None:
    it = Called()
    it.call("state.set", key="k", value=1)
    it.call("claim", role="mic")
    snapshot = it.overview.snapshot()
    assert (snapshot.phase, snapshot.session) == ("active", SESSION)
    assert snapshot.state == {"k": 1}
    assert snapshot.telemetry == {"errors": 0}
    assert snapshot.claims == it.claims.holders()
    assert snapshot.claims.mic is not None
