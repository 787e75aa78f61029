"""The pages of `livectl help`."""

import json

import pytest

from livectl.__main__ import main
from livectl.description import methods, topics
from livectl.exits import EXIT_CODES
from livectl.help.command import DAEMON_ENVIRONMENT, ENVIRONMENT, error_page
from livehandle_proto.errors import ERRORS
from livehandle_proto.remedies import REMEDIES


def told(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["help", *line.split()]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("subject", "names"),
    [
        ("errors", set(ERRORS)),
        ("topics", set(topics())),
        ("methods", set(methods())),
        ("exit-codes", {str(code) for code in EXIT_CODES}),
        ("environment", {*ENVIRONMENT, *DAEMON_ENVIRONMENT}),
    ],
)
def test_a_subject_lists_what_there_is(
    subject: str, names: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    listed = told(subject, capsys)
    assert names <= set(listed.split())
    entries = [json.loads(line) for line in told(f"{subject} --json", capsys).splitlines()]
    assert {entry["name"] for entry in entries} == names
    assert all(entry["meaning"] for entry in entries)


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_has_a_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = told(f"errors {name}", capsys)
    assert page == error_page(name) + "\n"
    words = " ".join(page.split())
    assert words.startswith(f"{name} (code {ERRORS[name].code}; ")
    assert ("may succeed later" in words) is ERRORS[name].retryable
    for text in (ERRORS[name].meaning, REMEDIES[name].cause, REMEDIES[name].action):
        assert text in words


def test_a_page_names_the_methods_that_answer_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    page = told("errors roles.not_held", capsys)
    named = page.partition("methods that answer it:")[2].split()
    assert named == [m.name for m in methods().values() if "roles.not_held" in m.errors] != []


@pytest.mark.parametrize("name", topics())
def test_every_topic_has_a_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = told(f"topics {name}", capsys)
    assert page.startswith(f"{name}  (delivery class {topics()[name].delivery}; sent ")
    assert topics()[name].meaning in page


@pytest.mark.parametrize(
    ("subject", "begin"),
    [
        ("send-text", "usage: livectl send-text"),
        ("send_text", "usage: livectl send-text"),
        ("state.get", "usage: livectl state.get"),
        ("session.wait_for_phase", "usage: livectl session.wait-for-phase"),
        ("methods done", "usage: livectl done"),
        ("", "usage: livectl [OPTION"),
    ],
)
def test_a_command_is_explained_as_by_its_own_option(
    subject: str, begin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(subject, capsys).startswith(begin)


@pytest.mark.parametrize(
    ("name", "subject"), [("upstream.quota", "errors"), ("live.vad_start", "topics")]
)
def test_an_error_or_a_topic_is_found_without_its_subject(
    name: str, subject: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(name, capsys) == told(f"{subject} {name}", capsys)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("erors", "There is no help on 'erors': did you mean errors?"),
        ("upstream.qota", "did you mean upstream.quota?"),
        ("state.gte", "did you mean state.get?"),
        ("dance", "there are errors, topics, methods, exit-codes, environment, or a command"),
        ("errors upstream.qota", "did you mean upstream.quota?"),
        ("errors dance", "There is no 'dance' among the errors: livectl help errors lists"),
        ("topics live.conected", "did you mean live.connected?"),
        ("exit-codes 7", "There is no '7' among the exit-codes"),
        ("phase now", "'phase' has no pages of its own: leave 'now' out"),
    ],
)
def test_what_there_is_no_help_on_is_wrong_usage(
    line: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", *line.split()]) == 3
    assert why in capsys.readouterr().err
