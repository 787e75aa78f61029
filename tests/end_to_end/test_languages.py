"""The same small program in five languages, against one daemon at the same time."""

import re
from pathlib import Path

import pytest

from campaign import languages as campaign
from support.languages import LANGUAGES, Language, NotReadyError, insisted


def ready(directory: Path) -> tuple[list[Language], list[str]]:
    """Return the languages whose program can be run here, and what is missing for the others."""
    found, missing = [], []
    for language in LANGUAGES:
        try:
            language.program("hello", directory)
        except NotReadyError as error:
            missing.append(str(error))
        else:
            found.append(language)
    return found, missing


@pytest.mark.timeout(300)  # Rust compiles for a minute, the first time
def test_each_carries_out_its_function_and_all_print_what_the_model_says(tmp_path: Path) -> None:
    languages, missing = ready(tmp_path)
    assert not (missing and insisted()), missing
    for language, code, out, err in campaign.run(languages):
        assert (code, err) == (0, ""), language.name
        tool, words, *rest = out.splitlines()
        assert (tool, rest) == ("tool: get_weather Oslo", []), language.name
        # In the order in which the answers came.
        answers = re.findall(r"get_weather_.*?\}\.", words)
        assert " ".join(answers) == words
        assert sorted(answers) == sorted(campaign.words(languages))
    if missing:
        pytest.skip("; ".join(missing))


def test_the_table_has_a_row_for_each_language(tmp_path: Path) -> None:
    languages = [one for one in ready(tmp_path)[0] if one.name in {"Python", "bash"}]
    spoken = [campaign.Spoken(one, 0, "tool\nwords\n", "") for one in languages]
    rows = campaign.table(spoken).splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == [f"| {one.name}" for one in languages]
    assert all(row.endswith(" | `tool`<br>`words` |") for row in rows)
    assert all(int(row.split(" | ")[1]) <= int(row.split(" | ")[2]) for row in rows)
