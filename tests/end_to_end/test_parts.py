"""What the clients of one daemon share, over its socket: state, extractors, voice, telemetry."""

import os
from collections.abc import Iterator

import pytest

from livehandle_proto import methods as m
from support.daemon import DaemonProcess, private_directory, refused_daemon, running_daemon
from support.wire import Message, WireClient, request

TEXT = ("--set", "session.model=gemini-2.0-flash-live-001", "--set", "session.modality=text")
"""A model whose answers take no time to be spoken."""
ORDER = {"name": "Order", "kind": "client"}


@pytest.fixture
def daemon() -> Iterator[DaemonProcess]:
    with running_daemon("--emulator", *TEXT) as daemon:
        yield daemon


def say(client: WireClient, words: str) -> None:
    """Send a typed turn to which the emulator answers."""
    assert client.result("send_text", text=words) is None


# Clones.


def test_a9_every_connection_is_a_clone_of_the_one_handle(daemon: DaemonProcess) -> None:
    with daemon.client() as one, daemon.client() as two:
        two.result("events")
        say(one, "Hello")
        ended = two.event_of("live.turn_complete")
        assert ended["data"]["user"] == "Hello"
        for method in ("session", "transcript", "voice_state", "input_vad_state", "writer"):
            first, second = one.result(method), two.result(method)
            for shown in (first, second):
                shown.pop("connected_ms", None)
            assert first == second, method
        one.result("state.set", key="app:k", value=[1])
        assert two.result("state.get", key="app:k") == {"value": [1], "present": True}
        one.result("user_speech_started")
        assert two.result("voice_state")["user_speaking"]
        one.close()
        assert two.result("phase") == {"phase": "user_speaking"}


def test_a_snapshot_shows_every_part(daemon: DaemonProcess) -> None:
    with daemon.client() as client:
        client.result("events")
        client.result("state.set", key="app:k", value=None)
        say(client, "Hello")
        client.event_of("live.turn_complete")
        snapshot = client.result("events", snapshot=True)["snapshot"]
        assert snapshot.keys() == set(m.Snapshot.__struct_fields__)
        assert snapshot["state"]["app:k"] is None
        assert snapshot["state"]["session:turn_count"] == 1
        [turn] = snapshot["transcript"]["turns"]
        assert (turn["user"], turn["model"]) == ("Hello", "You typed: Hello")
        assert snapshot["phase"] == snapshot["session"]["phase"]
        assert snapshot["voice_state"].keys() == client.result("voice_state").keys()
        assert snapshot["input_vad_state"]["backend"] == "energy-zcr"
        assert snapshot["telemetry"]["turn_count"] == 1
        assert snapshot["pending_tools"] == []


def test_the_telemetry_shows_every_client(daemon: DaemonProcess) -> None:
    with daemon.client() as one, daemon.client() as two:
        one.result("daemon.hello", client="one")
        two.result("daemon.hello", client="two")
        two.result("events")
        shown = {client.pop("client"): client for client in one.result("telemetry")["clients"]}
        assert shown.keys() == {"one", "two"}
        assert shown["two"] == {
            "connection": "c2",
            "pid": os.getpid(),
            "uid": os.getuid(),
            "roles": [],
            "tools": 0,
            "pending": 0,
            "subscriptions": 1,
            "queued_lines": 0,
            "queued_bytes": 0,
            "lag_ms": 0,
            "dropped": 0,
            "lagged": 0,
        }
        two.close()
        while len(shown) > 1:
            shown = one.result("telemetry")["clients"]


def test_h16_the_metrics_come_as_events_at_their_interval() -> None:
    flags = ("--emulator", "--set", "metrics.interval_ms=20")
    with running_daemon(*flags) as daemon, daemon.client() as client:
        client.result("events")
        first, second = [client.event_of("live.telemetry")["data"]["telemetry"] for _ in "12"]
        assert first.keys() == second.keys() == client.result("telemetry").keys() - {"clients"}


# Extractors of clients.


def asked(client: WireClient) -> Message:
    run = client.event_of("extractor.run")
    assert "subscription" not in run  # it is not of a subscription: nobody asked for it
    data = run["data"]
    assert isinstance(data, dict)
    return data


