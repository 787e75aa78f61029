//! The blocking client against a scripted daemon.

mod support;

use std::sync::mpsc::channel;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use livehandle::api::{
    ClaimOptions, DoneOptions, Ended, EndedReason, EventsOptions, Phase, PhaseNow, Role,
};
use livehandle::{Client, Data, ErrorName, Events, Options, Tool};
use serde_json::{json, Value};
use support::{answer, event, line, play, snapshot, text, Server};

const SOON: Duration = Duration::from_secs(20);

fn next(events: &mut Events) -> Data {
    events.next_timeout(SOON).expect("an event").data
}

fn texts(events: &mut Events, count: usize) -> String {
    let each = |data| match data {
        Data::LiveTextDelta(delta) => delta.text,
        other => panic!("{other:?}"),
    };
    (0..count).map(|_| each(next(events))).collect()
}

fn adder(
    handler: impl Fn(i64) -> Result<Value, livehandle::Failure> + Send + Sync + 'static,
) -> Tool {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let tool = Tool::new("add", "Adds.", schema, move |call| {
        handler(call.args["a"].as_i64().unwrap_or_default())
    });
    tool.field("behavior", "NON_BLOCKING")
}

#[test]
fn answers_may_come_out_of_order() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        let done = peer.expect("done");
        assert_eq!(done["params"], json!({"timeout_ms": 5}));
        let phase = peer.expect("phase");
        peer.answer(&phase, json!({"phase": "model_speaking", "new": 1}));
        peer.answer(&done, json!({"reason": "closed", "code": 1000}));
    });
    let live = Client::open(options).unwrap();
    let done = live.begin("done", DoneOptions { timeout_ms: Some(5) });
    assert_eq!(live.phase().unwrap().phase, Phase::ModelSpeaking);
    let ended: Ended = done.wait().unwrap();
    assert_eq!((ended.reason, ended.code, ended.message), (EndedReason::Closed, Some(1000), None));
    script.join().unwrap();
}

#[test]
fn parameters_are_sent_by_name_and_what_is_left_out_is_not_sent() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        let claim = peer.expect("claim");
        assert_eq!(claim["params"], json!({"role": "mic", "force": true}));
        peer.answer(&claim, json!({"mic": null, "speaker": null}));
        let set = peer.expect("state.set");
        assert_eq!(set["params"], json!({"key": "app:a", "value": null}));
        peer.answer(&set, json!({"new": "of a later level"}));
        let transcript = peer.expect("transcript");
        assert_eq!(transcript["params"], json!({}));
        peer.answer(&transcript, json!({"turns": [{"turn_number": 1}], "current": null}));
    });
    let live = Client::open(options).unwrap();
    assert_eq!(live.claim(Role::Mic, ClaimOptions { force: true }).unwrap().mic, None);
    live.state_set("app:a", Value::Null).unwrap();
    let transcript = live.transcript(Default::default()).unwrap();
    assert_eq!((transcript.turns[0].turn_number, &transcript.turns[0].user[..]), (1, ""));
    script.join().unwrap();
}

#[test]
fn lines_come_in_any_pieces_and_of_any_length() {
    let long = "ü\"\\".repeat(250_000);
    let sent = long.clone();
    let (options, script) = play(move |server| {
        let mut peer = server.greet();
        peer.subscribe(json!({}), "e1", json!({}));
        for byte in text("e1", 1, "ü \u{2028}") {
            peer.write(&[byte]);
        }
        peer.write(&[text("e1", 2, "a"), text("e1", 3, "b"), text("e1", 4, "c")].concat());
        peer.write(&text("e1", 5, &long));
        let request = peer.expect("send_text");
        assert_eq!(request["params"]["text"], long);
        peer.answer(&request, Value::Null);
    });
    let live = Client::open(options).unwrap();
    let mut events = live.events(Default::default()).unwrap();
    assert_eq!(texts(&mut events, 4), "ü \u{2028}abc");
    assert_eq!(texts(&mut events, 1), sent);
    live.send_text(&sent).unwrap();
    script.join().unwrap();
}

