"""Voice, without I/O: samples and times in, edges out."""
