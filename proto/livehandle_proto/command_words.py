"""The words of a command line, sorted: what argparse asks of whoever mixes them."""

from collections import deque
from collections.abc import Container, Iterable


def options_first(words: Iterable[str], with_value: Container[str]) -> list[str]:
    """Return the words sorted, for argparse takes no option between two positional words.

    An option begins with two dashes: text that begins with one is text, and so is the value of
    an option `with_value`. Where that is missing, the option stands alone, for argparse to say so.
    """
    options: list[str] = []
    positional: list[str] = []
    bare = False
    rest = deque(words)
    while rest:
        word = rest.popleft()
        if word == "--":
            positional += rest
            break
        if not word.startswith("--") and word != "-h":
            positional.append(word)
        elif word not in with_value:
            options.append(word)
        elif rest and not rest[0].startswith("--"):
            options.append(f"{word}={rest.popleft()}")  # joined, a value may begin with a dash
        else:
            options.append(word)
            bare = True  # it is not to take the first positional word
    parted = bare or any(word.startswith("-") for word in positional)
    return [*options, *(["--"] if parted else []), *positional]
