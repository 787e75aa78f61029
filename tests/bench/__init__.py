"""Benchmarks, run by hand: `python -m bench` in the folder `tests`.

Each prints its figures beside a baseline that ran in turn with it, and the ratio: the ratio is
what can be compared between machines.
"""
