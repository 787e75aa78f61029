//! The asynchronous client against a scripted daemon.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use livehandle::api::{Ended, EventsOptions, Phase};
use livehandle::tokio::{Client, Events, Tool};
use livehandle::{Data, ErrorName, Options};
use serde_json::{json, Value};
use support::{event, line, play, text};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

async fn next(events: &mut Events) -> Data {
    timeout(SOON, events.next()).await.expect("in time").expect("an event").data
}

async fn texts(events: &mut Events, count: usize) -> String {
    let mut all = String::new();
    for _ in 0..count {
        match next(events).await {
            Data::LiveTextDelta(delta) => all += &delta.text,
            other => panic!("{other:?}"),
        }
    }
    all
}

/// Waits for what another thread says, which is no async one.
async fn told<T: Send + 'static>(receiver: Receiver<T>) -> (T, Receiver<T>) {
    let wait = move || (receiver.recv_timeout(SOON).unwrap(), receiver);
    tokio::task::spawn_blocking(wait).await.unwrap()
}

async fn all(events: &mut Events, seqs: std::ops::RangeInclusive<i64>) {
    for seq in seqs {
        assert_eq!(timeout(SOON, events.next()).await.unwrap().unwrap().seq, seq);
    }
}

/// Waits for the script without holding the client's task up.
async fn joined(script: JoinHandle<()>) {
    let join = tokio::task::spawn_blocking(move || script.join().unwrap());
    timeout(SOON, join).await.expect("in time").unwrap();
}

#[tokio::test]
async fn answers_may_come_out_of_order() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        let (done, phase) = (peer.expect("done"), peer.expect("phase"));
        peer.answer(&phase, json!({"phase": "active"}));
        peer.answer(&done, json!({"reason": "closed"}));
    });
    let live = Client::open(options).await.unwrap();
    let done = live.begin("done", json!({}));
    assert_eq!(live.phase().await.unwrap().phase, Phase::Active);
    assert_eq!(done.wait::<Ended>().await.unwrap().code, None);
    joined(script).await;
}

#[tokio::test]
async fn lines_come_in_any_pieces_and_of_any_length() {
    let long = "ü\"\\".repeat(250_000);
    let sent = long.clone();
    let (options, script) = play(move |server| {
        let mut peer = server.greet();
        peer.subscribe(json!({}), "e1", json!({}));
        for byte in text("e1", 1, "ü") {
            peer.write(&[byte]);
        }
        peer.write(&[text("e1", 2, "a"), text("e1", 3, "b")].concat());
        peer.write(&text("e1", 5, &long));
        let request = peer.expect("send_text");
        assert_eq!(request["params"]["text"], long);
        peer.answer(&request, Value::Null);
    });
    let live = Client::open(options).await.unwrap();
    let mut events = live.events(Default::default()).await.unwrap();
    assert_eq!(texts(&mut events, 3).await, "üab");
    assert_eq!(texts(&mut events, 1).await, sent);
    live.send_text(&sent).await.unwrap();
    joined(script).await;
}

