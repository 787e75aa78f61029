"""One connection, without I/O: frames and times in, messages and a close out (wire 2)."""

from livehandle_emulator.closing import INVALID_ARGUMENT, Close, RefusedError, close, invalid
from livehandle_emulator.conversation import Conversation
from livehandle_emulator.endpoint import Endpoint, refused_session
from livehandle_emulator.history import Entry
from livehandle_emulator.journal import told_of, told_to
from livehandle_emulator.lifetime import Lifetime
from livehandle_emulator.models import Model
from livehandle_emulator.payload import message_in
from livehandle_emulator.resumption import Lineage, Past, digest
from livehandle_emulator.rules import check_setup
from livehandle_emulator.service import Service
from livehandled.gemini.server import ServerMessage, SetupComplete
from livehandled.gemini.setup import Setup


class Session:
    """What the service does with one connection, from its first frame to its close.

    After a `Close` has been returned nothing more comes of it. Times are seconds of one steady
    clock that all connections of a service share.
    """

    def __init__(
        self, endpoint: Endpoint, credential: str | None, service: Service, connection: int
    ) -> None:
        self._endpoint = endpoint
        self._owner = _owner(endpoint, credential)
        self._service = service
        self._connection = connection
        self._session_id = f"{service.name}{connection}"
        # Told at the first frame: a client sends its setup before it listens.
        self._rejection = refused_session(endpoint, credential, service.scenario.keys)
        self._life: Lifetime | None = None
        self._lineage: Lineage | None = None
        self._conversation: Conversation | None = None
        self._now = 0.0
        self._over = False
        self._hangs = False

    @property
    def deadline(self) -> float | None:
        """When `advance` will have something, None if only after more input."""
        if self._over:
            return None
        times = [part.deadline for part in (self._conversation, self._life) if part is not None]
        return min((at for at in times if at is not None), default=None)

    def receive(self, frame: bytes, now: float) -> list[ServerMessage | Close]:
        """Take one frame in, and return what is to be sent by `now`."""
        out = self.advance(now)
        if self._over:
            return out
        self._lifetime(now).heard(now)
        if self._hangs:
            return out
        try:
            came: list[ServerMessage | Close] = [*self._take(frame, now)]
        except RefusedError as refused:
            came = [refused.close]
        except RecursionError:  # nested deeper than any client means
            came = [close(1007, INVALID_ARGUMENT)]
        return out + self._sent(came)

    def advance(self, now: float) -> list[ServerMessage | Close]:
        """Return what is to be sent by `now`, in the order in which it was due.

        The first call is when the connection was opened.
        """
        life = self._lifetime(now)
        out: list[ServerMessage | Close] = []
        while (at := self.deadline) is not None and at <= now:
            self._now = at
            due: list[ServerMessage | Close] = []
            if self._conversation is not None:
                due += self._conversation.advance(at)
            out += self._sent(due + life.due(at))
        self._now = now
        return out

    def go_away(self, time_left_s: float | None, now: float) -> list[ServerMessage | Close]:
        """Return a go-away out of turn, after what is due; with a time left it ends then."""
        out = self.advance(now)
        if self._over:
            return out
        return out + self._sent([self._lifetime(now).go_away(time_left_s, now)])

    def unreachable(self, now: float) -> None:
        """Note that the service counts the client as gone, whatever its socket looks like.

        Its session may be resumed; what still comes here is taken as ever.
        """
        if self._lineage is not None:
            self._lineage.detach(self._connection, now)

    def gone(self, now: float) -> None:
        """Note that the socket has ended, whoever ended it."""
        self._now = now
        if not self._over:
            self._tell("close", by="client")
            self._end()

    def _lifetime(self, now: float) -> Lifetime:
        if self._life is None:
            self._now = now
            self._life = Lifetime(self._service.scenario.lifetime, now)
            self._tell("open")
        return self._life

    def _take(self, frame: bytes, now: float) -> list[ServerMessage]:
        if self._rejection is not None:
            raise RefusedError(*self._rejection)
        message = message_in(frame)
        self._tell("in", **told_of(message))
        if (message.setup is None) == (self._conversation is None):
            raise invalid("setup must be the first message and only the first")
        if message.setup is not None:
            return self._set_up(message.setup, now)
        return self._conversation.receive(message, now) if self._conversation else []

    def _set_up(self, setup: Setup, now: float) -> list[ServerMessage]:
        service = self._service
        model = check_setup(setup, self._endpoint, service.scenario.models)
        if self._is_affected(setup, model):
            return []
        lineage, past = self._session_of(setup, model, now)
        self._lineage = lineage
        conversation = self._conversation = Conversation(
            setup,
            self._endpoint,
            model,
            service.scenario,
            self._session_id,
            past=past,
            told=self._remembered,
            issue=self._issued,
        )
        lineage.attach(self._connection, conversation.history)
        self._lifetime(now).ready()
        complete = ServerMessage(setup_complete=SetupComplete(session_id=self._session_id))
        repeats = service.scenario.resumption.repeats
        return [complete, *(conversation.repeated() if repeats else [])]

    def _is_affected(self, setup: Setup, model: Model) -> bool:
        """Return whether affective dialogue leaves the setup without an answer.

        Measured (wire 2.1.1): on 3.1 it does, and 3.8 closes at the first send.
        """
        config = setup.generation_config
        if config is None or not config.enable_affective_dialog:
            return False
        self._hangs = model.generation == "3.1"
        if model.generation == "3.8":
            self._rejection = close(1007, INVALID_ARGUMENT)
        return self._hangs

    def _session_of(self, setup: Setup, model: Model, now: float) -> tuple[Lineage, Past]:
        """Return the session that a setup goes on with, or a new one."""
        resumption = self._service.resumption
        handle = setup.session_resumption.handle if setup.session_resumption else None
        if not handle:
            lineage = resumption.begin(self._session_id, model, self._owner)
            self._tell("setup", session=lineage.id)
            return lineage, Past()
        lineage, past = resumption.resume(handle, model, self._owner, now)
        entries = len(past.entries)
        self._tell("resume", session=lineage.id, handle=digest(handle), entries=entries)
        return lineage, past

    def _remembered(self, entry: Entry) -> None:
        self._tell("history", **entry._asdict())

    def _issued(self, past: Past) -> str:
        assert self._lineage is not None  # there is one before the first message is answered
        handle = self._service.resumption.issue(self._lineage, past)
        self._tell(
            "handle", handle=digest(handle), entries=len(past.entries), consumed=past.consumed
        )
        return handle

    def _sent(self, out: list[ServerMessage | Close]) -> list[ServerMessage | Close]:
        """Tell the journal of what goes out, and end with a close."""
        for message in out:
            if isinstance(message, Close):
                self._tell("close", by="service", code=message.code, reason=message.reason)
                self._end()
            else:
                self._tell("out", **told_to(message))
        return out

    def _end(self) -> None:
        self._over = True
        if self._conversation is not None:
            self._conversation.stop()
        if self._lineage is not None:
            self._lineage.detach(self._connection, self._now)

    def _tell(self, what: str, **more: object) -> None:
        session = self._lineage.id if self._lineage is not None else None
        entry = {"t": self._now, "connection": self._connection, "session": session, "what": what}
        self._service.journal(entry | more)


def _owner(endpoint: Endpoint, credential: str | None) -> tuple[bool, str | None]:
    """Return whose a session is: tokens change from connection to connection, keys do not."""
    has_key = not endpoint.vertex and not endpoint.constrained
    return endpoint.vertex, credential if has_key else None
