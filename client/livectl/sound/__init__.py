"""Sound: samples, WAV files, pace, devices."""
