"""One connection, without I/O: frames and times in, messages and a close out (wire 2)."""

from livehandle_emulator.closing import INVALID_ARGUMENT, Close, RefusedError, close, invalid
from livehandle_emulator.conversation import Conversation
from livehandle_emulator.endpoint import Endpoint, refused_session
from livehandle_emulator.payload import message_in
from livehandle_emulator.rules import check_setup
from livehandle_emulator.scenario import Scenario
from livehandled.gemini.server import ServerMessage, SetupComplete
from livehandled.gemini.setup import Setup


class Session:
    """What the service does with one connection, from its first frame to its close.

    After a `Close` has been returned nothing more comes of it.
    """

    def __init__(
        self, endpoint: Endpoint, credential: str | None, scenario: Scenario, session_id: str
    ) -> None:
        self._endpoint = endpoint
        self._scenario = scenario
        self._session_id = session_id
        # Told at the first frame: a client sends its setup before it listens.
        self._rejection = refused_session(endpoint, credential, scenario.keys)
        self._conversation: Conversation | None = None
        self._over = False
        self._hangs = False

    @property
    def deadline(self) -> float | None:
        """When `advance` will have something, None if only after more input."""
        return self._conversation.deadline if self._conversation and not self._over else None

    def receive(self, frame: bytes, now: float) -> list[ServerMessage | Close]:
        """Take one frame in, and return what is to be sent by `now`."""
        out = self.advance(now)
        if self._over or self._hangs:
            return out
        try:
            out += self._take(frame, now)
        except RefusedError as refused:
            self._over = True
            out.append(refused.close)
        except RecursionError:  # nested deeper than any client means
            self._over = True
            out.append(close(1007, INVALID_ARGUMENT))
        return out

    def advance(self, now: float) -> list[ServerMessage | Close]:
        """Return what is to be sent by `now`."""
        if self._conversation is None or self._over:
            return []
        return list(self._conversation.advance(now))

    def _take(self, frame: bytes, now: float) -> list[ServerMessage]:
        if self._rejection is not None:
            raise RefusedError(*self._rejection)
        message = message_in(frame)
        if (message.setup is None) == (self._conversation is None):
            raise invalid("setup must be the first message and only the first")
        if message.setup is not None:
            return self._set_up(message.setup)
        return self._conversation.receive(message, now) if self._conversation else []

    def _set_up(self, setup: Setup) -> list[ServerMessage]:
        model = check_setup(setup, self._endpoint, self._scenario.models)
        config = setup.generation_config
        if config is not None and config.enable_affective_dialog:
            # Measured (wire 2.1.1): 3.1 never answers the setup, 3.8 closes at the first send.
            if model.generation == "3.1":
                self._hangs = True
                return []
            if model.generation == "3.8":
                self._rejection = close(1007, INVALID_ARGUMENT)
        self._conversation = Conversation(
            setup, self._endpoint, model, self._scenario, self._session_id
        )
        return [ServerMessage(setup_complete=SetupComplete(session_id=self._session_id))]
