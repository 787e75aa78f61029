"""The phase table, statement J11 with decision Z2."""

from typing import get_args

import pytest

from livehandle_proto.values import Phase
from livehandled.session.phase import FOLLOWERS, InvalidTransitionError, may_follow

PHASES: tuple[Phase, ...] = get_args(Phase)

RUST: dict[str, set[str]] = {
    "disconnected": {"connecting"},
    "connecting": {"setup_sent"},
    "setup_sent": {"active"},
    "active": {"user_speaking", "model_speaking", "tool_call_pending"},
    "user_speaking": {"active", "model_speaking"},
    "model_speaking": {"active", "interrupted", "tool_call_pending"},
    "interrupted": {"active", "user_speaking"},
    "tool_call_pending": {"tool_call_executing"},
    "tool_call_executing": {"active", "model_speaking"},
    "disconnecting": set(),
}
Z2 = ("tool_call_pending", "active")


def allowed(phase: Phase, following: Phase) -> bool:
    if following == "disconnected":
        return phase != "disconnected"
    if following == "disconnecting":
        return phase not in {"disconnected", "disconnecting"}
    return following in RUST[phase] or (phase, following) == Z2


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("following", PHASES)
def test_j11_z2_a_phase_follows_only_where_the_table_says_so(
    phase: Phase, following: Phase
) -> None:
    assert may_follow(phase, following) == allowed(phase, following)


def test_every_phase_has_a_row() -> None:
    assert set(FOLLOWERS) == set(PHASES)


def test_z2_no_phase_is_a_trap() -> None:
    for phase in set(PHASES) - {"disconnecting"}:
        reached: set[Phase] = {phase}
        while more := {p for p in PHASES if any(p in FOLLOWERS[q] for q in reached)} - reached:
            reached |= more
        assert "active" in reached


def test_j11_a_forbidden_transition_names_both_phases() -> None:
    assert str(InvalidTransitionError("active", "connecting")) == (
        "Invalid transition from active to connecting"
    )
