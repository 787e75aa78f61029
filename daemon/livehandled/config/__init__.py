"""The configuration: one tree, where each value came from, and how to read it (protocol 9)."""
