"""RE2 patterns of every kind, made at random, over a small alphabet."""

from hypothesis import strategies as st

_ATOMS = st.sampled_from(
    ["a", "b", "-", "[ab]", "[^a-]", r"\d", r"\w", ".", r"\b", r"\B", "^", "$", "(?m:^)", r"\Qa-\E"]
)
_REPEATS = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,2}", "{2,}", "*?", "+?"])


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    row = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        row.map("".join),
        st.builds("({}){}".format, inner, _REPEATS),
        st.builds("(?:{}){}".format, row.map("|".join), _REPEATS),
        st.builds("(?i:{})".format, inner),
        st.builds("(?i){}".format, inner),
    )


PATTERNS = st.recursive(_ATOMS, _larger, max_leaves=6)
"""RE2 takes all of them."""
