"""One conversation: its connection, its phase, what waits to be sent."""
