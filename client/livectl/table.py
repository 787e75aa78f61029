"""Which commands there are, beside those that each method of the socket has by itself."""


class Command:
    """One command that is more than a method."""

    # No NamedTuple: importing `typing` would be a tenth of the start.
    __slots__ = ("add_options", "meaning", "run")

    def __init__(self, meaning: str, run: str, add_options: str | None = None) -> None:
        self.meaning = meaning
        """One sentence, for the list of commands."""
        self.run = run
        """`module:function` of its code, which takes the options and returns the exit code."""
        self.add_options = add_options
        """`module:function` that adds its arguments to a parser; None where it has none."""


_PARTS: dict[str, dict[str, Command]] = {
    "to converse": {
        "ask": Command(
            "Send a typed turn and print the answer.", "livectl.ask:ask", "livectl.options:ask"
        ),
        "chat": Command("Converse by typing.", "livectl.chat:chat"),
        "talk": Command(
            "Converse by microphone and speaker.",
            "livectl.talk.command:run",
            "livectl.talk.options:add",
        ),
        "send-text": Command(
            "Send a typed turn.", "livectl.send:text", "livectl.options:send_text"
        ),
        "send-audio": Command(
            "Send speech in real time.", "livectl.send:audio", "livectl.options:send_audio"
        ),
        "send-video": Command(
            "Send a picture.", "livectl.send:video", "livectl.options:send_video"
        ),
        "play": Command(
            "Speak a recording to the model, and hear the reply.",
            "livectl.talk.play:run",
            "livectl.talk.play_options:add",
        ),
        "record": Command(
            "Record the model's speech as WAV.",
            "livectl.talk.record:run",
            "livectl.talk.record_options:add",
        ),
    },
    "to watch": {
        "watch": Command(
            "Print what happens.", "livectl.watch.command:events", "livectl.options:events"
        ),
        "events": Command(
            "The same as watch.", "livectl.watch.command:events", "livectl.options:events"
        ),
        "subscribe": Command(
            "Print the raw session events.",
            "livectl.watch.command:subscribe",
            "livectl.options:events",
        ),
        "wait": Command(
            "Wait for a phase, a turn or an event.",
            "livectl.watch.wait:wait",
            "livectl.options:wait",
        ),
        "phase": Command("Print the session's phase.", "livectl.commands:phase"),
        "metrics": Command("Print all metrics for Prometheus.", "livectl.commands:metrics"),
        "status": Command("Print what the daemon is.", "livectl.commands:status"),
    },
    "to operate": {
        "connect": Command(
            "Open a session.", "livectl.commands:connect", "livectl.options:connect"
        ),
        "call": Command("Call any method.", "livectl.commands:call", "livectl.options:call"),
        "state": Command(
            "Show the shared state, export, import or forget it.",
            "livectl.kept:state",
            "livectl.options:state",
        ),
        "config": Command(
            "Show, check or edit the daemon's configuration.",
            "livectl.config.command:run",
            "livectl.config.options:add",
        ),
        "doctor": Command(
            "Find out what is wrong, and what to do.", "livectl.doctor.command:doctor"
        ),
        "demo": Command(
            "Hear a conversation, without a key.",
            "livectl.demo.command:demo",
            "livectl.options:demo",
        ),
        "fault": Command(
            "Let the built-in emulator fail.", "livectl.faults:fault", "livectl.options:fault"
        ),
        "faults": Command(
            "Print the faults that wait.", "livectl.faults:faults", "livectl.options:faults"
        ),
        "recording": Command(
            "Show or export a recording of the conversation.",
            "livectl.recording.command:run",
            "livectl.recording.options:add",
        ),
        "service": Command(
            "Have systemd keep the daemon.",
            "livectl.service.command:run",
            "livectl.service.options:add",
        ),
        "certify": Command(
            "Test a client of any language.",
            "livectl.certify.command:run",
            "livectl.certify.options:add",
        ),
    },
    "to learn": {
        "help": Command(
            "Explain a command, or errors, topics and so on.",
            "livectl.help.command:show",
            "livectl.options:help_",
        ),
        "man": Command("Print a manual page.", "livectl.help.manual:man", "livectl.options:man"),
        "completions": Command(
            "Print the completions for a shell.",
            "livectl.help.completions:completions",
            "livectl.options:completions",
        ),
    },
}

PARTS = {part: tuple(commands) for part, commands in _PARTS.items()}
"""The commands' names, by what they are for."""

COMMANDS = {name: command for part in _PARTS.values() for name, command in part.items()}
"""Every command by name."""
