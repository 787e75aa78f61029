"""`python client/generator`: write what is generated; `--check`: say what would be written."""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_CLIENT = Path(__file__).parents[1]
_TEMPLATES = Path(__file__).parent / "templates"

sys.path[:0] = [str(_CLIENT), str(_CLIENT.parent / "proto")]

from generator import languages, model  # noqa: E402
from livehandle_proto import openrpc  # noqa: E402


def generated() -> Mapping[Path, str]:
    """Return the text of each generated file, by its path."""
    text = openrpc.text()
    description = model.read(text)
    made = {_CLIENT.parent / "proto/livehandle_proto/openrpc.json": text}
    for language in _languages():
        made[_CLIENT / language.FILE] = _rendered(language, description)
    return made


def _languages() -> Iterator[languages.Language]:
    for found in sorted(pkgutil.iter_modules(languages.__path__), key=lambda found: found.name):
        module = importlib.import_module(f"generator.languages.{found.name}")
        yield cast("languages.Language", module)


def _rendered(language: languages.Language, description: model.Description) -> str:
    environment = Environment(  # noqa: S701 - what is made is no HTML
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= language.FILTERS
    return environment.get_template(language.TEMPLATE).render(api=description)


def main() -> int:
    """Write each file that differs, or name it; return 1 where one did with `--check`."""
    parser = argparse.ArgumentParser(prog="generator", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = False
    for path, text in generated().items():
        if path.exists() and path.read_text() == text:
            continue
        stale = True
        print(f"{'stale' if check else 'written'}: {path}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return int(check and stale)


if __name__ == "__main__":
    raise SystemExit(main())
