"""What each method of the catalogue does: parameters to the handle, results back.

A handler begins its work before it returns; what it may return to be awaited is the wait alone.
So calls of one connection begin in the order they came.
"""

from collections.abc import Awaitable, Mapping

import msgspec

from livehandle_proto import methods as m
from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractorSpec, Respond
from livehandle_proto.faults import Fault, FaultList, FaultsAsked
from livehandle_proto.methods import MIN_LINE_BYTES
from livehandle_proto.recordings import RecordingStart
from livehandle_proto.roles import Claim, Claims, Release
from livehandle_proto.states import Mutation, MutationsSince, StateKeys, StateValue
from livehandle_proto.tools import (
    ToolsRegister,
    ToolsRegistered,
    ToolsRespond,
    ToolsUnregister,
)
from livehandle_proto.topics import RAW_STREAM, SEMANTIC_STREAM, match
from livehandled.control.dispatch import Handler
from livehandled.control.handlers import takes
from livehandled.control.overview import Overview, description
from livehandled.control.peer import Peer
from livehandled.control.sends import Sends
from livehandled.control.surroundings import EmulatorFaults, Surroundings
from livehandled.extraction.extractor import CLIENTS
from livehandled.handle import LiveHandle
from livehandled.hub import Hub

_PAGE_BYTES = MIN_LINE_BYTES - 1024


