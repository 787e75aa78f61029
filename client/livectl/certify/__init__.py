"""`livectl certify`: a scripted daemon that tells what a client does wrong."""
