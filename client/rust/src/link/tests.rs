use std::sync::mpsc::{channel, Receiver};

use super::*;
use crate::api::ErrorName;

type Answers = Receiver<Result<Value, Error>>;

fn reply() -> (Reply, Answers) {
    let (sender, answers) = channel();
    (Box::new(move |answer| drop(sender.send(answer))), answers)
}

/// What the link has to say since it was last asked.
fn said(link: &mut Link<u8>) -> Vec<Value> {
    let lines = Vec::from(take(&mut link.outbox));
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn hear(link: &mut Link<u8>, message: Value) -> Result<(), Error> {
    link.receive(format!("{message}\n").as_bytes())
}

fn answer(link: &mut Link<u8>, request: &Value, result: Value) {
    hear(link, json!({"jsonrpc": "2.0", "id": request["id"], "result": result})).unwrap();
}

fn refuse(link: &mut Link<u8>, request: &Value, name: &str) -> Result<(), Error> {
    let error = json!({"code": 1, "message": "No.", "data": {"name": name}});
    hear(link, json!({"jsonrpc": "2.0", "id": request["id"], "error": error}))
}

fn event(seq: u64, topic: &str, data: Value) -> Value {
    let params = json!({
        "subscription": "e1", "seq": seq, "cursor": format!("i:{seq}"), "ts_ms": 1, "topic": topic,
        "data": data,
    });
    json!({"jsonrpc": "2.0", "method": "event", "params": params})
}

fn tool_call(call_id: &str, registration: &str) -> Value {
    let data = json!({
        "call_id": call_id, "registration": registration, "name": "add", "args": {},
        "deadline_ms": 1,
    });
    json!({"jsonrpc": "2.0", "method": "event", "params": {"topic": "tool.call", "data": data}})
}

/// A link whose first connection has said hello.
fn connected() -> Link<u8> {
    let mut link = Link::new("test".to_string(), "/run/s".into());
    link.connected();
    let hello = said(&mut link).remove(0);
    answer(&mut link, &hello, json!({"limits": {"max_line_bytes": 1000}}));
    assert_eq!(link.opened, Some(Ok(())));
    link
}

fn subscribed(link: &mut Link<u8>, options: Value) -> u64 {
    let (done, answers) = reply();
    let key = link.subscribe("events", options, done);
    let request = said(link).remove(0);
    answer(link, &request, json!({"subscription": "e1", "cursor": "i:0"}));
    assert!(answers.try_recv().unwrap().is_ok());
    key
}

fn registered(link: &mut Link<u8>) {
    let (done, answers) = reply();
    link.register(vec![(json!({"name": "add"}), 7)], done);
    let request = said(link).remove(0);
    answer(link, &request, json!({"registration": "r1", "declared": "now"}));
    assert!(answers.try_recv().unwrap().is_ok());
}

fn gone() -> Error {
    Error::unreachable("gone".to_string())
}

fn topics(link: &mut Link<u8>, key: u64) -> Vec<String> {
    let events = std::iter::from_fn(|| link.next(key));
    events.map(|event| event.topic().to_string()).collect()
}

#[test]
fn attempts_come_at_once_and_then_ever_later() {
    let waits: Vec<u128> = (1..10).map(|attempt| backoff(attempt).as_millis()).collect();
    assert_eq!(waits, [0, 50, 100, 200, 400, 800, 1600, 2000, 2000]);
    assert_eq!(backoff(u32::MAX).as_millis(), 2000);
}

#[test]
fn failed_attempts_wait_longer_until_one_is_through() {
    let mut link = connected();
    assert_eq!(link.lost(gone()), Duration::ZERO);
    assert_eq!(link.lost(gone()), Duration::from_millis(50));
    link.connected();
    assert_eq!(link.lost(gone()), Duration::from_millis(100), "hello was not answered");
    link.connected();
    let hello = said(&mut link).remove(0);
    answer(&mut link, &hello, json!({}));
    assert_eq!(link.lost(gone()), Duration::ZERO);
}

#[test]
fn lines_are_put_together_of_any_pieces() {
    let mut link = connected();
    let (first, answers) = reply();
    link.call("phase", Ok(json!({})), first);
    let id = said(&mut link)[0]["id"].clone();
    let line = json!({"jsonrpc": "2.0", "result": "ü\u{2028}\n", "id": id, "new": 1});
    for byte in format!("{line}\n").as_bytes() {
        assert!(answers.try_recv().is_err());
        link.receive(&[*byte]).unwrap();
    }
    assert_eq!(answers.try_recv().unwrap().unwrap(), "ü\u{2028}\n");
}

#[test]
fn what_is_no_message_ends_the_connection() {
    for line in ["nonsense\n", "[]\n", "\n", "{\"a\":\n"] {
        let error = connected().receive(line.as_bytes()).unwrap_err();
        assert_eq!(error.name, ErrorName::DaemonUnreachable, "{line}");
    }
    let endless = vec![b' '; LINE_BYTES + 1];
    assert!(connected().receive(&endless).is_err());
}

#[test]
fn who_repeats_what_it_hears_is_no_daemon() {
    let mut link = Link::<u8>::new("test".to_string(), "/run/s".into());
    link.connected();
    let hello = said(&mut link).remove(0);
    let error = hear(&mut link, hello).unwrap_err();
    assert!(error.message.contains("is not livehandled"), "{error}");
}

#[test]
fn notifications_of_a_newer_daemon_are_passed_over() {
    let mut link = connected();
    let error = json!({"code": 1, "message": "No.", "data": {"name": "wire.too_long"}});
    hear(&mut link, json!({"jsonrpc": "2.0", "id": null, "error": error})).unwrap();
    hear(&mut link, json!({"jsonrpc": "2.0", "method": "tomorrow", "params": {}})).unwrap();
    assert_eq!(link.last_word.unwrap().name, ErrorName::WireTooLong);
}

#[test]
fn a_line_that_the_daemon_would_not_read_is_refused_here() {
    let mut link = connected();
    let (done, answers) = reply();
    link.call("send_text", Ok(json!({"text": "x".repeat(1000)})), done);
    assert_eq!(answers.try_recv().unwrap().unwrap_err().name, ErrorName::WireTooLong);
    assert_eq!(said(&mut link), Vec::<Value>::new());
}

#[test]
fn calls_are_refused_while_too_much_is_unwritten() {
    let mut link = connected();
    link.outbox.resize(MOST_UNWRITTEN + 1, b' ');
    let (first, answers) = reply();
    link.call("phase", Ok(json!({})), first);
    let error = answers.try_recv().unwrap().unwrap_err();
    assert_eq!((&error.name, error.retryable()), (&ErrorName::WireTooManyPending, true));
    link.outbox.clear();
    let (second, answers) = reply();
    link.call("phase", Ok(json!({})), second);
    assert!(answers.try_recv().is_err(), "it is on its way");
}

#[test]
fn parameters_that_cannot_be_written_are_the_callers_error() {
    let mut link = connected();
    let (done, answers) = reply();
    let keyed_by_pairs = BTreeMap::from([((1, 2), 3)]);
    link.call("state.set", crate::error::given(keyed_by_pairs), done);
    assert_eq!(answers.try_recv().unwrap().unwrap_err().name, ErrorName::WireInvalidParams);
    assert_eq!(said(&mut link), Vec::<Value>::new());
}

#[test]
fn a_tool_result_that_is_too_long_becomes_an_error() {
    let mut link = connected();
    registered(&mut link);
    hear(&mut link, tool_call("c1", "r1")).unwrap();
    link.respond("c1", Ok("x".repeat(1000).into()));
    let params = said(&mut link).remove(0)["params"].clone();
    assert!(params["error"].as_str().unwrap().contains("is 1"), "{params}");
    assert_eq!(params.get("result"), None);
}

#[test]
fn a_forgotten_call_has_no_answer() {
    let mut link = connected();
    let (done, answers) = reply();
    let id = link.call("done", Ok(json!({})), done);
    link.forget(id);
    let request = said(&mut link).remove(0);
    answer(&mut link, &request, json!({}));
    assert!(answers.try_recv().is_err());
}

#[test]
fn calls_in_flight_fail_with_the_daemons_last_word() {
    let mut link = connected();
    let (done, answers) = reply();
    link.call("done", Ok(json!({})), done);
    let error = json!({"code": 1910, "message": "Too long.", "data": {"name": "wire.too_long"}});
    hear(&mut link, json!({"jsonrpc": "2.0", "id": null, "error": error})).unwrap();
    link.lost(gone());
    assert_eq!(answers.try_recv().unwrap().unwrap_err().name, ErrorName::WireTooLong);
    assert_eq!(said(&mut link), Vec::<Value>::new(), "it is not sent again");
}

#[test]
fn a_call_made_in_between_goes_after_the_handshake_or_fails_with_the_attempt() {
    let mut link = connected();
    let key = subscribed(&mut link, json!({"topics": ["live.*"], "snapshot": true}));
    registered(&mut link);
    link.lost(gone());
    let (first, answers) = reply();
    link.call("phase", Ok(json!({})), first);
    link.lost(gone());
    assert_eq!(answers.try_recv().unwrap().unwrap_err().name, ErrorName::DaemonUnreachable);
    let (second, answers) = reply();
    link.call("phase", Ok(json!({})), second);
    link.connected();
    let requests = said(&mut link);
    let methods: Vec<_> = requests.iter().map(|request| &request["method"]).collect();
    assert_eq!(methods, ["daemon.hello", "tools.register"]);
    assert_eq!(requests[1]["params"], json!({"registration": "r1"}));
    refuse(&mut link, &requests[1], "tools.unknown_registration").unwrap();
    answer(&mut link, &requests[0], json!({}));
    let requests = said(&mut link);
    assert_eq!(requests.len(), 1, "who hears of the connection may rely on the tools");
    answer(&mut link, &requests[0], json!({"registration": "r2"}));
    let requests = said(&mut link);
    assert_eq!(requests.len(), 1, "the subscription goes before the call");
    assert_eq!(requests[0]["params"], json!({"topics": ["live.*"], "since": "i:0"}));
    answer(&mut link, &requests[0], json!({"subscription": "e1", "cursor": "i:0"}));
    let request = said(&mut link).remove(0);
    assert_eq!(request["method"], "phase");
    answer(&mut link, &request, json!({"phase": "active"}));
    assert!(answers.try_recv().unwrap().is_ok());
    let told = ["client.disconnected", "client.connected"];
    assert_eq!(topics(&mut link, key), told, "once, not with each attempt");
}

#[test]
fn a_subscription_goes_on_after_what_was_queued() {
    let mut link = connected();
    let key = subscribed(&mut link, json!({}));
    hear(&mut link, event(4, "live.text_delta", json!({"text": "a"}))).unwrap();
    link.receive(b"{\"jsonrpc\": \"2.0\", \"method\"").unwrap();
    link.lost(gone());
    link.connected();
    let hello = said(&mut link).remove(0);
    answer(&mut link, &hello, json!({}));
    let request = said(&mut link).remove(0);
    assert_eq!(request["params"], json!({"since": "i:4"}));
    answer(&mut link, &request, json!({"subscription": "e1", "cursor": "i:4"}));
    hear(&mut link, event(5, "live.text_delta", json!({"text": "b"}))).unwrap();
    let told = topics(&mut link, key);
    let expected =
        ["live.text_delta", "client.disconnected", "client.connected", "live.text_delta"];
    assert_eq!(told, expected);
}

#[test]
fn a_handshake_that_is_refused_ends_the_connection() {
    let mut link = connected();
    subscribed(&mut link, json!({}));
    link.lost(gone());
    link.connected();
    let hello = said(&mut link).remove(0);
    answer(&mut link, &hello, json!({}));
    let request = said(&mut link).remove(0);
    let error = refuse(&mut link, &request, "events.bad_cursor").unwrap_err();
    assert_eq!(error.name, ErrorName::EventsBadCursor);
    assert_ne!(link.lost(error), Duration::ZERO, "a daemon that refuses is not asked in a loop");
}

#[test]
fn a_first_subscription_that_is_refused_is_the_callers() {
    let mut link = connected();
    let (done, answers) = reply();
    let key = link.subscribe("events", json!({}), done);
    let request = said(&mut link).remove(0);
    refuse(&mut link, &request, "events.unknown_topic").unwrap();
    assert_eq!(answers.try_recv().unwrap().unwrap_err().name, ErrorName::EventsUnknownTopic);
    link.lost(gone());
    link.connected();
    assert_eq!(said(&mut link).len(), 1, "it is not made again");
    assert_eq!(link.next(key), None);
}

#[test]
fn a_subscription_made_in_between_begins_with_the_connection() {
    let mut link = connected();
    link.lost(gone());
    let (done, answers) = reply();
    let key = link.subscribe("events", json!({"snapshot": true}), done);
    link.connected();
    let requests = said(&mut link);
    assert_eq!(requests.len(), 1, "there is nothing to go on with");
    answer(&mut link, &requests[0], json!({}));
    let request = said(&mut link).remove(0);
    assert_eq!(request["params"], json!({"snapshot": true}));
    answer(&mut link, &request, json!({"subscription": "e1", "cursor": "i:0"}));
    assert!(answers.try_recv().unwrap().is_ok());
    assert_eq!(topics(&mut link, key), Vec::<String>::new(), "it has lost nothing");
}

#[test]
fn a_subscription_dropped_before_it_began_is_ended() {
    let mut link = connected();
    let (done, _answers) = reply();
    let key = link.subscribe("events", json!({}), done);
    let request = said(&mut link).remove(0);
    link.unsubscribe(key);
    assert_eq!(said(&mut link), Vec::<Value>::new());
    answer(&mut link, &request, json!({"subscription": "e9", "cursor": "i:0"}));
    assert_eq!(said(&mut link)[0]["params"], json!({"subscription": "e9"}));
}

#[test]
fn who_lags_is_told_and_goes_on_where_it_was() {
    let mut link = connected();
    let key = subscribed(&mut link, json!({}));
    hear(&mut link, event(4, "live.text_delta", json!({"text": "a"}))).unwrap();
    hear(&mut link, event(4, "events.lagged", json!({"last_seq": 4, "missed": 9}))).unwrap();
    assert_eq!(topics(&mut link, key), ["live.text_delta", "events.lagged"]);
    let request = said(&mut link).remove(0);
    assert_eq!(request["params"], json!({"since": "i:4"}));
    let result =
        json!({"subscription": "e2", "cursor": "i:9", "reset": true, "snapshot": {"x": 1}});
    answer(&mut link, &request, result);
    let reset = link.next(key).unwrap();
    // A snapshot of another shape than this version knows.
    assert_eq!(reset.data, Data::other("client.reset", json!({"x": 1})));
    assert_eq!((reset.cursor.as_str(), reset.subscription.as_deref()), ("i:9", Some("e2")));
}

#[test]
fn who_reads_nothing_has_the_socket_unread_but_for_calls() {
    let mut link = connected();
    let key = subscribed(&mut link, json!({}));
    for seq in 0..MOST_UNREAD as u64 {
        assert_eq!(link.wants_input(), Some(true));
        hear(&mut link, event(seq, "live.vad_start", json!({}))).unwrap();
    }
    assert_eq!(link.wants_input(), None);
    let (done, _answers) = reply();
    let id = link.call("phase", Ok(json!({})), done);
    assert_eq!(link.wants_input(), Some(true));
    link.forget(id);
    assert_eq!(link.wants_input(), None);
    link.next(key);
    assert_eq!(link.wants_input(), Some(true));
}

#[test]
fn who_is_far_behind_is_given_up_and_taken_up_again() {
    let mut link = connected();
    let key = subscribed(&mut link, json!({}));
    for seq in 1..=MOST_BEHIND as u64 + 5 {
        hear(&mut link, event(seq, "live.vad_start", json!({}))).unwrap();
    }
    let left = said(&mut link);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["params"], json!({"subscription": "e1"}));
    let given = |link: &mut Link<u8>, count| (0..count).all(|_| link.next(key).is_some());
    assert!(given(&mut link, MOST_BEHIND - MOST_UNREAD));
    assert_eq!(said(&mut link), Vec::<Value>::new());
    assert!(given(&mut link, 1));
    let request = said(&mut link).remove(0);
    assert_eq!(request["params"], json!({ "since": format!("i:{MOST_BEHIND}") }));
    assert!(given(&mut link, MOST_UNREAD - 1));
    assert_eq!(link.next(key), None);
}

