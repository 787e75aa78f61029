"""The one session there is at a time: how it is opened, with its voice, and how it is ended."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

from anyio.abc import TaskGroup

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.tools import Declared
from livehandled.config.loader import Loaded, overrides, with_overrides
from livehandled.context import PendingContext
from livehandled.extraction.extractor import Extraction
from livehandled.gemini.opening import Function, declarations
from livehandled.session import opener
from livehandled.session.outbox import Outbox
from livehandled.session.resumption import TakenUp
from livehandled.session.router import Router
from livehandled.session.session import Session
from livehandled.session.voice import Voice
from livehandled.session.wiretap import Wiretap
from livehandled.session.writer import not_connected, say
from livehandled.transcript import Transcript
from livehandled.voice.reactor import Rule

_AT_CONNECT: Declared = "connect"


class Sessions:
    """Opens sessions, one after another, in a task group that is given and taken away.

    `look` is called whenever a deadline of the voice may have come nearer.
    """

    def __init__(
        self,
        opening: opener.Opener,
        *,
        context: PendingContext,
        router: Router,
        extraction: Extraction,
        rules: Sequence[Rule],
        transcript: Transcript,
        clock: Callable[[], float],
        now_ms: Callable[[], int],
        look: Callable[[], None],
    ) -> None:
        base = opening.base.config
        self.current: Session | None = None
        self.voice: Voice | None = None
        """Of the current session."""
        self.loaded = opening.base
        """The configuration of the current session, or of the first."""
        self.outbox = Outbox(
            limit=base.limits.outbox_frames, media_s=base.limits.outbox_media_ms / 1000
        )
        self.wiretap = Wiretap()
        """Where the connections of all of them can be listened to."""
        self.on_send: Callable[[], None] = _nothing
        """Called when something was put that must arrive."""
        self.functions: Sequence[Function] = ()
        """What clients carry out, beside the functions of the configuration."""
        self.tasks: TaskGroup | None = None
        """Without one, nothing can be opened."""
        self.untaken: tuple[Mapping[str, object], TakenUp] | None = None
        """A session of an earlier daemon's that could not be taken up: with which changes to the
        configuration, and what is left of it."""
        self._opening = opening
        self._context = context
        self._router = router
        self._extraction = extraction
        self._rules = rules
        self._transcript = transcript
        self._clock = clock
        self._now_ms = now_ms
        self._look = look
        self._opens_on_use = base.session.connect != "manual"

    def configure(self, base: Loaded) -> None:
        """Open the next session with another configuration; one that is open keeps its own."""
        self._opening.base = base
        if self.current is None or not (self.current.open or self.current.unfinished):
            self.loaded = base

    def start(self, task: Callable[..., Coroutine[object, object, None]], *args: object) -> None:
        """Start a task of the session's."""
        assert self.tasks is not None
        self.tasks.start_soon(task, *args)

    def opened(self) -> Session:
        """Return the open session, opening one where a first send may.

        Raises `session.not_connected`, or why none can be opened.
        """
        if self._opens_on_use:
            return self.open_or_go_on()
        return self.existing()

    def existing(self) -> Session:
        """Return the open session. Raises `session.not_connected`: this never opens one."""
        if self.current is None or not self.current.open:
            raise not_connected()
        return self.current

    def may_send(self) -> bool:
        """Return whether a send finds a session, or opens one."""
        return self._opens_on_use or (self.current is not None and self.current.open)

    def open_or_go_on(self) -> Session:
        """Open a session, which goes on with one that is unfinished. Raises what `open` raises."""
        left, last = self.untaken, self.current
        if last is not None:
            left = (overrides(self.loaded), last.left()) if last.unfinished else None
        if left is None:
            return self.open(self._opening.base)
        changes, taken_up = left
        return self.open(with_overrides(self._opening.base, changes), taken_up=taken_up)

    def open(
        self, loaded: Loaded, *, patient: bool = False, taken_up: TakenUp | None = None
    ) -> Session:
        """Open a session. Once it has ended, an explicit connect alone opens another.

        What is refused is refused before anything has changed. `patient`: its first connection
        is tried until it succeeds. `taken_up`: it goes on with that of an earlier daemon, or with
        one that is `unfinished`.
        """
        if self.tasks is None:
            raise LiveHandleError(
                "session.not_connected",
                "The handle holds no session outside its `async with`: enter it first.",
            )
        # With it comes websockets, 45 ms and 3 MB that only a session needs.
        from livehandled.session.supervisor import Supervisor

        plan = self._opening.plan(loaded)
        self._opening.check(loaded, self.functions)
        self._extraction.restart()  # what runs for the last session is told to nobody
        self._extraction.configure(loaded.config.extraction.extractors)
        self._opens_on_use = False
        self.loaded = loaded
        self._context.session_opens()
        session = Session(
            plan,
            router=self._router,
            outbox=self.outbox,
            transcript=self._transcript,
            clock=self._clock,
            now_ms=self._now_ms,
            policy=loaded.config.resumption.policy,
            greet=lambda session: self._greet(session, loaded.config.session.greeting),
            look=self._look,
            on_send=self.on_send,
            patient=patient,
            taken_up=taken_up,
            wiretap=self.wiretap,
        )
        session.declarations.functions = self.functions
        voice = Voice(
            session,
            context=self._context,
            router=self._router,
            rules=self._rules,
            clock=self._clock,
            start=self.start,
            look=self._look,
            commits=opener.commits(loaded.config, plan),
            soft_turn_s=loaded.config.voice.soft_turn_timeout_ms / 1000,
        )
        self.current, self.voice = session, voice
        self._router.opened(voice, new=taken_up is None)
        supervisor = Supervisor(
            session,
            ceiling_s=loaded.config.resumption.ceiling_ms / 1000,
            clock=self._clock,
        )
        session.connecting()
        self.tasks.start_soon(supervisor.run)
        if taken_up is None:
            self._greet(session, loaded.config.session.greeting)
        return session

    def check(self, functions: Sequence[Function]) -> None:
        """Raise `upstream.unsupported` where the service would not take these functions."""
        self._opening.check(self.loaded, functions)

    def declare(self, functions: Sequence[Function], *, reconnect: bool) -> Declared:
        """Have the session, or the next one, know of these functions; return when it does."""
        session, when = self.current, _AT_CONNECT
        if session is not None and session.open:
            when = session.declare(functions, reconnect=reconnect)
        self.functions = functions
        return when

    def configured(self) -> Sequence[Function]:
        """Return the functions of the session's configuration."""
        session = self.current
        setup = self._opening.setup(self.loaded) if session is None else session.plan.setup
        return list(declarations(setup))

    def told(self) -> Sequence[Function]:
        """Return the functions that the session's model knows of."""
        session = self.current
        if session is None or session.state != "ready":
            return []
        return list(declarations({"tools": session.declarations.told}))

    def end(self) -> Awaitable[None]:
        """End the session, and return what can be awaited for that. No send opens another."""
        self._opens_on_use = False
        if self.current is not None:
            unfinished = self.current.unfinished
            self.current.stop("disconnected")
            if unfinished:
                self.on_send()  # nobody is to go on with it any more
        return self._ended(self.current)

    def forget(self) -> None:
        """Be as before the first session. Raises `session.already_connected` while one lasts."""
        if self.current is not None and self.current.ended is None:
            raise LiveHandleError(
                "session.already_connected", "A session is open: call disconnect first."
            )
        self._extraction.restart()
        self.outbox.clear()
        self.current = self.voice = self.untaken = None
        self.loaded = self._opening.base

    def leave(self) -> None:
        """Open nothing any more: the handle is being left."""
        self._opens_on_use = False

    def _greet(self, session: Session, greeting: str) -> None:
        """Send the greeting, behind context that waits: no session without it (A7)."""
        if not greeting:
            return
        try:
            self._context.flush(session.put)
            say(session, self._router, greeting)
        except LiveHandleError:
            session.stop("disconnected")
            raise

    async def _ended(self, session: Session | None) -> None:
        if session is not None:
            await session.done()


def _nothing() -> None:
    pass
