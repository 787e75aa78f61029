//! What `livectl certify` asks of a client, with this library over tokio: see client/README.md.

use livehandle::api::{DoneOptions, Ended, EventsOptions, ToolCall};
use livehandle::tokio::{Client, Tool};
use livehandle::{Data, Error, Options};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = Some("certify rust over tokio".to_string());
    let live = Client::open(Options { client, ..Options::default() }).await?;
    live.daemon_ping().await?;
    if let Err(error) = live.state_get("app:missing").await {
        live.state_set("app:error", json!(error.name)).await?;
    }

    let done = live.begin("done", DoneOptions { timeout_ms: Some(60_000) });
    let phase = live.phase().await?.phase;
    live.state_set("app:phase", json!(phase)).await?;
    let other = live.clone();
    let lost = tokio::spawn(async move {
        match done.wait::<Ended>().await {
            Err(error) => other.state_set("app:lost", json!(error.name)).await,
            Ok(_) => Ok(()),
        }
    });

    let numbers = json!({
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    });
    let add = |call: ToolCall| async move {
        let number = |name| call.args.get(name).and_then(|value| value.as_i64()).unwrap_or(0);
        if number("a") > 1000 {
            return Err("too large".into());
        }
        Ok(json!({"sum": number("a") + number("b")}))
    };
    live.register(vec![Tool::new("add", "Adds two integers.", numbers, add)]).await?;

    let topics = Some(["live.text_delta", "live.turn_complete"].map(String::from).to_vec());
    let mut events = live.events(EventsOptions { topics, ..Default::default() }).await?;
    let mut gathered = String::new();
    while let Some(event) = events.next().await {
        match event.data {
            Data::LiveTextDelta(delta) => gathered += &delta.text,
            Data::LiveTurnComplete(_) => {
                live.send_text(&gathered).await?;
                if gathered.contains("That is all.") {
                    break;
                }
                gathered.clear();
            }
            Data::ClientReset(_) => {
                gathered.clear();
                live.state_set("app:reset", json!(true)).await?;
            }
            Data::EventsLagged(lagged) => {
                live.state_set("app:lagged", json!(lagged.missed)).await?
            }
            _ => {}
        }
    }
    live.disconnect().await?;
    live.close();
    lost.await.expect("the task did not panic")
}
