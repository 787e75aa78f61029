"""What each method of the catalogue does: parameters to the handle, results back.

A handler begins its work before it returns; what it may return to be awaited is the wait alone.
So calls of one connection begin in the order they came.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from livehandle_proto import __version__
from livehandle_proto import methods as m
from livehandle_proto import values as v
from livehandle_proto.envelope import MAX_BATCH
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractorSpec, Respond
from livehandle_proto.faults import Fault, FaultList, FaultsAsked
from livehandle_proto.methods import MIN_LINE_BYTES
from livehandle_proto.states import Mutation, MutationsSince, StateKeys, StateValue
from livehandle_proto.topics import RAW_STREAM, SEMANTIC_STREAM, match
from livehandled.config.schema import Limits
from livehandled.control.dispatch import Handler
from livehandled.control.peer import Peer
from livehandled.extraction.extractor import CLIENTS
from livehandled.handle import LiveHandle
from livehandled.hub import Hub
from livehandled.session.writer import Sent, Writer

API_LEVEL = 1
_NAME = "livehandled"
_PAGE_BYTES = MIN_LINE_BYTES - 1024
_CAPABILITIES = ["events.replay", "events.snapshot"]

T = TypeVar("T", bound=v.Params)


class EmulatorFaults(Protocol):
    """The faults of the built-in emulator."""

    def add(self, fault: Fault, /) -> None:
        """Let it happen, or wait for its moment."""

    def clear(self) -> None:
        """End them all."""

    def waiting(self) -> list[Fault]:
        """Return those that wait."""
        ...


class Surroundings(NamedTuple):
    """What of the daemon the methods need beside the handle."""

    socket: str
    limits: Limits
    started: float
    """Monotonic seconds."""
    clock: Callable[[], float]
    clients: Callable[[], list[m.ClientQueue]]
    """What waits for each client that is connected."""
    shut_down: Callable[[], None]
    faults: EmulatorFaults | None = None
    """Where the built-in emulator runs."""


class Calls:
    """The handlers of all methods."""

    def __init__(self, handle: LiveHandle, hub: Hub, around: Surroundings) -> None:
        self._handle = handle
        self._hub = hub
        self._around = around

    def handlers(self) -> Mapping[str, Handler[Peer]]:
        """Return each method's handler, by name."""
        return {
            **self._of_the_daemon(),
            **self._of_the_session(),
            **_sends("writer", self._handle.writer()),
            **_sends("session", self._handle.session()),
            **self._of_the_voice(),
            **self._of_the_state(),
            **self._of_extractors(),
        }

    def _of_the_daemon(self) -> Mapping[str, Handler[Peer]]:
        return {
            "daemon.hello": _takes(m.Hello, self._hello),
            "daemon.ping": lambda _peer, _params: None,
            "daemon.status": lambda _peer, _params: self._status(),
            "daemon.shutdown": lambda _peer, _params: self._around.shut_down(),
            "daemon.fault": _takes(Fault, lambda _peer, p: self._faults().add(p)),
            "daemon.faults": _takes(FaultsAsked, lambda _peer, p: self._waiting_faults(p)),
            "events": _takes(
                m.Subscribe, lambda peer, p: self._subscribe(peer, p, "e", SEMANTIC_STREAM)
            ),
            "subscribe": _takes(
                m.Subscribe, lambda peer, p: self._subscribe(peer, p, "s", RAW_STREAM)
            ),
            "unsubscribe": _takes(m.Unsubscribe, self._unsubscribe),
            "telemetry": lambda _peer, _params: self._telemetry(),
        }

    def _of_the_session(self) -> Mapping[str, Handler[Peer]]:
        handle, session = self._handle, self._handle.session()
        return {
            "connect": _takes(m.Connect, lambda _peer, p: handle.connect(p.config)),
            "disconnect": lambda _peer, _params: handle.disconnect(),
            "done": _takes(m.Done, lambda _peer, p: handle.done(p.timeout_ms)),
            "phase": lambda _peer, _params: m.PhaseNow(phase=handle.phase()),
            "session": lambda _peer, _params: session.describe(),
            "session.config": lambda _peer, _params: handle.config(),
            "session.wait_for_phase": _takes(m.WaitForPhase, lambda _peer, p: self._wait(p)),
            "session.resume_handle": lambda _peer, _params: m.ResumeHandle(
                present=session.resume_handle() is not None,
                resumable=session.describe().resumable,
            ),
            "transcript": _takes(m.TranscriptWindow, lambda _peer, p: handle.transcript(p.turns)),
            "send_audio": _takes(m.SendAudio, lambda _peer, p: _sent(handle.send_audio(p.data))),
            "send_text": _takes(m.SendText, lambda _peer, p: _sent(handle.send_text(p.text))),
            "send_video": _takes(m.SendVideo, lambda _peer, p: _sent(handle.send_video(p.data))),
            "send_tool_response": _takes(
                m.SendToolResponse,
                lambda _peer, p: _sent(handle.send_tool_response(p.responses)),
            ),
            "update_instruction": _takes(
                m.UpdateInstruction,
                lambda _peer, p: _sent(handle.update_instruction(p.instruction)),
            ),
        }

    def _of_the_voice(self) -> Mapping[str, Handler[Peer]]:
        handle = self._handle
        return {
            "playback_drained": lambda _peer, _params: _sent(handle.playback_drained()),
            "user_speech_started": lambda _peer, _params: _sent(handle.user_speech_started()),
            "user_speech_ended": lambda _peer, _params: _sent(handle.user_speech_ended()),
            "flush_deferred_prompt": lambda _peer, _params: _sent(handle.flush_deferred_prompt()),
            "voice_state": lambda _peer, _params: handle.voice_state(),
            "input_vad_state": lambda _peer, _params: handle.input_vad_state(),
            "queue_context": _takes(m.QueueContext, lambda _peer, p: self._queue(p)),
            "pending_context": lambda _peer, _params: self._pending_context(),
            "writer": lambda _peer, _params: handle.writer_state(),
        }

    def _of_the_state(self) -> Mapping[str, Handler[Peer]]:
        state = self._handle.state()
        return {
            "state": lambda _peer, _params: state.as_dict(),
            "state.get": _takes(
                m.StateKey,
                lambda _peer, p: StateValue(value=state.get(p.key), present=state.contains(p.key)),
            ),
            "state.set": _takes(m.StateEntry, lambda _peer, p: state.set(p.key, p.value)),
            "state.remove": _takes(m.StateKey, lambda _peer, p: self._remove(p.key)),
            "state.keys": _takes(
                m.StateKeysAsked, lambda _peer, p: StateKeys(keys=state.keys(p.prefix))
            ),
            "state.clear_prefix": _takes(
                m.StatePrefix, lambda _peer, p: state.clear_prefix(p.prefix)
            ),
            "state.mutations_since": _takes(m.StateCursor, lambda _peer, p: self._mutations(p)),
        }

    def _of_extractors(self) -> Mapping[str, Handler[Peer]]:
        handle, extractors = self._handle, self._handle.extractors()
        return {
            "extracted": _takes(m.ExtractorName, lambda _peer, p: handle.extracted(p.name)),
            "extractors.register": _takes(ExtractorSpec, self._register),
            "extractors.unregister": _takes(
                m.ExtractorName, lambda peer, p: extractors.unregister(p.name, peer, CLIENTS)
            ),
            "extractors.list": lambda _peer, _params: m.Extractors(
                extractors=extractors.registered()
            ),
            "extractors.respond": _takes(Respond, lambda peer, p: peer.runs.respond(p)),
        }

    def _hello(self, peer: Peer, params: m.Hello) -> m.Daemon:
        limits = self._around.limits
        if params.client is not None:
            peer.client = params.client
        if params.max_line_bytes is not None:
            peer.raise_line_limit(params.max_line_bytes)
        return m.Daemon(
            name=_NAME,
            version=__version__,
            api_level=API_LEVEL,
            api_compatible=API_LEVEL,
            instance=self._hub.instance,
            capabilities=_CAPABILITIES,
            limits=m.Limits(
                max_line_bytes=limits.max_line_bytes,
                your_max_line_bytes=peer.line_bytes,
                max_batch=MAX_BATCH,
                ring_events=limits.ring_events,
                client_buffer_bytes=limits.client_buffer_bytes,
            ),
            session=self._handle.session().describe(),
        )

    def _status(self) -> m.Status:
        around = self._around
        return m.Status(
            name=_NAME,
            version=__version__,
            pid=os.getpid(),
            instance=self._hub.instance,
            socket=around.socket,
            uptime_ms=int((around.clock() - around.started) * 1000),
            clients=len(around.clients()),
            last_seq=self._hub.last_seq,
            session=self._handle.session().describe(),
        )

    def _faults(self) -> EmulatorFaults:
        if self._around.faults is None:
            raise LiveHandleError(
                "upstream.unsupported", "Start the daemon with --emulator to make faults."
            )
        return self._around.faults

    def _waiting_faults(self, params: FaultsAsked) -> FaultList:
        faults = self._faults()
        if params.clear:
            faults.clear()
        return FaultList(faults=faults.waiting())

    def _subscribe(
        self, peer: Peer, params: m.Subscribe, prefix: str, default: frozenset[str]
    ) -> m.Subscribed:
        topics = default if params.topics is None else match(params.topics)
        start_seq, reset = self._hub.last_seq, False
        fresh = params.since is None
        if params.since is not None:
            since = self._hub.parse(params.since)
            reset = since is None or not self._hub.can_replay(since)
            if since is not None and not reset:
                start_seq = since
        subscription = peer.subscribe(prefix, topics, start_seq)
        return m.Subscribed(
            subscription=subscription.name,
            cursor=self._hub.cursor(start_seq),
            reset=reset,
            snapshot=self._snapshot() if reset or (fresh and params.snapshot) else None,
        )

    def _snapshot(self) -> m.Snapshot:
        handle = self._handle
        return m.Snapshot(
            phase=handle.phase(),
            session=handle.session().describe(),
            voice_state=handle.voice_state(),
            input_vad_state=handle.input_vad_state(),
            state=handle.state().as_dict(),
            transcript=handle.transcript(),
            pending_tools=handle.open_calls(),
            telemetry=handle.telemetry(),
        )

    def _telemetry(self) -> dict[str, object]:
        return {**self._handle.telemetry(), "clients": self._around.clients()}

    def _wait(self, params: m.WaitForPhase) -> Awaitable[m.PhaseNow]:
        waiting = self._handle.session().wait_for_phase(params.phase, params.timeout_ms)

        async def waited() -> m.PhaseNow:
            return m.PhaseNow(phase=await waiting)

        return waited()

    def _queue(self, params: m.QueueContext) -> Awaitable[None] | None:
        turns = [msgspec.to_builtins(turn) for turn in params.turns]
        return _sent(
            self._handle.queue_context(
                turns, text=params.text, role=params.role, prompt=params.prompt
            )
        )

    def _pending_context(self) -> v.PendingContext:
        context = self._handle.pending_context()
        return v.PendingContext(
            turns=[msgspec.to_builtins(turn) for turn in context.turns],
            prompt_armed=context.prompt_armed,
        )

    def _remove(self, key: str) -> StateValue:
        state = self._handle.state()
        present = state.text(key) is not None
        return StateValue(value=state.remove(key), present=present)

    def _mutations(self, params: m.StateCursor) -> MutationsSince:
        """Return as much of the journal as fits a line, and at least one mutation."""
        state = self._handle.state()
        page: list[Mutation] = []
        size = 0
        for mutation in state.mutations_after(params.cursor):
            size += len(msgspec.json.encode(mutation)) + 1
            if page and size > _PAGE_BYTES:
                break
            page.append(mutation)
        cursor = page[-1].sequence if page else state.cursor
        return MutationsSince(
            mutations=page,
            cursor=cursor,
            more=cursor < state.cursor,
            gap=state.journal.has_gap(params.cursor),
        )

    def left(self, peer: Peer) -> None:
        """Forget what a peer that has gone leaves behind."""
        self._handle.extractors().unregister_all(peer)

    def _register(self, peer: Peer, spec: ExtractorSpec) -> None:
        """Register an extractor; one that the client runs itself goes with the client."""
        if spec.kind == "client":
            self._handle.extractors().register(spec, peer.runs, peer)
        else:
            self._handle.extractors().register(spec)

    def _unsubscribe(self, peer: Peer, params: m.Unsubscribe) -> None:
        peer.unsubscribe(params.subscription)


