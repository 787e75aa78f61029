"""Close codes and reasons."""

import pytest

from livehandle_emulator.closing import close, invalid, unknown_name


@pytest.mark.parametrize("reason", ["", "short", "x" * 123, "x" * 500, "é" * 100, "a" + "é" * 100])
def test_a_reason_fits_a_close_frame_and_is_whole_characters(reason: str) -> None:
    cut = close(1007, reason).reason
    assert len(cut.encode()) <= 123
    assert reason.startswith(cut)
    assert cut == reason or len(cut.encode()) >= 122


def test_an_unknown_name_is_told_with_its_place() -> None:
    assert unknown_name("x", "setup").close == (
        1007,
        "Invalid JSON payload received. Unknown name \"x\" at 'setup': Cannot find field.",
    )
    assert unknown_name("x", "").close.reason == (
        'Invalid JSON payload received. Unknown name "x": Cannot find field.'
    )


def test_what_has_no_wording_of_its_own_is_an_invalid_argument() -> None:
    assert invalid().close == (1007, "Request contains an invalid argument.")
