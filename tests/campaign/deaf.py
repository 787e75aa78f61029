"""`python -m campaign.deaf SOCKET`: listens to everything, and says what it was told it missed.

It is stopped by SIGSTOP as any client may be. It ends when the state has the key `app:end`.
"""

import json
import socket
import sys
from typing import Any

EVERYTHING = ["*", "live.audio", "session.audio_data", "session.raw"]
"""Every topic there is; those of the stream class have to be named."""


def main(path: str) -> None:
    """Listen, resume where it fell behind, and print what came, one JSON object a line."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        subscribe: dict[str, Any] = {"topics": EVERYTHING}
        connection.sendall(_request("events", subscribe))
        heard: dict[str, Any] = {"logs": [], "sounds": 0, "dropped": 0}
        for line in connection.makefile("rb"):
            message = json.loads(line)
            if "method" not in message:
                result = message["result"]
                _say(cursor=result["cursor"], reset=result.get("reset", False))
                if "app:end" in result.get("snapshot", {}).get("state", {}):
                    break
                continue
            event = message["params"]
            topic = event["topic"]
            if topic == "events.lagged":
                _say(**{topic: event["data"], "last": heard["logs"][-1:]})
                connection.sendall(_request("events", {**subscribe, "since": event["cursor"]}))
            elif topic == "events.dropped":
                _say(**{topic: event["data"]})
                heard["dropped"] += event["data"]["count"]
            elif topic in EVERYTHING:
                heard["sounds"] += 1
            elif topic == "state.changed":
                if event["data"]["key"] == "app:end":
                    break
            elif topic not in {"session.phase_changed", "live.telemetry"}:
                heard["logs"].append(event["seq"])
        _say(**heard)


def _request(method: str, params: dict[str, Any]) -> bytes:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return json.dumps(message).encode() + b"\n"


def _say(**words: object) -> None:
    print(json.dumps(words), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
