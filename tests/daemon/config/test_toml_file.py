"""A TOML file with the line of everything in it."""

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.errors import LiveHandleError
from livehandled.config import toml_file


def read(path: Path, text: str) -> toml_file.TomlFile:
    path.write_bytes(text.encode())
    return toml_file.read(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


EVERY_FORM = '''\
# a comment with [brackets] and a = "b"

session.model = "m"
"log" = { level = "info", "extra" = 1 }  # inline

[voice]  # header
  vad = "off"
text = """
[control]
mode = 1
"""
other = \'\'\'x
[limits]\'\'\'

[ session . setup ]
list = [
  1,  # one
  "]",
]

[session.setup.generationConfig]
temperature = 0.5
tools.search = {}

[[things]]
name = "a"
[[things]]
name = "b"
'''

LINES = {
    ("session",): 3,
    ("session", "model"): 3,
    ("log",): 4,
    ("log", "level"): 4,
    ("log", "extra"): 4,
    ("voice",): 6,
    ("voice", "vad"): 7,
    ("voice", "text"): 8,
    ("voice", "other"): 12,
    ("session", "setup"): 15,
    ("session", "setup", "list"): 16,
    ("session", "setup", "generationConfig"): 21,
    ("session", "setup", "generationConfig", "temperature"): 22,
    ("session", "setup", "generationConfig", "tools"): 23,
    ("session", "setup", "generationConfig", "tools", "search"): 23,
    ("things",): 25,
    ("things", "name"): 26,
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_form_of_toml_has_its_first_line_found(path: Path, newline: str) -> None:
    found = read(path, EVERY_FORM.replace("\n", newline))
    assert found.lines == LINES
    assert found.tree["voice"] == tomllib.loads(EVERY_FORM)["voice"]


def test_an_empty_file_says_nothing(path: Path) -> None:
    assert read(path, "") == ({}, {})


names = st.text("abc", min_size=1, max_size=3)
values = st.sampled_from(
    ['"x"', "1", "[\n1,\n2]", '"""\n[a]\nb = 1\n"""', "'''\n\n'''", "{ a = 1 }"]
)
tables = st.dictionaries(names, st.dictionaries(names, values, max_size=4), max_size=4)


@given(tables=tables, blank=st.sampled_from(["", "\n", "# [a]\n"]))
def test_a_line_is_where_the_key_was_written(
    tables: dict[str, dict[str, str]], blank: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = ""
    expected: dict[tuple[str, ...], int] = {}
    for table, keys in tables.items():
        expected[table,] = text.count("\n") + 1
        text += f"[{table}]\n{blank}"
        for key, value in keys.items():
            expected[table, key] = text.count("\n") + 1
            text += f"{key} = {value}\n{blank}"
    found = read(tmp_path_factory.mktemp("toml") / "t.toml", text)
    assert {at: line for at, line in found.lines.items() if len(at) < 3} == expected


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (b"[session", 1, "not TOML"),
        (b"[session]\nmodel\n", 2, "not TOML"),
        (b"[session]\nmodel = 'x\n", 2, "not TOML"),
        (b'a = 1\nb = """\nx\n', 3, "not TOML"),
        (b"a = 1\na = 2\n", 2, "not TOML"),
        (b"\n\xff = 1\n", 2, "not UTF-8"),
    ],
)
def test_broken_syntax_is_refused_with_its_line(
    path: Path, content: bytes, line: int, said: str
) -> None:
    path.write_bytes(content)
    with pytest.raises(LiveHandleError, match=said) as refused:
        toml_file.read(path)
    data: dict[str, Any] = refused.value.data
    assert (refused.value.name, data["file"], data["line"]) == ("config.invalid", str(path), line)
    assert f"{path} line {line}" in refused.value.message


def test_a_file_that_is_not_there_is_left_to_the_caller(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        toml_file.read(path)


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(LiveHandleError, match="Is a directory") as refused:
        toml_file.read(tmp_path)
    assert refused.value.data["file"] == str(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(LiveHandleError, match="it is a named pipe"):
        toml_file.read(path)