#[tokio::test]
async fn an_error_is_taken_as_it_comes_and_a_late_answer_is_nobodys() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        let request = peer.expect("phase");
        peer.refuse(&request, "session.queue_full");
        let (slow, quick) = (peer.expect("done"), peer.expect("phase"));
        peer.answer(&slow, json!({"reason": "closed"}));
        peer.answer(&quick, json!({"phase": "active"}));
    });
    let live = Client::open(options).await.unwrap();
    assert_eq!(live.phase().await.unwrap_err().name, ErrorName::SessionQueueFull);
    let hasty = live.with_timeout(Duration::from_millis(20));
    let error = hasty.done(Default::default()).await.unwrap_err();
    assert_eq!(error.name, ErrorName::DaemonUnreachable);
    assert_eq!(live.phase().await.unwrap().phase, Phase::Active);
    joined(script).await;
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_goes_on_where_it_was() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        peer.subscribe(json!({"topics": ["live.*"]}), "e1", json!({}));
        peer.write(&text("e1", 7, "a"));
        peer.expect("done");
        peer.write(b"{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"sub");
        drop(peer);

        let mut peer = server.greet();
        peer.subscribe(json!({"topics": ["live.*"], "since": "i:7"}), "e1", json!({}));
        peer.write(&text("e1", 8, "b"));
        peer.write(&event("e1", 8, "events.lagged", json!({"last_seq": 8, "missed": 4})));
        let params = json!({"topics": ["live.*"], "since": "i:8"});
        peer.subscribe(params, "e2", json!({"reset": true, "snapshot": support::snapshot()}));
        peer.end();
        peer.drained();
        server.greet();
    });
    let live = Client::open(options).await.unwrap();
    let topics = Some(vec!["live.*".to_string()]);
    let mut events = live.events(EventsOptions { topics, ..Default::default() }).await.unwrap();
    let done = live.begin("done", json!({}));
    assert_eq!(texts(&mut events, 1).await, "a");
    assert!(matches!(next(&mut events).await, Data::ClientDisconnected(_)));
    assert_eq!(done.wait::<Ended>().await.unwrap_err().name, ErrorName::DaemonUnreachable);
    assert_eq!(next(&mut events).await, Data::ClientConnected(1));
    assert_eq!(texts(&mut events, 1).await, "b");
    assert!(matches!(next(&mut events).await, Data::EventsLagged(_)));
    assert!(matches!(next(&mut events).await, Data::ClientReset(_)));
    assert!(matches!(next(&mut events).await, Data::ClientDisconnected(_)));
    joined(script).await;
}

/// Notes that it was dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn calls_of_the_model_are_tasks_that_a_cancel_aborts() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        peer.register();
        peer.tool_call("c1", json!({"a": 1}));
        peer.tool_call("c2", json!({"a": 2}));
        peer.tool_call("c3", json!({"a": 3}));
        peer.tool_call("c4", json!({"a": 4}));
        let mut told: Vec<Value> = Vec::new();
        for _ in 0..3 {
            let request = peer.expect("tools.respond");
            told.push(request["params"].clone());
            peer.refuse(&request, "tools.call_expired");
        }
        told.sort_by_key(|params| params["call_id"].to_string());
        let wrong = "The function panicked.";
        assert_eq!(told[0], json!({"call_id": "c2", "error": "too large"}));
        assert_eq!(told[1], json!({"call_id": "c3", "error": wrong}));
        assert_eq!(told[2], json!({"call_id": "c4", "result": {"sum": 4}}));
        peer.own("tool.cancel", json!({"call_id": "c1", "reason": "cancelled"}));
        let request = peer.expect("phase"); // and no answer to the cancelled call
        peer.answer(&request, json!({"phase": "active"}));
    });
    let live = Client::open(options).await.unwrap();
    let dropped = Arc::new(AtomicBool::new(false));
    let note = dropped.clone();
    let tool = Tool::new("add", "Adds.", json!({"type": "object"}), move |call| {
        let note = note.clone();
        async move {
            match call.args["a"].as_i64() {
                Some(1) => {
                    let _dropped = Dropped(note);
                    std::future::pending().await
                }
                Some(2) => Err("too large".into()),
                Some(3) => panic!("as the test wants it"),
                sum => Ok(json!({ "sum": sum })),
            }
        }
    });
    assert_eq!(live.register(vec![tool]).await.unwrap().registration, "r1");
    let waited = async {
        while !dropped.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, waited).await.unwrap();
    live.phase().await.unwrap();
    joined(script).await;
}

