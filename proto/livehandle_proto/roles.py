"""Roles that one connection holds at a time: who feeds the microphone, who reports playback."""

from typing import Literal

from livehandle_proto.values import Params, Value

Role = Literal["mic", "speaker"]
"""The microphone's holder alone sends audio, the speaker's alone reports playback."""


class Claim(Params, frozen=True):
    """The role to hold; `force` takes it from who holds it."""

    role: Role
    force: bool = False


class Release(Params, frozen=True):
    """The role to give up."""

    role: Role


class Holder(Value, frozen=True, kw_only=True, omit_defaults=False):
    """The connection that holds a role."""

    connection: str
    """Its id in this daemon, as the log and `daemon.status` have it."""
    client: str
    """What it calls itself in `daemon.hello`."""
    pid: int
    uid: int


class Claims(Value, frozen=True, kw_only=True, omit_defaults=False):
    """Who holds each role; None for nobody."""

    mic: Holder | None
    speaker: Holder | None


ClaimReason = Literal["claimed", "audio", "forced", "released", "silent", "left"]
"""Why a role changed hands: it was claimed, by a first frame of audio, or by force; it was
released, fell to nobody by silence, or its holder has left."""


class ClaimChange(Value, frozen=True, kw_only=True, omit_defaults=False):
    """Who holds a role now, None for nobody, and why."""

    role: Role
    holder: Holder | None
    previous: Holder | None
    reason: ClaimReason
