"""`kill -9` at random moments under load, a few of them; `python -m campaign kills` does more."""

from campaign import kills


def test_a_session_outlives_kills_at_random_moments_under_load() -> None:
    result = kills.run(seed=7, count=2)
    assert result.problems == []
    # A busy machine may kill the first daemon before anything was worth keeping.
    assert result.kills[-1].restored.startswith(("handle", "reseeded"))
