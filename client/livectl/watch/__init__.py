"""What happens, printed as it happens."""
