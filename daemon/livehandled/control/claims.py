"""Who holds the roles that one connection has at a time (protocol section 4.2). Sans-I/O."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from livehandle_proto import roles as r
from livehandle_proto.errors import LiveHandleError
from livehandled.control.credentials import Credentials

_NAMES: dict[r.Role, str] = {"mic": "microphone", "speaker": "speaker"}


class Claimant(Protocol):
    """A connection that may hold roles. It is the same one only where it is the same object."""

    id: str
    client: str
    who: Credentials


class Claims:
    """The holders of the roles. Instants are monotonic seconds.

    Audio takes a free microphone by itself, until `mic_idle_s` have passed without any; a claim
    holds until it is released, taken by force, or its connection has gone. `tell` is called with
    each change, and `look` where `deadline` may have come nearer.
    """

    def __init__(
        self,
        *,
        mic_idle_s: float,
        tell: Callable[[r.ClaimChange], None],
        look: Callable[[], None],
    ) -> None:
        self.mic_idle_s = mic_idle_s
        self._tell = tell
        self._look = look
        self._holders: dict[r.Role, Claimant] = {}
        self._by_audio = False
        """Whether the microphone is held by audio alone, and so until silence."""
        self._audio_at = 0.0

    def claim(self, role: r.Role, claimant: Claimant, now: float, *, force: bool = False) -> None:
        """Hold a role from now on. Raises `roles.claimed` where another does, unless by force."""
        if not force:
            self.check(role, claimant, now)
        self.due(now)
        if self._holders.get(role) is not claimant:
            self._change(role, claimant, "forced" if role in self._holders else "claimed")
        if role == "mic":
            self._by_audio = False

    def release(self, role: r.Role, claimant: Claimant, now: float) -> None:
        """Give a role up. Raises `roles.not_held`."""
        self.due(now)
        holder = self._holders.get(role)
        if holder is not claimant:
            whose = "nobody does" if holder is None else f"{_named(holder)} does"
            raise LiveHandleError(
                "roles.not_held",
                f"This connection does not hold the {_NAMES[role]}: {whose}.",
                role=role,
                holder=None if holder is None else msgspec.to_builtins(_shown(holder)),
            )
        self._change(role, None, "released")

    def check(self, role: r.Role, claimant: Claimant, now: float) -> None:
        """Let pass who holds the role, and anybody while nobody does. Raises `roles.claimed`."""
        holder = self._holders.get(role)
        if holder is None or holder is claimant:
            return
        self.due(now)
        if role in self._holders:
            raise LiveHandleError(
                "roles.claimed",
                f"The {_NAMES[role]} is held by {_named(holder)}: wait until it is free, or claim "
                "it with force.",
                role=role,
                holder=msgspec.to_builtins(_shown(holder)),
            )

    def audio_taken(self, claimant: Claimant, now: float) -> None:
        """Note audio of a connection that `check` let pass, and that was not refused since."""
        self._audio_at = now
        if "mic" not in self._holders:
            self._change("mic", claimant, "audio")
            self._look()

    def left(self, claimant: Claimant) -> None:
        """Free the roles of a connection that has gone."""
        for role in self.of(claimant):
            self._change(role, None, "left")

    def close(self) -> None:
        """Tell of no more changes: the roles end with the daemon, after its last word."""
        self._tell = _nobody_listens

    def holders(self) -> r.Claims:
        """Return who holds each role."""
        return r.Claims(mic=self._shown("mic"), speaker=self._shown("speaker"))

    def of(self, claimant: Claimant) -> list[r.Role]:
        """Return the roles that a connection holds."""
        return [role for role, holder in self._holders.items() if holder is claimant]

    @property
    def deadline(self) -> float | None:
        """When `due` is to be called next; None if nothing is waited for."""
        if self._by_audio:
            return self._audio_at + self.mic_idle_s
        return None

    def due(self, now: float) -> None:
        """Free a microphone that has been silent for long enough."""
        deadline = self.deadline
        if deadline is not None and now >= deadline:
            self._change("mic", None, "silent")

    def _change(self, role: r.Role, holder: Claimant | None, reason: r.ClaimReason) -> None:
        previous = self._shown(role)
        if holder is None:
            del self._holders[role]
        else:
            self._holders[role] = holder
        if role == "mic":
            self._by_audio = reason == "audio"
        self._tell(
            r.ClaimChange(role=role, holder=self._shown(role), previous=previous, reason=reason)
        )

    def _shown(self, role: r.Role) -> r.Holder | None:
        holder = self._holders.get(role)
        return None if holder is None else _shown(holder)


def _shown(holder: Claimant) -> r.Holder:
    who = holder.who
    return r.Holder(connection=holder.id, client=holder.client, pid=who.pid, uid=who.uid)


def _named(holder: Claimant) -> str:
    process = f"process {holder.who.pid}"
    return f"{holder.client!r}, {process}" if holder.client else process


def _nobody_listens(_change: r.ClaimChange) -> None:
    pass
