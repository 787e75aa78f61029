"""livectl: the daemon from the shell."""
