//! Has the model call a function, and prints what it says of the answer; over tokio.

use std::io::{stdout, Write};

use livehandle::tokio::{Client, Tool};
use livehandle::{Data, Error, Options};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let live = Client::open(Options::default()).await?;
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let weather = |call: livehandle::api::ToolCall| async move {
        println!("tool: get_weather {}", call.args["city"].as_str().ok_or("no city")?);
        Ok(json!({"temperature": 7}))
    };
    live.register(vec![Tool::new("get_weather", "The weather in a city.", parameters, weather)])
        .await?;

    let mut events = live.events(Default::default()).await?;
    live.send_text(r#"call get_weather {"city": "Oslo"}"#).await?;
    while let Some(event) = events.next().await {
        match event.data {
            Data::LiveOutputTranscript(words) => print!("{}", words.text),
            Data::LiveTurnComplete(turn) if !turn.model.is_empty() => break,
            _ => continue,
        }
        stdout().flush().unwrap_or_default(); // print! waits for the end of the line
    }
    println!();
    Ok(())
}