#[test]
fn audio_is_bytes_here_and_base64_on_the_wire() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        peer.subscribe(json!({"topics": ["live.audio"]}), "e1", json!({}));
        let request = peer.expect("send_audio");
        assert_eq!(request["params"], json!({"data": "+/8="}));
        peer.answer(&request, Value::Null);
        let audio = json!({"data": "+/8=", "mime_type": "audio/pcm;rate=24000"});
        peer.write(&event("e1", 1, "live.audio", audio));
    });
    let live = Client::open(options).unwrap();
    let topics = Some(vec!["live.audio".to_string()]);
    let mut events = live.events(EventsOptions { topics, ..Default::default() }).unwrap();
    live.send_audio(&[251, 255]).unwrap();
    assert!(matches!(next(&mut events), Data::LiveAudio(audio) if audio.data == [251, 255]));
    script.join().unwrap();
}

#[test]
fn an_error_is_taken_as_it_comes() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        for name in ["session.queue_full", "tomorrow.new"] {
            let request = peer.expect("phase");
            peer.refuse(&request, name);
        }
        let request = peer.expect("phase");
        peer.answer(&request, json!({"phase": 7}));
    });
    let live = Client::open(options).unwrap();
    let error = live.phase().unwrap_err();
    assert_eq!((error.name.clone(), error.code), (ErrorName::SessionQueueFull, 4711));
    assert_eq!((error.to_string().as_str(), error.retryable()), ("No. (session.queue_full)", true));
    assert_eq!(error.data["new"], json!([1]));
    let unknown = ErrorName::Unknown("tomorrow.new".to_string());
    assert_eq!(live.phase().unwrap_err().name, unknown);
    assert_eq!(live.phase().unwrap_err().name, ErrorName::WireInternal);
    script.join().unwrap();
}

#[test]
fn an_answer_that_comes_too_late_is_nobodys() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        let slow = peer.expect("done");
        let quick = peer.expect("phase");
        peer.answer(&slow, json!({"reason": "closed"}));
        peer.answer(&quick, json!({"phase": "active"}));
    });
    let live = Client::open(options).unwrap();
    let hasty = live.with_timeout(Duration::from_millis(20));
    let error = hasty.done(Default::default()).unwrap_err();
    assert_eq!(error.name, ErrorName::DaemonUnreachable);
    assert!(error.message.contains("did not answer within 20ms"), "{error}");
    assert_eq!(live.phase().unwrap().phase, Phase::Active);
    script.join().unwrap();
}

#[test]
fn a_lost_connection_is_made_again_and_goes_on_where_it_was() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        peer.subscribe(json!({"topics": ["live.text_delta"], "snapshot": true}), "e1", json!({}));
        peer.write(&text("e1", 7, "a"));
        peer.expect("done");
        peer.write(b"{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"sub");
        drop(peer);

        let mut peer = server.greet();
        peer.subscribe(json!({"topics": ["live.text_delta"], "since": "i:7"}), "e1", json!({}));
        peer.write(&text("e1", 8, "b"));
        let request = peer.expect("phase");
        peer.answer(&request, json!({"phase": "active"}));
    });
    let live = Client::open(options).unwrap();
    let topics = Some(vec!["live.text_delta".to_string()]);
    let options = EventsOptions { topics, snapshot: true, ..Default::default() };
    let mut events = live.events(options).unwrap();
    assert_eq!(events.start.cursor, "i:0");
    let done = live.begin("done", json!({}));
    assert_eq!(texts(&mut events, 1), "a");
    assert!(matches!(next(&mut events), Data::ClientDisconnected(error) if error.retryable()));
    assert_eq!(done.wait::<Ended>().unwrap_err().name, ErrorName::DaemonUnreachable);
    assert_eq!(next(&mut events), Data::ClientConnected(1));
    assert_eq!(texts(&mut events, 1), "b");
    assert_eq!(live.phase().unwrap().phase, Phase::Active);
    script.join().unwrap();
}

