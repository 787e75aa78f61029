"""What causes each error of the catalogue, and what to do about it.

The message of an error says what to do in its one case. What stands here holds for all cases of
the name, for the manual page, `livectl help errors` and whoever writes a client.
"""

from collections.abc import Mapping


class Remedy:
    """The page of one error, beside its code and its meaning."""

    __slots__ = ("action", "cause")

    def __init__(self, cause: str, action: str) -> None:
        self.cause = cause
        """When it comes."""
        self.action = action
        """What whoever gets it should do."""


REMEDIES: Mapping[str, Remedy] = {
    "wire.parse_error": Remedy(
        "A line was not JSON: it was cut, holds two messages, is not UTF-8, or a newline stands "
        "inside of it. The answer has `id: null`, for none could be read.",
        "Write each message as one line of UTF-8 JSON that ends with a newline. The connection "
        "goes on.",
    ),
    "wire.invalid_request": Remedy(
        'The JSON has no `"jsonrpc": "2.0"`, no `method` that is text, `params` that are neither '
        "object nor array, an `id` of a wrong kind, or the batch is empty or too long.",
        "Correct the message; the `id` is echoed where it could be read.",
    ),
    "wire.method_not_found": Remedy(
        "The method is misspelt, or of a newer daemon.",
        "Take `did_you_mean` where it is given. `livectl help methods` lists the methods of this "
        "version, `daemon.hello` tells the daemon's.",
    ),
    "wire.invalid_params": Remedy(
        "A parameter is missing, unknown, of the wrong type or out of its bounds; `param` names "
        "it and `expected` says what it must be.",
        "Correct the parameter. `livectl METHOD --help` shows all of them.",
    ),
    "wire.internal": Remedy(
        "The daemon has a mistake. It is in its log with the time and the method.",
        "Report it with the log's lines. The connection goes on, and so does the session.",
    ),
    "wire.too_long": Remedy(
        "A line to the daemon was longer than `limits.max_line_bytes`. The connection closes, for "
        "what follows cannot be told from the rest of that line.",
        "Send audio in pieces of 20 to 100 ms and pictures smaller, or raise "
        "`limits.max_line_bytes` in the daemon's configuration. Connect again.",
    ),
    "wire.result_too_large": Remedy(
        "A result or an event would be a line of 65,536 bytes or more, which nobody gets who has "
        "not asked for such lines.",
        "Call `daemon.hello` with a larger `max_line_bytes` first, or ask for less, such as fewer "
        "turns of the transcript.",
    ),
    "wire.too_many_pending": Remedy(
        "As many calls of this connection wait for their answers as `limits.pending_calls` allows.",
        "Wait for answers before you call again, or use another connection.",
    ),
    "wire.closed": Remedy(
        "The connection ended while the call waited: a line was too long, or the other side hung "
        "up.",
        "Connect again and repeat the call. What was sent to the model before may have arrived.",
    ),
    "session.not_connected": Remedy(
        "No session is open: none was opened yet, `session.connect` is `manual`, `disconnect` was "
        "called, or the last session failed for good.",
        "Call `connect` (`livectl connect`), then repeat the call. `session` shows how the last "
        "one ended.",
    ),
    "session.already_connected": Remedy(
        "A session is open, or the last one is still ending. There is one at a time.",
        "Use the session there is. For one with another configuration call `disconnect`, wait for "
        "its answer, and `connect` again.",
    ),
    "session.setup_failed": Remedy(
        "The service took the connection and did not complete the setup: it was silent for "
        "`session.setup_timeout_ms`, or it does not know the resumption handle.",
        "Try again. If it stays, the message has the service's own words: correct the model, the "
        "voice or `session.setup`.",
    ),
    "session.ended": Remedy(
        "The session ended while the call waited, or with it what the call was about: a client "
        "called `disconnect`, the service closed for good, or the daemon stops.",
        "See `session` for the last close, call `connect`, and repeat what is still wanted.",
    ),
    "session.timeout": Remedy(
        "What was waited for did not come within the time that was given: a phase, the end of the "
        "session, a reply.",
        "Wait longer, or look at `phase` and `events` for what goes on instead.",
    ),
    "session.queue_full": Remedy(
        "More waits to be sent to the model than `limits.outbox_frames` and "
        "`limits.outbox_media_ms` hold: audio comes faster than real time, or the connection to "
        "the service is slow or lost.",
        "Wait for `retry_after_ms` and send again, and audio no faster than it was spoken.",
    ),
    "session.reaction": Remedy(
        "In a program that uses the daemon as a library, the action of a rule raised or was "
        "cancelled.",
        "Correct the action that the message names. The session goes on without it.",
    ),
    "audio.misaligned": Remedy(
        "The audio has an odd number of bytes, and a sample has two.",
        "Send whole samples of 16-bit little-endian mono at 16 kHz; keep a byte that is left over "
        "for the next piece.",
    ),
    "audio.empty": Remedy(
        "The audio has no samples.",
        "Send nothing where there is nothing to send.",
    ),
    "audio.bad_base64": Remedy(
        "The data is not standard base64: it has line breaks, the URL alphabet, or no padding.",
        "Encode the bytes with the standard alphabet and padding, as `base64 -w0` does.",
    ),
    "video.not_jpeg": Remedy(
        "The data does not begin like a JPEG picture. Each call takes one picture, no film.",
        "Convert it, for example with `ffmpeg -i picture.png picture.jpg`.",
    ),
    "text.empty": Remedy(
        "The text has no letters, and a turn needs some.",
        "Send text. To let the model speak without words of yours, use `queue_context` with "
        "`prompt`.",
    ),
    "tools.unknown_call": Remedy(
        "The model made no call of that id, or made it of another client.",
        "Answer with the `call_id` of a `tool.call` event of your own connection, or with the id "
        "of a `session.tool_call`.",
    ),
    "tools.call_expired": Remedy(
        "The call was answered already, the model cancelled it, its deadline has passed, or the "
        "session has ended. The model has been told.",
        "Drop the answer. If the function needs longer, register it with a longer `timeout_ms`.",
    ),
    "tools.name_taken": Remedy(
        "Another client that is connected, or the configuration, carries out a function of that "
        "name.",
        "Register another name, or end the other client. `tools.list` shows who it is; its "
        "`registration` takes the functions over.",
    ),
    "tools.bad_declaration": Remedy(
        "A declaration is not as the model wants it: its name, its parameters' schema or an "
        "unknown key. `param` says where.",
        "Correct what `param` names. `parameters` is the schema of an object, in the Live API's "
        "form or, as `parametersJsonSchema`, in that of JSON Schema.",
    ),
    "tools.unknown_registration": Remedy(
        "No registration has that id: it was ended, its grace has passed, or it is of a daemon "
        "that was started anew.",
        "Register again with `declarations` and without `registration`.",
    ),
    "upstream.rejected": Remedy(
        "The model's service refused the setup or a message, or does not let this key or project "
        "use it. `close_code` and `close_reason` are the service's own.",
        "Correct what the reason names: `session.setup`, the voice, the modality, the project. "
        "The same request will be refused again.",
    ),
    "upstream.quota": Remedy(
        "The key's project has used up its requests, tokens or sessions for now.",
        "Wait for `retry_after_ms`, or raise the quota. The daemon tries again slowly by itself.",
    ),
    "upstream.model_not_found": Remedy(
        "The service has no model of that name that can hold a live conversation, or not for this "
        "key or `session.api_version`.",
        "Correct `session.model`.",
    ),
    "upstream.unreachable": Remedy(
        "There was no connection to the service: no network, no such host, a proxy or a firewall "
        "between, a certificate that is not trusted.",
        "Check the network, `session.base_url` and `session.proxy`; `livectl doctor` tries it. "
        "The daemon goes on trying.",
    ),
    "upstream.unsupported": Remedy(
        "The daemon refused to send what the model is known not to take: it would close the "
        "connection or never answer. `field`, `model` and the reason are in the error.",
        "Leave the field out, choose another model, or, where you know better, override what is "
        "known with `session.quirks`.",
    ),
    "upstream.bad_message": Remedy(
        "The service sent what is not a message of the Live API. It was passed over.",
        "Report it, with the log. The session goes on.",
    ),
    "auth.missing_key": Remedy(
        "The daemon has no API key: neither in its environment, nor in systemd's credentials, nor "
        "in the file of `session.key_file`. A key in the client's environment does not count.",
        "Set `GEMINI_API_KEY` where the daemon is started and start it again, or start it with "
        "`--emulator`, which needs none.",
    ),
    "auth.rejected": Remedy(
        "The service did not accept the key, the token or the account, or they have expired.",
        "Make a new key and put it where the daemon gets it. In a file it counts from the next "
        "`connect` on; if it is in the environment, start the daemon again. Either way a "
        "conversation that ended for this goes on.",
    ),
    "events.unknown_subscription": Remedy(
        "The connection has no subscription of that name: it was ended, it fell behind "
        "(`events.lagged`), or it is another connection's.",
        "Use the `subscription` of your own `events` answer.",
    ),
    "events.unknown_topic": Remedy(
        "A topic or pattern names nothing.",
        "Take `did_you_mean`, or see `livectl help topics`. Patterns are `*` and a prefix such as "
        "`live.*`.",
    ),
    "events.bad_cursor": Remedy(
        "`since` is not of the form instance:seq.",
        "Give the `cursor` of an event or of a subscription's answer, unchanged. One of a former "
        "daemon is no error: the answer says `reset`.",
    ),
    "events.too_many": Remedy(
        "The connection has as many subscriptions as `limits.subscriptions` allows.",
        "Name several topics in one subscription, or end one with `unsubscribe`.",
    ),
    "events.lagged": Remedy(
        "Events came faster than they were read, and the subscription was ended. Nothing else of "
        "the connection is touched.",
        "Subscribe again with `since` and the last cursor you have read: nothing is lost as long "
        "as the ring holds it. Read faster, or name fewer topics.",
    ),
    "state.bad_key": Remedy(
        "The key is empty, too long, has control characters, or the daemon computes it "
        "(`derived:`).",
        "Use another key, such as `app:theme`.",
    ),
    "state.bad_value": Remedy(
        "The value is no plain JSON, is nested too deep, or is not of the type asked for.",
        "Give plain JSON. Numbers are finite.",
    ),
    "state.full": Remedy(
        "The value is too large, or the whole state is: it holds 4 MiB.",
        "Remove keys with `state.remove` or `state.clear_prefix`, and keep large things in files.",
    ),
    "extraction.unknown": Remedy(
        "No extractor has that name, or another client registered it.",
        "See `extractors.list`; those of another client and of the configuration are not yours to "
        "end.",
    ),
    "extraction.name_taken": Remedy(
        "An extractor of that name is registered.",
        "Unregister it first, or choose another name.",
    ),
    "extraction.bad_spec": Remedy(
        "The extractor's kind lacks what it needs, or a pattern, a schema or a promotion is "
        "wrong; `param` says which.",
        "Correct it; `livectl extractors.register --help` says what each kind takes.",
    ),
    "extraction.too_many": Remedy(
        "As many extractors are registered as the daemon runs.",
        "Unregister one first.",
    ),
    "extraction.unknown_run": Remedy(
        "No run of that id waits for this client: it was answered, or is past its `deadline_ms`.",
        "Answer each `extractor.run` once and in time, or register with a longer `timeout_ms`.",
    ),
    "extraction.failed": Remedy(
        "An extractor gave no result: its client or its model said why, was too slow, or its "
        "patterns take too long.",
        "Read the message of `live.extraction_error`. The conversation goes on, and so does the "
        "extractor at its next turn.",
    ),
    "daemon.stopping": Remedy(
        "The daemon is about to end; what was pending is answered.",
        "Connect again when it is back. With `resumption.store` the session goes on.",
    ),
    "daemon.forbidden": Remedy(
        "The process belongs to a user whom the daemon does not admit.",
        "Let the daemon's user set `control.uids`, or `control.group` and `control.mode`.",
    ),
    "daemon.already_running": Remedy(
        "Another daemon holds the socket; the message has its pid.",
        "Use it, stop it (`livectl daemon.shutdown`), or start the second one with another "
        "`--instance`.",
    ),
    "daemon.unreachable": Remedy(
        "Nobody answers at the socket: no daemon runs, it is another instance's, it belongs to "
        "another user, or the daemon has just ended.",
        "Start `livehandled` (without a key: `livehandled --emulator`), or give `--socket` or "
        "`--instance`. `livectl doctor` looks at all of it.",
    ),
    "daemon.too_many_clients": Remedy(
        "As many clients are connected as `control.max_clients` or, of one user, "
        "`control.max_clients_per_uid` allow.",
        "Close some (`livectl status --json` lists them), or raise the limit.",
    ),
    "daemon.snapshot": Remedy(
        "What the daemon keeps for its next start could not be read or written: a full disk, "
        "permissions, or a file of another version.",
        "Correct what the message names. Until then a restart does not continue the session.",
    ),
    "roles.claimed": Remedy(
        "Another client holds the microphone or the speaker; `holder` says who.",
        "Wait until it releases it, or `claim` it with `force`.",
    ),
    "roles.not_held": Remedy(
        "The connection reports or releases what it does not hold.",
        "`claim` the role first, on the same connection.",
    ),
    "config.invalid": Remedy(
        "A key of the configuration is unknown, its value is of the wrong type or out of its "
        "range, or it cannot be set there. The message names file and line.",
        "Correct it. `livectl session.config` shows every value and where it comes from.",
    ),
    "recording.running": Remedy(
        "One recording runs at a time, and there is one, maybe another client's.",
        "`livectl recording` shows it, `livectl recording.stop` ends it.",
    ),
    "recording.not_running": Remedy(
        "Nothing is recorded: it was never begun, was stopped, is full, or failed.",
        "Begin one with `livectl recording.start`. `livectl recording.list` shows what there is; "
        "the log says why the last one ended.",
    ),
    "recording.failed": Remedy(
        "The disk is full, the directory is not this user's alone, or it cannot be written. The "
        "conversation goes on.",
        "Make room, or set `recording.directory` to a directory of mode 0700 that is the daemon's "
        "own; then begin another.",
    ),
    "client.usage": Remedy(
        "The command line of livectl cannot be carried out.",
        "See `livectl COMMAND --help`.",
    ),
}
"""The page of every error, by its name."""