#[tokio::test]
async fn what_is_awaited_may_be_dropped() {
    let (subscribed, go) = channel();
    let (options, script) = play(move |server| {
        let mut peer = server.greet();
        peer.subscribe(json!({}), "e1", json!({}));
        let done = peer.expect("done");
        let second = peer.expect("events");
        go.recv_timeout(SOON).unwrap();
        peer.answer(&second, json!({"subscription": "e2", "cursor": "i:0"}));
        peer.write(&text("e2", 1, "for nobody"));
        assert_eq!(peer.expect("unsubscribe")["params"], json!({"subscription": "e2"}));
        peer.answer(&done, json!({"reason": "closed"}));
        peer.write(&text("e1", 1, "a"));
        peer.write(&text("e1", 2, "b"));
        let request = peer.expect("phase");
        peer.answer(&request, json!({"phase": "active"}));
        peer.drained();
    });
    let live = Client::open(options).await.unwrap();
    let mut events = live.events(Default::default()).await.unwrap();
    let short = Duration::from_millis(20);
    assert!(timeout(short, live.done(Default::default())).await.is_err());
    assert!(timeout(short, live.events(Default::default())).await.is_err());
    assert!(timeout(short, events.next()).await.is_err());
    subscribed.send(()).unwrap();
    assert_eq!(texts(&mut events, 2).await, "ab");
    live.phase().await.unwrap();
    drop((live, events));
    joined(script).await;
}

#[tokio::test]
async fn closing_fails_what_waits_and_ends_what_iterates() {
    let (options, script) = play(|server| {
        let mut peer = server.greet();
        peer.subscribe(json!({}), "e1", json!({}));
        peer.expect("done");
        peer.write(&text("e1", 1, "a"));
        let request = peer.expect("phase");
        peer.answer(&request, json!({"phase": "active"}));
        peer.drained();
    });
    let live = Client::open(options).await.unwrap();
    let mut events = live.events(Default::default()).await.unwrap();
    let done = live.begin("done", json!({}));
    live.phase().await.unwrap();
    live.close();
    assert_eq!(done.wait::<Ended>().await.unwrap_err().name, ErrorName::DaemonUnreachable);
    assert_eq!(texts(&mut events, 1).await, "a");
    assert!(timeout(SOON, events.next()).await.unwrap().is_none());
    assert_eq!(live.phase().await.unwrap_err().name, ErrorName::DaemonUnreachable);
    joined(script).await;
}

#[tokio::test]
async fn a_consumer_that_does_not_read_lets_the_socket_fill() {
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
    let live = Client::open(options).await.unwrap();
    let mut events = live.events(Default::default()).await.unwrap();
    drop(live.begin("done", json!({}))); // nobody waits for its answer
    let (count, full) = told(full).await;
    assert!(count > 1024 && count < 10_000, "{count}");
    all(&mut events, 1..=count).await;
    read.send(()).unwrap();
    let (more, _) = told(full).await;
    live.phase().await.unwrap(); // a call goes through all the same
    all(&mut events, count + 1..=count + more).await;
    drop((live, events));
    joined(script).await;
}

#[tokio::test]
async fn a_daemon_that_is_not_there_or_says_no_is_an_error() {
    let nowhere = Options { socket: Some("/nowhere/at/all".into()), ..Options::default() };
    let error = Client::open(nowhere).await.map(drop).unwrap_err();
    assert_eq!(error.name, ErrorName::DaemonUnreachable);
    let (options, script) = play(|server| {
        let error = json!({"code": 1901, "message": "No.", "data": {"name": "daemon.forbidden"}});
        server.accept().write(&line(json!({"jsonrpc": "2.0", "id": null, "error": error})));
    });
    let error = Client::open(options).await.map(drop).unwrap_err();
    assert_eq!(error.name, ErrorName::DaemonForbidden);
    joined(script).await;
}

#[test]
fn a_client_whose_runtime_has_ended_fails_what_is_called() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (options, script) = play(|server| server.greet().drained());
    let first = runtime();
    let live = first.block_on(Client::open(options)).unwrap();
    drop(first);
    let error = runtime().block_on(async { timeout(SOON, live.phase()).await }).unwrap();
    assert_eq!(error.unwrap_err().name, ErrorName::DaemonUnreachable);
    script.join().unwrap();
}

#[test]
fn everything_may_go_to_another_thread() {
    fn check(_: impl Send) {}
    fn futures(live: &Client, events: &mut Events) {
        check(live.phase());
        check(live.events(Default::default()));
        check(live.done(Default::default()));
        check(events.next());
        check(Client::open(Options::default()));
    }
    let _ = futures;
}
