"""What each exit code of livectl stands for (protocol section 7)."""

EXIT_DAEMON = 1
EXIT_UNREACHABLE = 2
EXIT_USAGE = 3
EXIT_AUTH = 4
EXIT_UPSTREAM = 5
EXIT_TIMEOUT = 6
EXIT_INTERRUPTED = 130

EXIT_CODES = {
    0: "ok",
    EXIT_DAEMON: "error from the daemon",
    EXIT_UNREACHABLE: "daemon not reachable",
    EXIT_USAGE: "usage",
    EXIT_AUTH: "credentials",
    EXIT_UPSTREAM: "the model's service",
    EXIT_TIMEOUT: "timeout",
    EXIT_INTERRUPTED: "interrupted",
}
"""All of them, in words."""


def exit_code(error_name: str) -> int:
    """Return the exit code that an error's name stands for."""
    area = error_name.partition(".")[0]
    by_name = {
        "client.usage": EXIT_USAGE,
        "daemon.unreachable": EXIT_UNREACHABLE,
        "session.timeout": EXIT_TIMEOUT,
    }
    by_area = {"auth": EXIT_AUTH, "upstream": EXIT_UPSTREAM}
    return by_name.get(error_name) or by_area.get(area, EXIT_DAEMON)
