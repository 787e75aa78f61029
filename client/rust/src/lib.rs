//! Talk to a Gemini Live session through the local daemon, `livehandled`.
//!
//! ```no_run
//! use livehandle::{Client, Data, Options};
//!
//! let live = Client::open(Options::default())?;
//! let events = live.events(Default::default())?;
//! live.send_text("Say hello.")?;
//! for event in events {
//!     match event.data {
//!         Data::LiveOutputTranscript(words) => print!("{}", words.text),
//!         Data::LiveTurnComplete(_) => break,
//!         _ => {}
//!     }
//! }
//! # Ok::<(), livehandle::Error>(())
//! ```
//!
//! [`Client`] blocks and is for threads; with the feature `tokio`, `livehandle::tokio::Client` is
//! the same for tasks. Both connect again by themselves and go on where they were; see the README.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[macro_use]
mod texts;

#[allow(missing_docs)] // the description has a word only where the name does not say it
pub mod api;
mod base64;
mod client;
mod error;
mod event;
mod link;
mod monitor;
mod place;
#[cfg(feature = "tokio")]
pub mod tokio;
mod tool;

pub use api::{Data, ErrorName};
pub use client::{Client, Events, Pending};
pub use error::{Error, Failure};
pub use event::Event;
pub use place::Options;
pub use tool::{Call, Tool};