#[test]
fn a_registration_the_daemon_does_not_know_is_made_anew() {
    let mut link = connected();
    registered(&mut link);
    link.lost(gone());
    link.connected();
    let requests = said(&mut link);
    refuse(&mut link, &requests[1], "tools.unknown_registration").unwrap();
    let request = said(&mut link).remove(0);
    assert_eq!(request["params"], json!({"declarations": [{"name": "add"}]}));
    answer(&mut link, &request, json!({"registration": "r2"}));
    hear(&mut link, tool_call("c1", "r1")).unwrap();
    assert!(link.orders().is_empty(), "it is no registration of ours any more");
    hear(&mut link, tool_call("c2", "r2")).unwrap();
    assert_eq!(link.orders()[0].1, 7);
}

#[test]
fn a_call_of_the_model_is_carried_out_once_and_its_answer_is_not_lost() {
    let mut link = connected();
    registered(&mut link);
    hear(&mut link, tool_call("c1", "r1")).unwrap();
    assert_eq!(link.orders().len(), 1);
    link.lost(gone());
    link.respond("c1", Ok(json!({"sum": 3})));
    link.lost(gone());
    link.connected();
    hear(&mut link, tool_call("c1", "r1")).unwrap();
    assert!(link.orders().is_empty());
    let requests = said(&mut link);
    assert_eq!(requests[2]["params"], json!({"call_id": "c1", "result": {"sum": 3}}));
    answer(&mut link, &requests[2], Value::Null);
    link.lost(gone());
    link.connected();
    assert_eq!(said(&mut link).len(), 2, "the daemon has it");
}

