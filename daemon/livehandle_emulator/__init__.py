"""A server that behaves like the Gemini Live API, to build voice software on without a key.

`server` is the WebSocket; everything behind it is without I/O: `session` (one connection),
`conversation` (the turns), `rules` (what is refused), `hearing`, `answer`, `reply`, `speech`.
"""