#[test]
fn events_that_are_gone_are_told_with_a_snapshot() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        peer.subscribe(json!({}), "e1", json!({}));
        peer.write(&event("e1", 3, "daemon.stopping", json!({"reason": "SIGTERM"})));
        peer.own("daemon.bye", json!({}));
        // The connection is over, though it is still open.
        let mut again = server.greet();
        let reset = json!({"reset": true, "snapshot": snapshot()});
        again.subscribe(json!({"since": "i:3"}), "e1", reset);
        assert_eq!(peer.read(), None);
    });
    let live = Client::open(options).unwrap();
    let mut events = live.events(Default::default()).unwrap();
    assert!(matches!(next(&mut events), Data::DaemonStopping(_)));
    assert_eq!(next(&mut events), Data::DaemonBye);
    assert!(matches!(next(&mut events), Data::ClientDisconnected(_)));
    assert_eq!(next(&mut events), Data::ClientConnected(1));
    match next(&mut events) {
        Data::ClientReset(snapshot) => {
            assert_eq!(snapshot.phase, Phase::Unknown("a_phase_of_tomorrow".to_string()));
            assert_eq!(snapshot.session.phase, Phase::Active);
        }
        other => panic!("{other:?}"),
    }
    script.join().unwrap();
}

#[test]
fn a_half_closed_connection_is_closed_and_made_again() {
    let (options, script) = play(|server| {
        let peer = server.greet();
        peer.end();
        let mut again = server.greet();
        let request = again.expect("phase");
        again.answer(&request, json!({"phase": "active"}));
        peer.drained();
    });
    let live = Client::open(options).unwrap();
    // It may be made before the end is seen: then it fails, and is not sent again.
    while live.phase().is_err() {}
    script.join().unwrap();
}

#[test]
fn who_lags_is_told_and_subscribed_again() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        peer.subscribe(json!({}), "e1", json!({}));
        peer.write(&text("e1", 2, "a"));
        peer.write(&event("e1", 2, "events.lagged", json!({"last_seq": 2, "missed": 40})));
        peer.subscribe(json!({"since": "i:2"}), "e2", json!({}));
        peer.write(&text("e2", 3, "b"));
        peer.write(&event("e2", 4, "events.dropped", json!({"count": 2, "from": 4, "to": 9})));
        peer.write(&event("e2", 5, "tomorrow.new", json!({"x": 1})));
        peer.write(&event("e2", 6, "live.text_delta", json!({"error": {"code": 1911}})));
    });
    let live = Client::open(options).unwrap();
    let mut events = live.events(Default::default()).unwrap();
    assert_eq!(texts(&mut events, 1), "a");
    assert!(matches!(next(&mut events), Data::EventsLagged(lagged) if lagged.missed == 40));
    assert_eq!(texts(&mut events, 1), "b");
    assert!(matches!(next(&mut events), Data::EventsDropped(dropped) if dropped.from == 4));
    for topic in ["tomorrow.new", "live.text_delta"] {
        let data = next(&mut events);
        assert!(matches!(data, Data::Other { .. }), "{data:?}");
        assert_eq!(data.topic(), topic);
    }
    script.join().unwrap();
}

#[test]
fn calls_of_the_model_are_carried_out_side_by_side() {
    let (finished, all) = channel();
    let (options, script) = play(move |server| {
        let mut peer = server.greet();
        let declaration = &peer.register()["declarations"][0];
        assert_eq!(declaration["name"], "add");
        assert_eq!(declaration["behavior"], "NON_BLOCKING");
        peer.tool_call("c1", json!({"a": 1}));
        peer.tool_call("c2", json!({"a": 2}));
        peer.tool_call("c3", json!({"a": 3}));
        let mut told: Vec<Value> = Vec::new();
        for _ in 0..3 {
            let request = peer.expect("tools.respond");
            told.push(request["params"].clone());
            peer.refuse(&request, "tools.call_expired");
        }
        told.sort_by_key(|params| params["call_id"].to_string());
        let wrong = "The function panicked.";
        assert_eq!(told[0], json!({"call_id": "c1", "result": {"sum": 1}}));
        assert_eq!(told[1], json!({"call_id": "c2", "error": "too large"}));
        assert_eq!(told[2], json!({"call_id": "c3", "error": wrong}));
        finished.send(()).unwrap();
        let request = peer.expect("phase");
        peer.answer(&request, json!({"phase": "active"}));
    });
    let live = Client::open(options).unwrap();
    let (first, release) = channel();
    let (first, release) = (Mutex::new(first), Mutex::new(release));
    let registered = live.register(vec![adder(move |a| {
        match a {
            1 => release.lock().unwrap().recv_timeout(SOON)?, // until the second was called
            2 => first.lock().unwrap().send(())?,
            _ => panic!("as the test wants it"),
        }
        if a > 1 {
            return Err("too large".into());
        }
        Ok(json!({ "sum": a }))
    })]);
    assert_eq!(registered.unwrap().registration, "r1");
    all.recv_timeout(SOON).unwrap();
    assert!(live.phase().is_ok());
    script.join().unwrap();
}

