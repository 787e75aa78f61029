"""What is measured, for those who watch many machines."""
