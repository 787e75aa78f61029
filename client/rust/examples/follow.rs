//! Carries out a function and tells what happens, also over restarts of the daemon, until it is
//! interrupted.

use livehandle::api::EventsOptions;
use livehandle::{Client, Data, Options, Tool};
use serde_json::json;

fn main() -> Result<(), livehandle::Error> {
    let live = Client::open(Options::default())?;
    let nothing = json!({"type": "object", "properties": {}});
    let tool = Tool::new("get_rain", "Whether it rains.", nothing, |_| Ok(json!("It rains.")));
    live.register(vec![tool])?;
    let topics = Some(vec!["live.*".to_string()]);
    let events = live.events(EventsOptions { topics, ..Default::default() })?;
    println!("following");
    for event in events {
        match event.data {
            Data::ClientDisconnected(error) => println!("lost: {}", error.name),
            Data::ClientConnected(_) => println!("connected again"),
            Data::ClientReset(snapshot) => println!("anew from: {}", snapshot.phase),
            Data::EventsLagged(lagged) => println!("late by: {}", lagged.missed),
            Data::LiveToolExecution(call) => println!("answered: {}", call.name),
            Data::LiveTurnComplete(turn) => println!("turn: {}", turn.model),
            Data::LiveError(error) => println!("error: {}", error.message),
            _ => {}
        }
    }
    Ok(())
}
