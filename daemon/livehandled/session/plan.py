"""How a session reaches the service, and what it opens each connection with."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.auth import Credentials, mask
from livehandled.gemini.endpoints import public
from livehandled.gemini.models import Traits, traits_of
from livehandled.gemini.opening import detects_activity, setup_for
from livehandled.gemini.server import ServerMessage
from livehandled.session.fetching import passwords


class Plan(NamedTuple):
    """How to reach the service and what to open each connection with."""

    url: str
    setup: dict[str, object]
    """Of a session that begins."""
    connect_timeout_s: float
    setup_timeout_s: float
    credentials: Credentials
    proxy: str = ""
    """As `session.proxy`."""
    model: str = ""
    backend: str = "gemini"
    traits: Traits = traits_of("", "gemini")
    transcript_is_text: bool = False
    """Text is wanted of a model that only speaks (J6)."""

    def __repr__(self) -> str:
        return f"Plan(url={public(self.url)!r}, model={self.model!r}, ***)"

    @property
    def takes_marks(self) -> bool:
        """Whether activity marks may be sent: the service does not detect activity (B13)."""
        return not detects_activity(self.setup)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that no message may show; the tokens among them change with each connection."""
        return (*self.credentials.secrets(), *passwords(self.proxy))

    def setup_for(
        self,
        *,
        handle: str | None = None,
        seeding: bool = False,
        instruction: str | None = None,
        tools: Sequence[Mapping[str, object]] | None = None,
    ) -> dict[str, object]:
        """Return the setup of one connection; see `livehandled.gemini.opening.setup_for`."""
        return setup_for(
            self.setup,
            self.traits,
            handle=handle,
            seeding=seeding,
            instruction=instruction,
            tools=tools,
        )


def refusal(message: ServerMessage, plan: Plan) -> LiveHandleError | None:
    """Return what an error object means, which the service rarely sends instead of a close."""
    if message.error is None and message.code is None:
        return None
    said = message.message or (message.error or {}).get("message") or "nothing more"
    return LiveHandleError(
        "upstream.rejected",
        "Check what was sent: the service answered with an error, saying "
        f'"{mask(str(said), plan.secrets)}".',
    )