#[test]
fn a_handler_sees_that_its_call_is_cancelled() {
    let (seen, cancelled) = channel();
    let (options, script) = play(move |server| {
        let mut peer = server.greet();
        peer.register();
        peer.tool_call("c1", json!({}));
        peer.own("tool.cancel", json!({"call_id": "c1", "reason": "cancelled"}));
        cancelled.recv_timeout(SOON).unwrap();
        let request = peer.expect("phase"); // and no answer before it
        peer.answer(&request, json!({"phase": "active"}));
        peer.tool_call("c2", json!({}));
        peer.own("tool.cancel", json!({"call_id": "c2", "reason": "timeout"}));
        cancelled.recv_timeout(SOON).unwrap();
    });
    let live = Client::open(options).unwrap();
    let (seen, schema) = (Mutex::new(seen), json!({"type": "object"}));
    let tool = Tool::new("add", "Adds.", schema, move |call| {
        let begun = Instant::now();
        while !call.is_cancelled() && begun.elapsed() < SOON {
            std::thread::yield_now();
        }
        seen.lock().unwrap().send(())?;
        Ok(json!(1))
    });
    live.register(vec![tool]).unwrap();
    assert!(live.phase().is_ok());
    script.join().unwrap();
}

#[test]
fn a_registration_is_presented_again_or_made_anew() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        let declarations = peer.register();
        drop(peer);
        let mut peer = server.greet();
        assert_eq!(peer.register(), json!({"registration": "r1"}));
        drop(peer);
        let mut peer = server.greet();
        let request = peer.expect("tools.register");
        assert_eq!(request["params"], json!({"registration": "r1"}));
        peer.refuse(&request, "tools.unknown_registration");
        assert_eq!(peer.register(), declarations);
        peer.tool_call("c1", json!({"a": 1}));
        assert_eq!(peer.expect("tools.respond")["params"]["result"], json!({"sum": 1}));
    });
    let live = Client::open(options).unwrap();
    live.register(vec![adder(|a| Ok(json!({ "sum": a })))]).unwrap();
    script.join().unwrap();
}

#[test]
fn closing_fails_what_waits_and_ends_what_iterates() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        peer.subscribe(json!({}), "e1", json!({}));
        let done = peer.expect("done");
        peer.write(&text("e1", 1, "a"));
        let request = peer.expect("phase");
        peer.answer(&request, json!({"phase": "active"}));
        assert_eq!(peer.read(), None, "{done}");
    });
    let live = Client::open(options).unwrap();
    let events = live.events(Default::default()).unwrap();
    let done = live.begin("done", json!({}));
    live.phase().unwrap();
    live.close();
    assert_eq!(done.wait::<Ended>().unwrap_err().name, ErrorName::DaemonUnreachable);
    let topics: Vec<_> = events.map(|event| event.topic().to_string()).collect();
    assert_eq!(topics, ["live.text_delta"]);
    assert_eq!(live.phase().unwrap_err().name, ErrorName::DaemonUnreachable);
    script.join().unwrap();
}

#[test]
fn the_last_one_to_go_closes_the_connection() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        peer.subscribe(json!({}), "e1", json!({}));
        let request = peer.expect("unsubscribe");
        assert_eq!(request["params"], json!({"subscription": "e1"}));
        let request = peer.expect("phase");
        peer.write(&text("e1", 1, "for nobody"));
        peer.answer(&request, json!({"phase": "active"}));
        peer.drained();
    });
    let live = Client::open(options).unwrap();
    drop(live.events(Default::default()).unwrap());
    let other = live.clone();
    drop(live);
    other.phase().unwrap();
    drop(other);
    script.join().unwrap();
}

