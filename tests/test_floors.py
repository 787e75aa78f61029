"""A file imports only from its own floor or below: the house stands."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("proto", "daemon", "client")

FLOORS = {
    "livehandle_proto": 1,
    "livehandled.config": 2,
    "livehandled.gemini": 2,
    "livehandled.voice": 2,
    "livehandled": 3,  # hub, telemetry
    "livehandled.session": 3,
    "livehandled.handle": 4,
    "livehandled.control": 5,
    "livehandled.service": 6,
    "livehandled.__main__": 6,
}
SANS_IO = ("livehandled.gemini", "livehandled.voice", "livehandle_proto")
LOOPS_AND_SOCKETS = {"asyncio", "anyio", "socket", "websockets", "threading", "time"}
# They live beside the floors: what each may reach.
BESIDE = {
    "livehandle_emulator": (
        "livehandle_emulator",
        "livehandle_proto",
        "livehandled.gemini",
        "livehandled.voice",
    ),
    "livehandle": ("livehandle", "livehandle_proto"),
    "livectl": ("livectl", "livehandle", "livehandle_proto"),
}
# The service alone starts the emulator, and then knows it by its port and its faults. The
# package's own name leads to the handle for those who ask for it, and imports it for nobody else.
ALLOWED = {
    ("livehandled.service", "livehandle_emulator.server"),
    ("livehandled.service", "livehandle_emulator.service"),
    ("livehandled", "livehandled.handle"),
}


def modules() -> Iterator[tuple[str, Path]]:
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*.py")):
            parts = path.relative_to(ROOT / source).with_suffix("").parts
            yield ".".join(p for p in parts if p != "__init__"), path


MODULES = dict(modules())


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (submodules & MODULES.keys()) or {node.module}
    return found


def floor_of(module: str) -> int:
    return max(
        ((len(name), floor) for name, floor in FLOORS.items() if is_in(module, name)),
        default=(0, 0),
    )[1]


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


@pytest.mark.parametrize("module", MODULES)
def test_no_import_leads_up(module: str) -> None:
    for imported in imports(MODULES[module]):
        if imported not in MODULES or (module, imported) in ALLOWED:
            continue
        beside = next((seen for name, seen in BESIDE.items() if is_in(module, name)), None)
        if beside is not None:
            assert any(is_in(imported, name) for name in beside), imported
        else:
            assert 0 < floor_of(imported) <= floor_of(module), imported


@pytest.mark.parametrize("module", [m for m in MODULES if any(is_in(m, name) for name in SANS_IO)])
def test_the_sans_io_floors_know_no_loop_socket_or_clock(module: str) -> None:
    roots = {imported.partition(".")[0] for imported in imports(MODULES[module])}
    assert not roots & LOOPS_AND_SOCKETS


@pytest.mark.parametrize("module", [m for m in MODULES if is_in(m, "livectl")])
def test_livectl_needs_nothing_heavy(module: str) -> None:
    roots = {imported.partition(".")[0] for imported in imports(MODULES[module])}
    assert not roots & {"numpy", "websockets", "msgspec", "anyio", "livehandled"}


def test_no_module_is_longer_than_600_lines() -> None:
    lengths = {module: len(path.read_text().splitlines()) for module, path in MODULES.items()}
    assert max(lengths.values()) <= 600
    assert sorted(lengths.values())[len(lengths) // 2] <= 170
