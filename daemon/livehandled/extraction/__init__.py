"""What is read out of the conversation, turn by turn, into the state (section Q)."""