def _takes(params: type[T], handler: Callable[[Peer, T], object]) -> Handler[Peer]:
    """Return a handler of one kind of parameters as a handler of any: the catalogue's kind."""

    def checked(peer: Peer, given: v.Params) -> object:
        assert isinstance(given, params)
        return handler(peer, given)

    return checked


def _sends(prefix: str, writer: Writer) -> Mapping[str, Handler[Peer]]:
    """Return the sends of a writer."""

    def content(_peer: Peer, params: m.SendClientContent) -> Awaitable[None] | None:
        turns = [msgspec.to_builtins(turn) for turn in params.turns]
        return _sent(writer.send_client_content(turns, turn_complete=params.turn_complete))

    handlers: dict[str, Handler[Peer]] = {
        "send_audio": _takes(m.SendAudio, lambda _peer, p: _sent(writer.send_audio(p.data))),
        "send_text": _takes(m.SendText, lambda _peer, p: _sent(writer.send_text(p.text))),
        "send_video": _takes(m.SendVideo, lambda _peer, p: _sent(writer.send_video(p.data))),
        "send_tool_response": _takes(
            m.SendToolResponse, lambda _peer, p: _sent(writer.send_tool_response(p.responses))
        ),
        "send_client_content": _takes(m.SendClientContent, content),
        "update_instruction": _takes(
            m.UpdateInstruction, lambda _peer, p: _sent(writer.update_instruction(p.instruction))
        ),
        "signal_activity_start": lambda _peer, _params: _sent(writer.signal_activity_start()),
        "signal_activity_end": lambda _peer, _params: _sent(writer.signal_activity_end()),
        "disconnect": lambda _peer, _params: writer.disconnect(),
    }
    return {f"{prefix}.{name}": handler for name, handler in handlers.items()}


def _sent(sent: Sent) -> Awaitable[None] | None:
    """Answer at once where the session is set up, without a task."""
    return None if sent.done else _settled(sent)


async def _settled(sent: Sent) -> None:
    await sent
