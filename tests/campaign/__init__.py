"""Campaigns: real daemons against real emulators, and what must hold whatever goes wrong."""
