"""A conversation to hear without a key."""
