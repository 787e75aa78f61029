"""Conversing by voice: talk, play, record."""
