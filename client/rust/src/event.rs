//! Events, as they come on the wire.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::Data;

/// One event of a subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The daemon's name for the subscription; None for what concerns the connection itself.
    pub subscription: Option<String>,
    /// Its number in the daemon; 0 for the client's own events.
    pub seq: i64,
    /// Give it as `since` to go on after this event.
    pub cursor: String,
    /// When it happened, in milliseconds since 1970; 0 for the client's own events.
    pub ts_ms: i64,
    /// What it says, by topic.
    pub data: Data,
}

impl Event {
    /// Reads the `params` of a notification.
    pub(crate) fn read(mut params: Value) -> Self {
        let data = params["data"].take();
        Event {
            subscription: params["subscription"].as_str().map(str::to_string),
            seq: params["seq"].as_i64().unwrap_or_default(),
            cursor: params["cursor"].as_str().unwrap_or_default().to_string(),
            ts_ms: params["ts_ms"].as_i64().unwrap_or_default(),
            data: Data::read(params["topic"].as_str().unwrap_or_default(), data),
        }
    }

    /// An event of the client's own.
    pub(crate) fn own(subscription: Option<String>, cursor: String, data: Data) -> Self {
        Event { subscription, seq: 0, cursor, ts_ms: 0, data }
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        self.data.topic()
    }
}

impl Data {
    pub(crate) fn other(topic: &str, data: Value) -> Data {
        Data::Other { topic: topic.to_string(), data }
    }
}

/// Reads data of a known topic; what is of another shape, as a newer daemon may have it, is kept.
pub(crate) fn read<T: DeserializeOwned>(topic: &str, data: Value, make: fn(T) -> Data) -> Data {
    match T::deserialize(&data) {
        Ok(read) => make(read),
        Err(_) => Data::other(topic, data),
    }
}
