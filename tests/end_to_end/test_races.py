"""Some hundreds of subscriptions; `python -m campaign races` has ten thousand."""

from campaign import races


def test_no_event_is_lost_or_early_whoever_subscribes_vanishes_and_resumes() -> None:
    result = races.run(seed=1, races=400)
    assert result.problems == []
    for how in ("unsubscribed", "lagged", "vanished", "replay", "reset"):
        assert result.ends[how], how