#[test]
fn nobody_is_answered_who_does_not_want_it() {
    let mut link = connected();
    registered(&mut link);
    hear(&mut link, tool_call("c1", "r1")).unwrap();
    assert!(link.wants_answer("c1"));
    let cancel = json!({"call_id": "c1", "reason": "cancelled"});
    let params = json!({"topic": "tool.cancel", "data": cancel});
    hear(&mut link, json!({"jsonrpc": "2.0", "method": "event", "params": params})).unwrap();
    assert!(!link.wants_answer("c1"));
    link.respond("c1", Ok(json!(1)));
    assert_eq!(said(&mut link), Vec::<Value>::new());
}

#[test]
fn a_result_the_daemon_refuses_becomes_an_error_unless_it_was_late() {
    for (name, told) in [("tools.call_expired", 0), ("tools.unknown_call", 0), ("wire.x", 1)] {
        let mut link = connected();
        registered(&mut link);
        hear(&mut link, tool_call("c1", "r1")).unwrap();
        link.respond("c1", Ok(json!(1)));
        let request = said(&mut link).remove(0);
        refuse(&mut link, &request, name).unwrap();
        let again = said(&mut link);
        assert_eq!(again.len(), told, "{name}");
        for request in again {
            assert_eq!(request["params"], json!({"call_id": "c1", "error": "No."}));
            refuse(&mut link, &request, name).unwrap();
        }
        assert!(!link.wants_answer("c1"));
    }
}

