"""client/README.md: what a client's author reads."""

import re
import shlex

import pytest

from livectl.arguments import parse
from livectl.certify.checks import CHECKS
from livehandle_proto.topics import TOPICS
from support.languages import CLIENT

README = (CLIENT / "README.md").read_text()


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_every_link_of_the_clients_leads_somewhere(target: str) -> None:
    assert (CLIENT / target).exists()


@pytest.mark.parametrize("line", re.findall(r"^livectl certify .*$", README, re.MULTILINE))
def test_every_certify_command_is_one(line: str) -> None:
    options = parse(shlex.split(line, comments=True)[1:])
    assert options.command or options.socket


@pytest.mark.parametrize("step", sorted({check.step for check in CHECKS} - {"all"}))
def test_every_step_that_a_check_names_is_told(step: str) -> None:
    told = rf"^\| {step} \|" if len(step) > 1 else rf"^{step}\. "
    program = README.partition("### The program")[2]
    assert re.search(told, program, re.MULTILINE)


@pytest.mark.parametrize("topic", re.findall(r"`((?:live|events|tool)\.[a-z_]+)`", README))
def test_every_topic_named_there_is_one(topic: str) -> None:
    assert topic in TOPICS
