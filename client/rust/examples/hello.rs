//! Has the model call a function, and prints what it says of the answer.

use std::io::{stdout, Write};

use livehandle::{Client, Data, Options, Tool};
use serde_json::json;

fn main() {
    let call = r#"call get_weather {"city": "Oslo"}"#;
    let text = std::env::args().nth(1).unwrap_or_else(|| call.to_string());
    if let Err(error) = converse(&text) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn converse(text: &str) -> Result<(), livehandle::Error> {
    let live = Client::open(Options::default())?;

    let parameters = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    });
    live.register(vec![Tool::new("get_weather", "The weather in a city.", parameters, |call| {
        println!("tool: get_weather {}", call.args["city"].as_str().ok_or("no city")?);
        Ok(json!({"temperature": 7}))
    })])?;

    let events = live.events(Default::default())?;
    live.send_text(text)?;
    for event in events {
        match event.data {
            Data::LiveOutputTranscript(words) => print!("{}", words.text),
            // A turn without words is the one that calls the function.
            Data::LiveTurnComplete(turn) if !turn.model.is_empty() => break,
            Data::LiveError(error) => eprintln!("{}", error.message),
            _ => continue,
        }
        stdout().flush().unwrap_or_default(); // print! waits for the end of the line
    }
    println!();
    Ok(())
}
