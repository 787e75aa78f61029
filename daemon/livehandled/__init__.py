"""livehandled: the daemon that holds a Gemini Live session for its clients."""
