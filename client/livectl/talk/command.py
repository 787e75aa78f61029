"""`talk`: a microphone and a speaker, of this machine or at the other end of a pipe."""

import base64
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Mapping

from livectl.commands import open_connection
from livectl.reopening import reopened
from livectl.results import as_json, table
from livectl.roles import check_role
from livectl.sound import audio as sound
from livectl.sound import devices, microphone, speaker
from livectl.sound.microphone import Microphone
from livectl.sound.speaker import Speaker
from livectl.talk.view import View
from livectl.usage import usage
from livectl.watch.calls import ANSWER_S, Calls
from livectl.watch.command import Subscription
from livehandle.connection import Connection, Event
from livehandle_proto.errors import LiveHandleError

_TICK_S = 0.01
_TOPICS = ["live.*", "live.audio", "session.tool_call", "daemon.claim_changed"]
_ROLES = ("mic", "speaker")
_NO_REPLY_S = 30.0
_NO_ROOM = "five minutes of the model's speech wait already: some of it is left out"


def run(options: Namespace) -> int:
    """Converse until Ctrl-C, or until standard input and the reply to it have ended."""
    if options.list_devices:
        _list(in_json=options.json)
        return 0
    source = (
        microphone.piped(options.rate_in)
        if options.stdin_pcm
        else devices.DeviceMicrophone(options.input_device)
    )
    return converse(options, source)


def converse(options: Namespace, source: Microphone) -> int:
    """Let a microphone speak to the model, and hear the model's replies."""
    stop_on_signals()
    out = sys.stderr if options.stdout_pcm else sys.stdout
    view = View(out, in_json=options.json, quiet=options.quiet)
    sink: Speaker | None = None
    try:
        sink = (
            speaker.piped(options.rate_out)
            if options.stdout_pcm
            else devices.DeviceSpeaker(options.output_device)
        )
        Talk(options, source, sink, view).run()
    except KeyboardInterrupt:  # the way to end it
        return 0
    finally:
        source.close()
        if sink is not None:
            sink.close()
        view.close()
    return 0


def stop_on_signals() -> None:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, signal.default_int_handler)


