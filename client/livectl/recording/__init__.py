"""Recordings: what is in them, and copies of them."""
