"""The control socket: lines in, calls on the handle, answers and events out."""
