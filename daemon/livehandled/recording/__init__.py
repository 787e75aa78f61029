"""Recordings: the wire as JSON lines, the sound as an aligned stereo WAV."""
