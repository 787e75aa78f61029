"""The manual pages."""

import argparse
import re
import subprocess
from collections.abc import Sequence

import pytest

from livectl.__main__ import main
from livectl.help.manual import PAGES
from livectl.methods import all_commands
from livehandle_proto.errors import ERRORS
from livehandled.__main__ import _parser as daemon_parser
from support.toolchains import need

_CHECKERS: Sequence[tuple[str, ...]] = (
    ("mandoc", "-T", "lint", "-W", "error"),
    ("groff", "-man", "-Tutf8", "-ww", "-z"),
    ("man", "--warnings", "-l"),
)


def shown(page: str) -> str:
    """Return a page as a terminal shows it, without bold letters."""
    need(["mandoc"])
    done = subprocess.run(
        ["mandoc", "-T", "utf8", "-O", "width=100"],
        input=PAGES[page](),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return re.sub(r".\x08", "", done.stdout)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_printed(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["man", page]) == 0
    assert capsys.readouterr().out == PAGES[page]()


def test_without_a_name_it_is_the_one_of_livectl(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["man"]) == 0
    assert capsys.readouterr().out == PAGES["livectl"]()


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ("livectrl", "There is no page 'livectrl': did you mean livectl?"),
        ("ls", "there are livectl, livehandled, livehandle-errors"),
    ],
)
def test_a_page_that_is_none_is_wrong_usage(
    page: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["man", page]) == 3
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("checker", _CHECKERS, ids=lambda checker: str(checker[0]))
@pytest.mark.parametrize("page", PAGES)
def test_no_checker_complains(page: str, checker: tuple[str, ...]) -> None:
    need([checker[0]])
    stdin = () if checker[0] != "man" else ("-",)
    done = subprocess.run(
        [*checker, *stdin],
        input=PAGES[page](),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANROFFOPT": "-ww"},
    )
    complaints = done.stderr + (done.stdout if checker[0] == "mandoc" else "")
    assert (done.returncode, complaints) == (0, "")


def test_livectl_1_has_every_command_with_its_options() -> None:
    words = set(shown("livectl").split())
    assert set(all_commands()) <= words
    assert {"--since", "--follow", "--timeout-ms", "--registration", "130", "NO_COLOR"} <= words


def test_livehandled_8_has_every_option_of_the_daemon() -> None:
    words = set(shown("livehandled").split())
    options = [one for one in daemon_parser()._actions if not isinstance(one, argparse._HelpAction)]
    assert {one.option_strings[-1] for one in options} <= words


def test_livehandle_errors_7_has_every_error() -> None:
    assert set(ERRORS) <= set(shown("livehandle-errors").split())
