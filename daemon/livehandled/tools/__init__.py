"""Functions of the model that client processes carry out (protocol section 6)."""