class Calls:
    """The handlers of all methods."""

    def __init__(self, handle: LiveHandle, hub: Hub, around: Surroundings) -> None:
        self._handle = handle
        self._hub = hub
        self._around = around
        self.overview = Overview(handle, hub, around)
        """What is told of all at once."""

    def handlers(self) -> Mapping[str, Handler[Peer]]:
        """Return each method's handler, by name."""
        return {
            **self._of_the_daemon(),
            **self._of_the_session(),
            **Sends(self._handle, self._around.claims, self._around.clock).handlers(),
            **self._of_the_voice(),
            **self._of_the_state(),
            **self._of_extractors(),
            **self._of_tools(),
            **self._of_roles(),
            **self._of_recordings(),
        }

    def _of_the_daemon(self) -> Mapping[str, Handler[Peer]]:
        return {
            "rpc.discover": lambda _peer, _params: description(),
            "daemon.hello": takes(m.Hello, self._hello),
            "daemon.ping": lambda _peer, _params: None,
            "daemon.status": lambda _peer, _params: self.overview.status(),
            "daemon.reload": lambda _peer, _params: self._around.reload(),
            "daemon.shutdown": lambda _peer, _params: self._around.shut_down(),
            "daemon.fault": takes(Fault, lambda _peer, p: self._faults().add(p)),
            "daemon.faults": takes(FaultsAsked, lambda _peer, p: self._waiting_faults(p)),
            "events": takes(
                m.Subscribe, lambda peer, p: self._subscribe(peer, p, "e", SEMANTIC_STREAM)
            ),
            "subscribe": takes(
                m.Subscribe, lambda peer, p: self._subscribe(peer, p, "s", RAW_STREAM)
            ),
            "unsubscribe": takes(m.Unsubscribe, self._unsubscribe),
            "metrics": lambda _peer, _params: m.Metrics(exposition=self.overview.exposition()),
            "telemetry": lambda _peer, _params: self.overview.telemetry(),
        }

    def _of_the_session(self) -> Mapping[str, Handler[Peer]]:
        handle, session = self._handle, self._handle.session()
        return {
            "connect": takes(m.Connect, lambda _peer, p: handle.connect(p.config)),
            "disconnect": lambda _peer, _params: handle.disconnect(),
            "done": takes(m.Done, lambda _peer, p: handle.done(p.timeout_ms)),
            "phase": lambda _peer, _params: m.PhaseNow(phase=handle.phase()),
            "session": lambda _peer, _params: session.describe(),
            "session.config": lambda _peer, _params: handle.config(),
            "session.wait_for_phase": takes(m.WaitForPhase, lambda _peer, p: self._wait(p)),
            "session.resume_handle": lambda _peer, _params: m.ResumeHandle(
                present=session.resume_handle() is not None,
                resumable=session.describe().resumable,
            ),
            "transcript": takes(m.TranscriptWindow, lambda _peer, p: handle.transcript(p.turns)),
        }

    def _of_the_voice(self) -> Mapping[str, Handler[Peer]]:
        handle = self._handle
        return {
            "voice_state": lambda _peer, _params: handle.voice_state(),
            "input_vad_state": lambda _peer, _params: handle.input_vad_state(),
            "pending_context": lambda _peer, _params: self._pending_context(),
            "writer": lambda _peer, _params: handle.writer_state(),
        }

    def _of_the_state(self) -> Mapping[str, Handler[Peer]]:
        handle, state = self._handle, self._handle.state()
        return {
            "state": lambda _peer, _params: handle.redaction.states(state.as_dict()),
            "state.get": takes(
                m.StateKey,
                lambda _peer, p: StateValue(
                    value=handle.redaction.state(p.key, state.get(p.key)),
                    present=state.contains(p.key),
                ),
            ),
            "state.set": takes(m.StateEntry, lambda _peer, p: state.set(p.key, p.value)),
            "state.remove": takes(m.StateKey, lambda _peer, p: self._remove(p.key)),
            "state.keys": takes(
                m.StateKeysAsked, lambda _peer, p: StateKeys(keys=state.keys(p.prefix))
            ),
            "state.clear_prefix": takes(
                m.StatePrefix, lambda _peer, p: state.clear_prefix(p.prefix)
            ),
            "state.forget": lambda _peer, _params: self._handle.forget(),
            "state.mutations_since": takes(m.StateCursor, lambda _peer, p: self._mutations(p)),
        }

    def _of_extractors(self) -> Mapping[str, Handler[Peer]]:
        handle, extractors = self._handle, self._handle.extractors()
        return {
            "extracted": takes(
                m.ExtractorName,
                lambda _peer, p: handle.redaction.state(p.name, handle.extracted(p.name)),
            ),
            "extractors.register": takes(ExtractorSpec, self._register),
            "extractors.unregister": takes(
                m.ExtractorName, lambda peer, p: extractors.unregister(p.name, peer, CLIENTS)
            ),
            "extractors.list": lambda _peer, _params: m.Extractors(
                extractors=extractors.registered()
            ),
            "extractors.respond": takes(Respond, lambda peer, p: peer.runs.respond(p)),
        }

    def _of_tools(self) -> Mapping[str, Handler[Peer]]:
        tools = self._handle.tools()
        return {
            "tools.register": takes(ToolsRegister, self._register_tools),
            "tools.unregister": takes(ToolsUnregister, lambda peer, p: tools.unregister(p, peer)),
            "tools.list": lambda _peer, _params: tools.listed(),
            "tools.respond": takes(ToolsRespond, lambda peer, p: tools.respond(p, peer)),
        }

    def _of_roles(self) -> Mapping[str, Handler[Peer]]:
        claims, clock = self._around.claims, self._around.clock

        def claim(peer: Peer, params: Claim) -> Claims:
            claims.claim(params.role, peer, clock(), force=params.force)
            return claims.holders()

        return {
            "claim": takes(Claim, claim),
            "release": takes(Release, lambda peer, p: claims.release(p.role, peer, clock())),
            "claims": lambda _peer, _params: claims.holders(),
        }

    def _of_recordings(self) -> Mapping[str, Handler[Peer]]:
        recorder = self._handle.recorder()
        return {
            "recording": lambda _peer, _params: recorder.current(),
            "recording.list": lambda _peer, _params: recorder.kept(),
            "recording.start": takes(RecordingStart, lambda _peer, p: recorder.start(p)),
            "recording.stop": lambda _peer, _params: recorder.stop(),
        }

    def _hello(self, peer: Peer, params: m.Hello) -> m.Daemon:
        if params.client:
            peer.introduce(params.client)
        if params.max_line_bytes is not None:
            peer.raise_line_limit(params.max_line_bytes)
        return self.overview.daemon(peer)

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
            snapshot=self.overview.snapshot() if reset or (fresh and params.snapshot) else None,
        )

    def _wait(self, params: m.WaitForPhase) -> Awaitable[m.PhaseNow]:
        waiting = self._handle.session().wait_for_phase(params.phase, params.timeout_ms)

        async def waited() -> m.PhaseNow:
            return m.PhaseNow(phase=await waiting)

        return waited()

    def _pending_context(self) -> v.PendingContext:
        context = self._handle.pending_context()
        return v.PendingContext(
            turns=[self._handle.redaction.fields(msgspec.to_builtins(t)) for t in context.turns],
            prompt_armed=context.prompt_armed,
        )

    def _remove(self, key: str) -> StateValue:
        state = self._handle.state()
        present = state.text(key) is not None
        removed = state.remove(key)
        return StateValue(value=self._handle.redaction.state(key, removed), present=present)

    def _mutations(self, params: m.StateCursor) -> MutationsSince:
        """Return as much of the journal as fits a line, and at least one mutation."""
        state = self._handle.state()
        page: list[Mutation] = []
        size = 0
        for mutation in map(self._shown, state.mutations_after(params.cursor)):
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

    def _shown(self, mutation: Mutation) -> Mutation:
        redaction = self._handle.redaction
        if not redaction.hides_keys:
            return mutation
        old, new = (
            value if value is msgspec.UNSET else redaction.state(mutation.key, value)
            for value in (mutation.old, mutation.new)
        )
        return msgspec.structs.replace(mutation, old=old, new=new)

    def left(self, peer: Peer) -> None:
        """Forget what a peer that has gone leaves behind."""
        self._handle.extractors().unregister_all(peer)
        self._handle.tools().left(peer)
        self._around.claims.left(peer)

    def _register_tools(self, peer: Peer, params: ToolsRegister) -> ToolsRegistered:
        registered = self._handle.tools().register(params, peer)
        peer.serves = True
        return registered

    def _register(self, peer: Peer, spec: ExtractorSpec) -> None:
        """Register an extractor; one that the client runs itself goes with the client."""
        if spec.kind == "client":
            self._handle.extractors().register(spec, peer.runs, peer)
            peer.serves = True
        else:
            self._handle.extractors().register(spec)

    def _unsubscribe(self, peer: Peer, params: m.Unsubscribe) -> None:
        peer.unsubscribe(params.subscription)