#[test]
fn a_consumer_that_does_not_read_lets_the_socket_fill() {
    let (filled, full) = channel();
    let (read, go) = channel();
    let (options, script) = play(move |server| {
        let mut peer = server.greet();
        peer.subscribe(json!({}), "e1", json!({}));
        peer.expect("done");
        let pad = "x".repeat(500);
        let count = peer.fill(|seq| text("e1", seq, &pad));
        filled.send(count).unwrap();
        go.recv_timeout(SOON).unwrap();
        filled.send(peer.fill(|seq| text("e1", count + seq, &pad))).unwrap();
        let request = peer.expect("phase");
        peer.answer(&request, json!({"phase": "active"}));
        peer.drained();
    });
    let live = Client::open(options).unwrap();
    let mut events = live.events(Default::default()).unwrap();
    drop(live.begin("done", json!({}))); // nobody waits for its answer
    let count = full.recv_timeout(SOON).unwrap();
    assert!(count > 1024 && count < 10_000, "{count}");
    let all = |events: &mut Events, seqs: std::ops::RangeInclusive<i64>| {
        seqs.for_each(|seq| assert_eq!(events.next_timeout(SOON).unwrap().seq, seq));
    };
    all(&mut events, 1..=count);
    read.send(()).unwrap();
    let more = full.recv_timeout(SOON).unwrap();
    live.phase().unwrap(); // a call goes through all the same
    all(&mut events, count + 1..=count + more);
    drop((live, events));
    script.join().unwrap();
}

#[test]
fn a_daemon_that_is_not_there_or_says_no_is_an_error() {
    let nowhere = Options { socket: Some("/nowhere/at/all".into()), ..Options::default() };
    let error = Client::open(nowhere).map(drop).unwrap_err();
    assert_eq!((error.name.clone(), error.retryable()), (ErrorName::DaemonUnreachable, true));
    assert!(error.message.contains("livehandled --emulator"), "{error}");

    let (options, script) = play(|server| {
        let error = json!({"code": 1901, "message": "No.", "data": {"name": "daemon.forbidden"}});
        server.accept().write(&line(json!({"jsonrpc": "2.0", "id": null, "error": error})));
    });
    assert_eq!(Client::open(options).map(drop).unwrap_err().name, ErrorName::DaemonForbidden);
    script.join().unwrap();

    let (options, script) = play(|server| server.accept().write(b"HTTP/1.1 400 Bad Request\r\n"));
    let error = Client::open(options).map(drop).unwrap_err();
    assert!(error.message.contains("is not livehandled"), "{error}");
    script.join().unwrap();
}

#[test]
fn many_threads_share_one_connection() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        let requests: Vec<Value> = (0..8).map(|_| peer.expect("state.get")).collect();
        for request in requests.iter().rev() {
            let key = request["params"]["key"].clone();
            peer.write(&answer(request, json!({"value": key, "present": true})));
        }
    });
    let live = Client::open(options).unwrap();
    let asked = |number: i32| {
        let live = live.clone();
        std::thread::spawn(move || live.state_get(&format!("app:{number}")).unwrap().value)
    };
    let threads: Vec<_> = (0..8).map(asked).collect();
    for (number, thread) in threads.into_iter().enumerate() {
        assert_eq!(thread.join().unwrap(), json!(format!("app:{number}")));
    }
    script.join().unwrap();
}

#[test]
fn types_are_read_as_they_are_written() {
    let now: PhaseNow = serde_json::from_value(json!({"phase": "tomorrow"})).unwrap();
    assert_eq!(serde_json::to_value(&now).unwrap(), json!({"phase": "tomorrow"}));
    assert_eq!(ErrorName::from("wire.too_long").code(), Some(1910));
    assert_eq!(ErrorName::from("tomorrow.new").code(), None);
    drop(Server::new());
}