class Talk:
    """One conversation, over as many connections as the daemon needs."""

    def __init__(self, options: Namespace, source: Microphone, sink: Speaker, view: View) -> None:
        self._options = options
        self._source = source
        self._sink = sink
        self._view = view
        self._user_db = sound.level(b"")
        self._me: object = None
        """The connection's id, as the holder of roles."""
        self._sends = False
        """Whether audio has been taken on this connection, and so a session is open."""
        self._expects_reply = True
        self._calls = Calls()
        self._heard_of_at = time.monotonic()
        self._error: LiveHandleError | None = None
        self._told = ""

    def run(self) -> None:
        """Go on to the end of what the microphone hears and of the reply.

        Raises why the session ended, who has taken the microphone or the speaker, and
        `daemon.unreachable` where the daemon is gone and does not come back.
        """
        connection = open_connection(self._options)
        while True:
            with connection:
                try:
                    self._hold(connection)
                except LiveHandleError as error:
                    if error.name not in {"daemon.unreachable", "daemon.stopping"}:
                        raise
                    connection = self._back(error)
                else:
                    return

    def _hold(self, connection: Connection) -> None:
        """Converse over one connection. Raises `daemon.unreachable` when it is lost."""
        events = Subscription(connection, "events", {"topics": _TOPICS}, quiet=self._options.quiet)
        for role in _ROLES:
            self._me = _claimed(connection, role, force=self._options.force)
        self._sends = False
        while not self._over():
            event = events.next(_TICK_S)
            if event is not None:
                self._take(event, connection)
            self._tick(connection)

    def _tick(self, connection: Connection) -> None:
        now = time.monotonic()
        for chunk in self._source.chunks(now):
            self._send(connection, chunk)
        self._sink.tick(time.monotonic())
        with self._sink.lock:
            drained = self._sink.playback.drained(time.monotonic())
            played = self._sink.playback.last
        if drained:
            connection.notify("playback_drained")
        self._view.levels(now, self._user_db, sound.level(played))

    def _send(self, connection: Connection, chunk: bytes) -> None:
        self._user_db = sound.level(chunk)
        data = base64.b64encode(chunk).decode()
        if self._sends:
            connection.notify("send_audio", data=data)
        else:
            # The first may open the session: what is wrong with that is the answer to it.
            connection.call("send_audio", data=data)
            self._sends = True

    def _take(self, event: Event, connection: Connection) -> None:
        now = time.monotonic()
        self._heard_of_at = now
        self._view.event(event)
        with self._sink.lock:
            has_room = self._sink.playback.event(event.topic, event.data, now)
        if not has_room:
            self._tell(_NO_ROOM)
        self._calls.take(event, connection)
        self._judge(event)

    def _judge(self, event: Event) -> None:
        """Raise what ends the conversation, and tell of what disturbs it."""
        match event.topic:
            case "live.vad_start":
                self._expects_reply = True
            case "live.turn_complete":
                cut = bool(event.data.get("interrupted"))
                self._expects_reply = (self._expects_reply and cut) or self._calls.awaited
            case "live.audio" | "live.text_delta":
                self._calls.spoken()
            case "live.error":
                self._error = LiveHandleError.from_json(event.data)
                self._view.note(self._error.message)
            case "live.disconnected":
                raise self._ended(event.data)
            case "live.reconnecting":
                self._view.note("the connection to the model is lost, and is opened again")
            case "live.resumed":
                self._view.note("the session goes on")
            case "events.dropped":
                self._view.note("too slow: some of the model's speech is lost")
            case "daemon.claim_changed":
                check_role(event.data, self._me, "livectl talk --force")
            case "daemon.notification_failed":
                self._failed(event.data)
            case "daemon.bye":
                raise LiveHandleError("daemon.unreachable", "The daemon has stopped: start it.")

    def _failed(self, data: Mapping[str, object]) -> None:
        """Tell once of a send that failed. Raises what sending again will not mend."""
        told = data.get("error")
        error = LiveHandleError.from_json(told if isinstance(told, dict) else {})
        if not error.retryable or error.name == "roles.claimed":
            raise error
        self._tell(error.message)

    def _tell(self, disturbance: str) -> None:
        """Say once what goes on and on."""
        if disturbance != self._told:
            self._view.note(disturbance)
        self._told = disturbance

    def _ended(self, data: Mapping[str, object]) -> LiveHandleError:
        code = data.get("code")
        error = self._error
        if error is not None and code is not None and error.data.get("close_code") == code:
            return error
        why = data.get("message") or data.get("reason")
        return LiveHandleError("session.ended", f"The session has ended: {why}.")

    def _over(self) -> bool:
        """Whether the microphone has ended, and what it said has been answered and played."""
        now = time.monotonic()
        with self._sink.lock:
            if not self._source.ended or self._sink.playback.playing(now):
                return False
        silent_s = now - self._heard_of_at
        if self._calls.answered and silent_s > ANSWER_S:
            return True
        if self._expects_reply and not self._calls.awaited and silent_s > _NO_REPLY_S:
            raise LiveHandleError(
                "session.timeout",
                f"No reply came within {_NO_REPLY_S:.0f} s of the end of the audio: see livectl "
                "watch for what was heard.",
            )
        return not self._expects_reply

    def _back(self, error: LiveHandleError) -> Connection:
        """Connect to the daemon once more. Raises `error` if it does not come back."""
        with self._sink.lock:
            self._sink.playback.interrupted()
        connection = reopened(self._options, self._view.note, self._deaf)
        if connection is None:
            raise error
        return connection

    def _deaf(self) -> None:
        for _ in self._source.chunks(time.monotonic()):
            pass  # nobody hears it
        self._sink.tick(time.monotonic())


def _claimed(connection: Connection, role: str, *, force: bool) -> object:
    """Claim a role; return the connection's id. Raises `roles.claimed`, which says who has it."""
    answer = connection.call("claim", role=role, **({"force": True} if force else {}))
    holder = answer.get(role) if isinstance(answer, dict) else None
    return holder.get("connection") if isinstance(holder, dict) else None


def _list(*, in_json: bool) -> None:
    listed = devices.listed()
    if not listed and not in_json:
        raise usage("No sound device is found: start the sound server, or use pipes.")
    if in_json:
        for device in listed:
            print(as_json(device))
        return
    print(table([(str(device["device"]), _worded(device)) for device in listed]))


def _worded(device: Mapping[str, object]) -> str:
    default = device["default"]
    marks = [f"default {way}" for way in default] if isinstance(default, list) else []
    about = ", ".join(
        [f"{device['inputs']} in", f"{device['outputs']} out", f"{device['rate']} Hz", *marks]
    )
    return f"{device['name']} ({about})"
