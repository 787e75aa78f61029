"""The client of the description's examples: it carries them out, all in one conversation."""

import json
from collections.abc import Iterator
from typing import Any

from livehandle_proto.examples import CALLS, EVENTS
from support import described
from support.wire import Message, WireClient, request

MENU = CALLS["send_tool_response"].params["responses"][0]["id"]  # type: ignore[index] # any JSON

VOLATILE = {
    *(
        "pid",
        "uid",
        "instance",
        "version",
        "socket",
        "config_file",
        "session_id",
        "url",
        "registration",
    ),
    *("uptime_ms", "connected_ms", "timestamp_ms", "last_barge_in_ms_ago", "last_seq"),
    *("lag_ms", "queued_lines", "queued_bytes", "exposition", "silent_ms"),
    *("wire", "audio", "directory", "started_ms", "duration_ms", "modified_ms", "frames"),
    *("wire_bytes", "audio_bytes", "bytes"),
}
"""Fields of another value each time; of these the kind alone is compared."""

FREE_FORM = {"rpc.discover", "session.config", "state", "telemetry"}
"""Methods whose examples show a part of the result."""


class Kiosk:
    """The client of the examples: it carries them out, and notes what came of each."""

    def __init__(self, client: WireClient) -> None:
        self.client = client
        self.differences: dict[str, list[str]] = {}
        """What is not as the example has it, by method."""
        self._names: dict[str, str] = {}
        """Ids of the examples, and the ids that stand for them here."""
        self._answers: dict[str, Message] = {}
        """Answers that came before their turn."""

    def calls(self, *methods: str) -> Any:
        """Carry out the examples of these methods, one after the other; return the last result."""
        result = None
        for method in methods:
            self.begins(method)
            result = self.ends(method)
        return result

    def begins(self, method: str) -> None:
        """Send the request of a method's example."""
        params = json.dumps(CALLS[method].params)
        for example, here in self._names.items():
            params = params.replace(json.dumps(example), json.dumps(here))
        self.client.send(request(method, method, **json.loads(params)))

    def ends(self, method: str) -> Any:
        """Compare the answer with the example's, and return the result."""
        answer = self._answers.pop(method, None) or self._answer(method)
        assert "result" in answer, (method, answer)
        result, shown = answer["result"], CALLS[method].result
        partly = method in FREE_FORM
        wrong = described.problems(described.result(method), result)
        self.differences[method] = wrong + list(_differences(shown, result, method, partly=partly))
        return result

    def _answer(self, method: str) -> Message:
        while (message := self.client.read()).get("id") != method:
            if "method" in message:
                self.client.events.append(message["params"])
            else:
                self._answers[message["id"]] = message
        return dict(message)

    def means(self, example: object, here: object) -> None:
        """Note an id that stands for one of the examples."""
        self._names[str(example)] = str(here)

    def hears(self, topic: str) -> Message:
        """Wait for an event; its data has the form of the topic's example."""
        found: Message = self.client.event_of(topic)["data"]
        assert found.keys() == EVENTS[topic].keys()
        return found


def _differences(shown: object, actual: object, at: str, *, partly: bool) -> Iterator[str]:
    """Yield where an answer differs from what an example shows."""
    name = at.rpartition(".")[2]
    if name in VOLATILE or (name == "cursor" and isinstance(shown, str)):
        if type(shown) is not type(actual):
            yield f"{at} is {actual!r}, not of the kind of {shown!r}"
    elif isinstance(shown, dict) and isinstance(actual, dict):
        missing = shown.keys() - actual.keys()
        more = set() if partly else actual.keys() - shown.keys()
        if missing or more:
            yield f"{at} lacks {sorted(missing)} and has {sorted(more)}"
        for key in shown.keys() & actual.keys():
            yield from _differences(shown[key], actual[key], f"{at}.{key}", partly=partly)
    elif isinstance(shown, list) and isinstance(actual, list) and len(shown) == len(actual):
        for i, (one, other) in enumerate(zip(shown, actual, strict=True)):
            yield from _differences(one, other, f"{at}[{i}]", partly=partly)
    elif shown != actual:
        yield f"{at} is {actual!r}, not {shown!r}"


def converse(it: Kiosk) -> None:
    """Carry out the example of every method, with a daemon whose session is the emulator's."""
    _before_the_session(it)
    _one_latte(it)
    _voice_and_roles(it)
    _calls_of_the_model(it)
    _context_and_sends(it)
    _the_end(it)


def _before_the_session(it: Kiosk) -> None:
    it.calls("daemon.hello")
    it.client.max_line = 1_048_576
    it.calls("daemon.ping", "daemon.reload", "rpc.discover", "events", "subscribe")
    it.calls("state.set", "state.get", "state", "state.keys", "state.mutations_since")
    it.calls("state.remove", "state.clear_prefix", "extractors.register", "extractors.list")
    registered = it.calls("tools.register")
    it.means(CALLS["tools.unregister"].params["registration"], registered["registration"])


def _one_latte(it: Kiosk) -> None:
    it.calls("connect", "phase", "session.wait_for_phase", "tools.list")
    it.calls("recording.start", "recording", "send_text")
    it.hears("live.turn_complete")
    it.hears("session.resume_update")
    it.calls("session", "session.config", "session.resume_handle", "transcript", "extracted")
    it.calls("recording.stop", "recording.list")


def _voice_and_roles(it: Kiosk) -> None:
    it.calls("claim", "release", "send_audio", "claims", "daemon.status", "telemetry", "metrics")
    it.calls("input_vad_state", "user_speech_started", "voice_state", "user_speech_ended")
    it.calls("playback_drained", "flush_deferred_prompt")


def _calls_of_the_model(it: Kiosk) -> None:
    it.client.result("extractors.register", name="Mood", kind="client")
    _say(it, 'call order_status {"order": 7}')
    it.means(EVENTS["tool.call"]["call_id"], it.hears("tool.call")["call_id"])
    it.calls("tools.respond")
    it.means("Mood-1", it.hears("extractor.run")["run_id"])
    it.calls("extractors.respond")
    for prefix in ("", "writer.", "session."):
        _say(it, "call menu {}")
        [called] = it.hears("session.tool_call")["function_calls"]
        it.means(MENU, called["id"])
        it.calls(f"{prefix}send_tool_response")


def _context_and_sends(it: Kiosk) -> None:
    it.calls("queue_context", "pending_context", "writer", "update_instruction", "send_video")
    for prefix in ("writer.", "session."):
        it.calls(f"{prefix}send_text", f"{prefix}send_audio", f"{prefix}send_video")
        it.calls(f"{prefix}send_client_content", f"{prefix}update_instruction")
        it.calls(f"{prefix}signal_activity_start", f"{prefix}signal_activity_end")


def _the_end(it: Kiosk) -> None:
    it.calls("daemon.fault", "daemon.faults", "tools.unregister", "extractors.unregister")
    it.begins("done")
    it.calls("disconnect")
    it.ends("done")
    it.calls("writer.disconnect", "session.disconnect", "state.forget", "unsubscribe")
    it.calls("daemon.shutdown")


def _say(it: Kiosk, words: str) -> None:
    assert it.client.result("send_text", text=words) is None
