//! A daemon that does what a test tells it.
#![allow(dead_code)] // each test program uses its part

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use livehandle::Options;
use serde_json::{json, Value};

/// No test waits so long: what does is stuck.
const STUCK: Duration = Duration::from_secs(20);

pub struct Server {
    listener: UnixListener,
    directory: PathBuf,
}

impl Server {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("lh-rust-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        let listener = UnixListener::bind(directory.join("s")).unwrap();
        Server { listener, directory }
    }

    pub fn options(&self) -> Options {
        let socket = Some(self.directory.join("s"));
        Options { socket, client: Some("test".to_string()), ..Options::default() }
    }

    pub fn accept(&self) -> Peer {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(STUCK)).unwrap();
        Peer { lines: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    /// Accepts a connection and answers its hello.
    pub fn greet(&self) -> Peer {
        let mut peer = self.accept();
        let hello = peer.expect("daemon.hello");
        assert_eq!(hello["params"], json!({"client": "test", "max_line_bytes": 16_777_216}));
        peer.answer(&hello, json!({"limits": {"max_line_bytes": 16_777_216}}));
        peer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.directory).unwrap();
    }
}

/// Plays a script on a thread of its own, as long as the test needs it.
pub fn play(script: impl FnOnce(&Server) + Send + 'static) -> (Options, JoinHandle<()>) {
    let server = Server::new();
    (server.options(), thread::spawn(move || script(&server)))
}

pub struct Peer {
    lines: BufReader<UnixStream>,
    stream: UnixStream,
}

impl Peer {
    /// The next request; None where the client has closed.
    pub fn read(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => None,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("nothing comes: {error}"),
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
        }
    }

    pub fn expect(&mut self, method: &str) -> Value {
        let request = self.read().expect("a request");
        assert_eq!(request["method"], method, "{request}");
        request
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub fn answer(&mut self, request: &Value, result: Value) {
        self.write(&answer(request, result));
    }

    pub fn refuse(&mut self, request: &Value, name: &str) {
        let data = json!({"name": name, "retryable": true, "new": [1]});
        let error = json!({"code": 4711, "message": "No.", "data": data, "new": 1});
        self.write(&line(json!({"jsonrpc": "2.0", "id": request["id"], "error": error})));
    }

    /// Answers a subscription, which is to have these parameters.
    pub fn subscribe(&mut self, params: Value, id: &str, more: Value) {
        let request = self.expect("events");
        assert_eq!(request["params"], params);
        let mut result = json!({"subscription": id, "cursor": "i:0"});
        result.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.answer(&request, result);
    }

    /// Answers a registration and returns its parameters.
    pub fn register(&mut self) -> Value {
        let request = self.expect("tools.register");
        self.answer(&request, json!({"registration": "r1", "declared": "now"}));
        request["params"].clone()
    }

    pub fn tool_call(&mut self, call_id: &str, args: Value) {
        let data = json!({
            "call_id": call_id, "registration": "r1", "name": "add", "args": args,
            "deadline_ms": 1000,
        });
        self.own("tool.call", data);
    }

    /// Writes an event that concerns the connection itself.
    pub fn own(&mut self, topic: &str, data: Value) {
        let params = json!({"seq": 1, "cursor": "i:1", "ts_ms": 1, "topic": topic, "data": data});
        self.write(&line(json!({"jsonrpc": "2.0", "method": "event", "params": params})));
    }

    /// Ends the writing side only.
    pub fn end(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Reads until the client has closed.
    pub fn drained(mut self) {
        while self.read().is_some() {}
    }

    /// Writes as much as goes without the client reading; returns how many lines that were.
    pub fn fill(&mut self, each: impl Fn(i64) -> Vec<u8>) -> i64 {
        let short = Some(Duration::from_millis(300));
        self.stream.set_write_timeout(short).unwrap();
        for number in 1.. {
            let mut rest = &each(number)[..];
            while !rest.is_empty() {
                match self.stream.write(rest) {
                    Ok(length) => rest = &rest[length..],
                    Err(_) => return self.finish(rest, number),
                }
            }
        }
        unreachable!()
    }

    fn finish(&mut self, rest: &[u8], number: i64) -> i64 {
        self.stream.set_write_timeout(Some(STUCK)).unwrap();
        let (mut stream, rest) = (self.stream.try_clone().unwrap(), rest.to_vec());
        thread::spawn(move || stream.write_all(&rest).unwrap());
        number
    }
}

pub fn line(message: Value) -> Vec<u8> {
    format!("{message}\n").into_bytes()
}

pub fn answer(request: &Value, result: Value) -> Vec<u8> {
    line(json!({"jsonrpc": "2.0", "id": request["id"], "result": result, "new": {"x": 1}}))
}

pub fn event(id: &str, seq: i64, topic: &str, data: Value) -> Vec<u8> {
    let params = json!({
        "subscription": id, "seq": seq, "cursor": format!("i:{seq}"), "ts_ms": 1_780_000_000_000_i64,
        "topic": topic, "data": data, "new": null,
    });
    line(json!({"jsonrpc": "2.0", "method": "event", "params": params}))
}

pub fn text(id: &str, seq: i64, text: &str) -> Vec<u8> {
    event(id, seq, "live.text_delta", json!({"text": text, "new": 1}))
}

/// A snapshot as a daemon of today has it.
pub fn snapshot() -> Value {
    let vad = json!({
        "backend": "energy-zcr", "sample_rate": 16_000, "frame_duration_ms": 30, "frame_size": 480,
        "state": "silence", "speaking": false, "last_probability": null, "frames_processed": 0,
        "last_transition_ms_ago": null,
    });
    let session = json!({
        "session_id": "s", "phase": "active", "backend": "emulator", "model": "m",
        "connected_ms": 1, "connection": null, "resumable": false, "reconnects": 0,
        "current_turn": null, "turns": 0, "last_close": null,
    });
    let voice = json!({
        "user_speaking": false, "playback_active": false, "prompt_pending": false,
        "prompt_epoch": 0, "last_barge_in_ms_ago": null, "last_playback_drained_ms_ago": null,
    });
    json!({
        "phase": "a_phase_of_tomorrow", "session": session, "voice_state": voice,
        "input_vad_state": vad, "state": {}, "transcript": {"turns": [], "current": null},
        "pending_tools": [], "claims": {"mic": null, "speaker": null}, "telemetry": {},
    })
}
