"""Every statement on the Rust LiveHandle, A to O and Q, has a test of its number or a reason.

A test covers the statements that its name begins with: `test_c5_…`, `test_n3_n5_…`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent

SECTIONS = {
    "A": 27,
    "B": 20,
    "C": 15,
    "D": 10,
    "E": 9,
    "F": 10,
    "G": 9,
    "H": 17,
    "I": 13,
    "J": 12,
    "K": 11,
    "L": 9,
    "M": 10,
    "N": 8,
    "O": 6,
    "Q": 8,
}
STATEMENTS = [f"{name}{n}" for name, count in SECTIONS.items() for n in range(1, count + 1)]

APPLICATION = "Of the Rust runtime's application layer (flows, phases of a talk)."
BUILDER = "Of the Rust builder: here a session is configured, not built."
LANES = "Of the Rust task structure: one event loop has no lanes and no queues between them."

REASONS = {
    "A2": BUILDER,
    "A3": BUILDER,
    "A4": APPLICATION,
    "A5": "Declarations with a mode of their own come with tools in client processes.",
    "A8": APPLICATION,
    "A10": "There are no background tools: calls are carried out by clients.",
    "A14": LANES,
    "A15": LANES,
    "A16": "Nothing is persisted yet.",
    "A24": "There is no connecting with a transport of one's own.",
    "A25": APPLICATION,
    "A26": APPLICATION,
    "A27": "There are no traces yet.",
    "B7": APPLICATION,
    "B8": BUILDER,
    "B10": APPLICATION,
    "B14": "Off by default there, and nothing turns it on here: clients send at their own pace.",
    "B15": BUILDER,
    "E9": APPLICATION,
    "H17": "Prometheus text comes with the metrics listener.",
    "I8": LANES,
    "I13": "Of callbacks: here clients get events.",
    "J9": "The service's setupComplete carries no handle (wire 3.1).",
    "K11": "Errors have names here, and a sentence that says what to do.",
    "K2": "Delays are random: many clients would come back in the same moment.",
    "M8": "The journal is not written to a file.",
    "O6": "A cut touches our transcript alone: there is no frame for it, so none to be seen.",
}


def functions() -> Iterator[str]:
    for path in ROOT.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name


def statements_of(name: str) -> Iterator[str]:
    words = name.split("_")
    if words.pop(0) == "test":
        while words and re.fullmatch(r"[a-z]\d+", words[0]):
            yield words.pop(0).upper()


COVERED = {statement for name in functions() for statement in statements_of(name)}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_has_a_test_or_a_reason(statement: str) -> None:
    assert (statement in COVERED) != (statement in REASONS)
