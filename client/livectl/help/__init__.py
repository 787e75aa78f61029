"""What explains livectl: help, manual pages, completions."""
