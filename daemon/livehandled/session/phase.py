"""Everything that decides which phase may follow which (J11, decision Z2)."""

from collections.abc import Mapping

from livehandle_proto.values import Phase

FOLLOWERS: Mapping[Phase, frozenset[Phase]] = {
    "disconnected": frozenset({"connecting"}),
    "connecting": frozenset({"setup_sent"}),
    "setup_sent": frozenset({"active"}),
    "active": frozenset({"user_speaking", "model_speaking", "tool_call_pending"}),
    "user_speaking": frozenset({"active", "model_speaking"}),
    "model_speaking": frozenset({"active", "interrupted", "tool_call_pending"}),
    "interrupted": frozenset({"active", "user_speaking"}),
    # Z2: a pending call that is cancelled leaves the phase too.
    "tool_call_pending": frozenset({"tool_call_executing", "active"}),
    "tool_call_executing": frozenset({"active", "model_speaking"}),
    "disconnecting": frozenset(),
}
"""What may follow each phase, beside the two that `may_follow` adds for all of them."""


def may_follow(phase: Phase, following: Phase) -> bool:
    """Return whether `following` may come after `phase`.

    Every phase can end in `disconnected`, and every live one in `disconnecting`.
    """
    if following == "disconnected":
        return phase != "disconnected"
    if following == "disconnecting":
        return phase not in {"disconnected", "disconnecting"}
    return following in FOLLOWERS[phase]


class InvalidTransitionError(ValueError):
    """A phase was to follow one that it may not follow: a fault in this program."""

    def __init__(self, phase: Phase, following: Phase) -> None:
        super().__init__(f"Invalid transition from {phase} to {following}")