def test_patterns_outlive_the_client_that_registered_them(daemon: DaemonProcess) -> None:
    spec = {"name": "Order", "kind": "regex", "patterns": {"item": "order (\\w+)"}}
    with daemon.client() as gone:
        gone.result("extractors.register", **spec)
    with daemon.client() as other:
        other.result("events")
        say(other, "I order tea")
        other.event_of("live.turn_complete")
        assert other.result("extracted", name="Order") == {"item": "tea"}
        assert other.result("extractors.unregister", name="Order") is None
        assert other.result("extractors.list") == {"extractors": []}


def test_q_a_client_extracts_and_everybody_sees_what_it_found(daemon: DaemonProcess) -> None:
    with daemon.client() as reader, daemon.client() as other:
        other.result("events")
        assert reader.result("extractors.register", **ORDER) is None
        [info] = other.result("extractors.list")["extractors"]
        assert (info["spec"]["name"], info["owner"]) == ("Order", "client")
        say(other, "A latte, please")
        run = asked(reader)
        assert (run["name"], run["turn"]) == ("Order", 0)
        assert run["window"][0]["user"] == "A latte, please"
        assert run["text"].startswith("User: A latte, please")
        answer = {"run_id": run["run_id"], "value": {"item": "latte"}}
        assert other.error("extractors.respond", **answer)["data"]["name"] == (
            "extraction.unknown_run"
        )
        assert reader.result("extractors.respond", **answer) is None
        assert reader.error("extractors.respond", **answer)["data"]["name"] == (
            "extraction.unknown_run"
        )
        told = other.event_of("live.extraction")
        assert (told["data"]["name"], told["data"]["value"]) == ("Order", {"item": "latte"})
        assert other.result("extracted", name="Order") == {"item": "latte"}
        assert other.result("state.get", key="item")["value"] == "latte"
        assert not any(event["topic"] == "extractor.run" for event in other.events)
        assert other.error("extractors.unregister", name="Order")["data"]["name"] == (
            "extraction.unknown"
        )
        assert other.error("extractors.register", **ORDER)["data"]["name"] == (
            "extraction.name_taken"
        )
        assert reader.result("extractors.unregister", name="Order") is None
        assert other.result("extractors.list") == {"extractors": []}


def test_q6_a_client_that_goes_fails_its_run_and_takes_its_extractors_along(
    daemon: DaemonProcess,
) -> None:
    with daemon.client() as reader, daemon.client() as other:
        other.result("events")
        reader.result("extractors.register", **ORDER)
        say(other, "A latte, please")
        asked(reader)
        reader.close()
        failed = other.event_of("live.extraction_error")["data"]
        assert failed["name"] == "Order"
        assert failed["error"]["data"]["name"] == "extraction.failed"
        assert other.result("extractors.list") == {"extractors": []}
        assert other.result("extracted", name="Order") is None
        say(other, "Go on")
        assert other.event_of("live.turn_complete")


def test_q6_an_answer_may_be_an_error(daemon: DaemonProcess) -> None:
    with daemon.client() as client:
        client.result("events")
        client.result("extractors.register", **ORDER)
        say(client, "A latte, please")
        run = asked(client)
        client.result("extractors.respond", run_id=run["run_id"], error="I am out of beans")
        failed = client.event_of("live.extraction_error")["data"]
        assert "out of beans" in failed["error"]["message"]


def test_a_bad_table_of_extractors_refuses_the_start_in_one_line() -> None:
    flag = 'extraction.extractors={"Order": {"kind": "regex", "patterns": {"item": "("}}}'
    with (
        private_directory() as directory,
        refused_daemon(directory / "s", "--emulator", "--set", flag) as daemon,
    ):
        [line] = [line for line in daemon.log if "Order" in line]
        assert "Correct patterns.item of the extractor Order" in line
        assert "config.invalid" in line
        assert daemon.process.returncode == 3
        assert not (directory / "s").exists()


# State.