#[test]
fn an_ended_registration_is_not_presented_again() {
    let mut link = connected();
    registered(&mut link);
    let (done, _answers) = reply();
    link.call("tools.unregister", Ok(json!({"registration": "r1"})), done);
    link.lost(gone());
    link.connected();
    assert_eq!(said(&mut link).len(), 1);
}

#[test]
fn events_of_the_connection_go_to_every_subscription() {
    let mut link = connected();
    let keys = [subscribed(&mut link, json!({})), subscribed(&mut link, json!({}))];
    let params = json!({"topic": "daemon.bye", "data": {}});
    let bye = json!({"jsonrpc": "2.0", "method": "event", "params": params});
    assert_eq!(hear(&mut link, bye).unwrap_err().name, ErrorName::DaemonUnreachable);
    for key in keys {
        assert_eq!(topics(&mut link, key), ["daemon.bye"]);
    }
}

#[test]
fn a_closed_client_fails_what_waits_and_what_comes() {
    let mut link = connected();
    let (before, answers) = reply();
    link.call("done", Ok(json!({})), before);
    link.close();
    assert_eq!(answers.try_recv().unwrap().unwrap_err().name, ErrorName::DaemonUnreachable);
    let (after, answers) = reply();
    link.call("done", Ok(json!({})), after);
    assert_eq!(answers.try_recv().unwrap().unwrap_err().name, ErrorName::DaemonUnreachable);
    assert_eq!(link.wants_input(), Some(false));
    assert_eq!(said(&mut link), Vec::<Value>::new());
}
