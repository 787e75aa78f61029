"""What `livectl certify` runs a client against, with the blocking client."""

from livehandle import Call, Client, LiveHandleError


def add(a: int, b: int) -> dict[str, int]:
    """Add two integers."""
    if a > 1000:
        raise ValueError("too large")
    return {"sum": a + b}


PARAMETERS = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}


def name_of_the_error(live: Client) -> str:
    """Ask for what is answered with an error."""
    try:
        live.state_get(key="app:missing")
    except LiveHandleError as error:
        return error.name
    return "none"


def tell_how_it_failed(live: Client, done: Call) -> None:
    """Tell how the call that was under way has failed."""
    try:
        live.wait(done)
    except LiveHandleError as error:
        live.state_set(key="app:lost", value=error.name)


def main() -> None:
    """Do what the certification asks for."""
    with Client.open(client="certify python") as live:
        live.daemon_ping()
        live.state_set(key="app:error", value=name_of_the_error(live))
        done: Call | None = live.begin("done", timeout_ms=60_000)
        live.state_set(key="app:phase", value=live.phase()["phase"])
        live.register(add, parameters=PARAMETERS)
        gathered = ""
        for event in live.events(topics=["live.text_delta", "live.turn_complete"]):
            if event.topic == "live.text_delta":
                gathered += event.data["text"]
            elif event.topic == "live.turn_complete":
                live.send_text(text=gathered)
                if "That is all." in gathered:
                    break
                gathered = ""
            elif event.topic == "client.reset":
                gathered = ""
                live.state_set(key="app:reset", value=True)
            elif event.topic == "events.lagged":
                live.state_set(key="app:lagged", value=event.data["missed"])
            elif event.topic == "client.disconnected" and done is not None:
                tell_how_it_failed(live, done)
                done = None
        live.disconnect()


main()