def test_m_null_and_no_value_are_two_things_on_the_wire(daemon: DaemonProcess) -> None:
    with daemon.client() as client:
        for method in ("state.get", "state.remove"):
            assert client.result(method, key="k") == {"value": None, "present": False}
        client.result("state.set", key="k", value=None)
        assert client.result("state") == {"k": None}
        assert client.result("state.get", key="k") == {"value": None, "present": True}
        mutations = client.result("state.mutations_since", cursor=0)["mutations"]
        assert [("old" in one, "new" in one, one["new"]) for one in mutations] == [
            (False, True, None)
        ]
        assert client.result("state.remove", key="k") == {"value": None, "present": True}
        [last] = client.result("state.mutations_since", cursor=1)["mutations"]
        assert (last["old"], "new" in last) == (None, False)
        missing = client.error("state.set", key="k")
        assert (missing["data"]["name"], missing["data"]["param"]) == (
            "wire.invalid_params",
            "value",
        )
        assert client.error("state.set", key="derived:k", value=1)["data"]["name"] == (
            "state.bad_key"
        )


def test_m5_a_reader_that_comes_too_late_is_told_of_the_gap(daemon: DaemonProcess) -> None:
    with daemon.client() as client:
        lines = b"".join(request("state.set", i, key="k", value=i) for i in range(1025))
        client.send(lines)
        for i in range(1025):
            assert client.answer(i)["result"] is None
        told = client.result("state.mutations_since", cursor=0)
        assert told["gap"]
        mutations = told["mutations"]
        while told["more"]:
            told = client.result("state.mutations_since", cursor=told["cursor"])
            assert not told["gap"]
            mutations += told["mutations"]
        assert [m["sequence"] for m in mutations] == list(range(2, 1026))
        assert told["cursor"] == 1025


def test_a_slow_reader_gets_the_latest_of_each_key_and_is_not_cut_off(
    daemon: DaemonProcess,
) -> None:
    filler = "x" * 2000
    with daemon.client() as slow, daemon.client() as fast:
        slow.send(request("events", 1, topics=["state.changed"]))
        slow.answer(1)
        for first in range(0, 4000, 200):
            numbers = range(first, first + 200)
            fast.send(
                b"".join(
                    request("state.set", i, key=f"app:{i % 2}", value=[i, filler]) for i in numbers
                )
            )
            for i in numbers:
                fast.answer(i)
        seen: dict[str, int] = {}
        count = 0
        while seen != {"app:0": 3998, "app:1": 3999}:
            event = slow.event()
            assert event["topic"] == "state.changed"
            data = event["data"]
            assert data["value"][0] > seen.get(data["key"], -1)  # in order
            seen[data["key"]] = data["value"][0]
            count += 1
        assert count < 4000


# The voice.


def test_voice_reports_and_deferred_context_over_the_socket(daemon: DaemonProcess) -> None:
    with daemon.client() as client:
        client.result("events")
        client.result("connect", config={"context": {"delivery": "deferred"}})
        client.result("queue_context", text="It is nine.", prompt=True)
        assert client.result("writer") == {
            "kind": "deferred",
            "pending_context": 1,
            "prompt_armed": True,
        }
        assert client.result("pending_context") == {
            "turns": [{"role": "model", "parts": [{"text": "It is nine."}]}],
            "prompt_armed": True,
        }
        assert client.result("playback_drained") is None
        assert client.result("writer")["pending_context"] == 0
        assert client.event_of("live.turn_complete")["data"]["model"]


def test_a_phase_is_waited_for_beside_other_calls(daemon: DaemonProcess) -> None:
    with daemon.client() as client:
        client.send(request("session.wait_for_phase", 7, phase="active"))
        client.send(request("session.wait_for_phase", 8, phase="interrupted", timeout_ms=1))
        timeout = client.answer(8)["error"]
        assert timeout["data"]["name"] == "session.timeout"
        client.send(request("connect", 9))
        answers: dict[object, object] = {}
        while answers.keys() != {7, 9}:
            answer = client.read()
            answers[answer["id"]] = answer["result"]
        assert answers[7] == {"phase": "active"}
        assert client.result("session.resume_handle").keys() == {"present", "resumable"}
