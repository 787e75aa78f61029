"""The table of commands."""

from importlib import import_module

import pytest

from livectl.table import COMMANDS, PARTS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_code_and_its_options(name: str) -> None:
    command = COMMANDS[name]
    for where in filter(None, (command.run, command.add_options)):
        module, _, function = where.partition(":")
        assert callable(getattr(import_module(module), function))


def test_every_command_is_in_one_part_and_has_a_sentence() -> None:
    assert [name for names in PARTS.values() for name in names] == list(COMMANDS)
    assert all(command.meaning.endswith(".") for command in COMMANDS.values())
