"""The daemon's configuration: seen, checked and edited."""
