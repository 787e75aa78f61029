"""`livectl service`: systemd's units of livehandled, put in place and taken away."""
