//! What `livectl certify` asks of a client, with this library: see client/README.md.

use std::thread;

use livehandle::api::{DoneOptions, Ended, EventsOptions};
use livehandle::{Client, Data, Error, Options, Tool};
use serde_json::json;

fn main() -> Result<(), Error> {
    let client = Some("certify rust".to_string());
    let live = Client::open(Options { client, ..Options::default() })?;
    live.daemon_ping()?;
    if let Err(error) = live.state_get("app:missing") {
        live.state_set("app:error", json!(error.name))?;
    }

    let done = live.begin("done", DoneOptions { timeout_ms: Some(60_000) });
    let phase = live.phase()?.phase;
    live.state_set("app:phase", json!(phase))?;
    let other = live.clone();
    let lost = thread::spawn(move || match done.wait::<Ended>() {
        Err(error) => other.state_set("app:lost", json!(error.name)),
        Ok(_) => Ok(()),
    });

    let numbers = json!({
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    });
    live.register(vec![Tool::new("add", "Adds two integers.", numbers, |call| {
        let number = |name| call.args.get(name).and_then(|value| value.as_i64()).unwrap_or(0);
        if number("a") > 1000 {
            return Err("too large".into());
        }
        Ok(json!({"sum": number("a") + number("b")}))
    })])?;

    let topics = ["live.text_delta", "live.turn_complete"].map(String::from).to_vec();
    let mut gathered = String::new();
    for event in live.events(EventsOptions { topics: Some(topics), ..Default::default() })? {
        match event.data {
            Data::LiveTextDelta(delta) => gathered += &delta.text,
            Data::LiveTurnComplete(_) => {
                live.send_text(&gathered)?;
                if gathered.contains("That is all.") {
                    break;
                }
                gathered.clear();
            }
            Data::ClientReset(_) => {
                gathered.clear();
                live.state_set("app:reset", json!(true))?;
            }
            Data::EventsLagged(lagged) => live.state_set("app:lagged", json!(lagged.missed))?,
            _ => {}
        }
    }
    live.disconnect()?;
    live.close();
    lost.join().expect("the thread did not panic")
}
