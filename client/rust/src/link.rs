//! What a client does, without a socket, a clock or a thread: ids, answers, subscriptions by
//! cursor, backoff. Both transports carry bytes to and from it and wait for its changes.

use std::collections::{BTreeMap, VecDeque};
use std::mem::take;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{json, Map, Value};

use crate::api::Data;
use crate::error::Error;
use crate::event::Event;
use toolbox::Toolbox;

mod toolbox;

/// How long a connection may take to be ready.
pub(crate) const OPEN: Duration = Duration::from_secs(10);
/// The longest line that the daemon may send, and that it reads unless it says otherwise.
const LINE_BYTES: usize = 16 << 20;
/// With so much unwritten, no further call is taken.
const MOST_UNWRITTEN: usize = 4 * LINE_BYTES;
/// With so many events unread, the socket is read only while a call waits for its answer.
const MOST_UNREAD: usize = 1024;
/// With so many, the subscription is given up until they are read, and then resumed.
const MOST_BEHIND: usize = 16 * MOST_UNREAD;

pub(crate) type Answer = Result<Value, Error>;
/// Takes the answer to a call, at once and without waiting.
pub(crate) type Reply = Box<dyn FnOnce(Answer) + Send>;
/// Takes the answer to a request. The error that it returns ends the connection.
type Then<H> = Box<dyn FnOnce(&mut Link<H>, Answer) -> Result<(), Error> + Send>;

/// What becomes of a request when the connection is lost.
#[derive(Clone, Copy, PartialEq)]
enum AtLoss {
    /// It fails: somebody waits for it.
    Fail,
    /// Nothing: it is part of having the connection, and the next one asks anew.
    Forget,
}

#[derive(Default)]
struct Subscription {
    method: &'static str,
    topics: Value,
    /// The daemon's name for it; None while it has none.
    id: Option<String>,
    /// Of the last event that was queued; empty until it has begun.
    cursor: String,
    queue: VecDeque<Event>,
    /// Whether it was told that the connection is lost.
    away: bool,
    /// Whether it was given up because its consumer is far behind.
    paused: bool,
}

pub(crate) struct Link<H> {
    name: String,
    socket: PathBuf,
    last_id: u64,
    waiting: BTreeMap<u64, (AtLoss, Then<H>)>,
    subscriptions: BTreeMap<u64, Subscription>,
    tools: Toolbox<H>,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// An error that concerns the connection as a whole: why it is about to end.
    last_word: Option<Error>,
    longest: usize,
    attempt: u32,
    connected: bool,
    /// Calls for when the connection is ready: what they bring about needs tools and subscriptions.
    held: VecDeque<u8>,
    /// What is to be written: whole lines, but for what was written of the first.
    pub(crate) outbox: VecDeque<u8>,
    /// How the first connection began, once that is known.
    pub(crate) opened: Option<Result<(), Error>>,
    /// Whether the daemon has answered all that a connection begins with.
    pub(crate) ready: bool,
    /// The number of the connection.
    pub(crate) round: u64,
    pub(crate) closed: bool,
}

impl<H: Clone + Send + 'static> Link<H> {
    pub(crate) fn new(name: String, socket: PathBuf) -> Self {
        Link {
            name,
            socket,
            last_id: 0,
            waiting: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            tools: Toolbox::default(),
            partial: Vec::new(),
            last_word: None,
            longest: LINE_BYTES,
            attempt: 1,
            connected: false,
            held: VecDeque::new(),
            outbox: VecDeque::new(),
            opened: None,
            ready: false,
            round: 0,
            closed: false,
        }
    }

    /// Begins a connection; returns its number. Hello and the registrations go first, then the
    /// subscriptions, then calls: who hears of the connection may rely on the tools.
    pub(crate) fn connected(&mut self) -> u64 {
        self.connected = true;
        let hello = json!({"client": self.name, "max_line_bytes": LINE_BYTES});
        self.request("daemon.hello", hello, AtLoss::Forget, |link, answer| {
            let limit = answer?["limits"]["max_line_bytes"].as_u64();
            link.longest = limit.map_or(LINE_BYTES, |bytes| bytes as usize);
            Ok(())
        });
        self.present_tools();
        self.round
    }

    /// Ends a connection, or an attempt at one: what waits fails. Returns how long to wait before
    /// the next attempt.
    pub(crate) fn lost(&mut self, error: Error) -> Duration {
        let error = self.last_word.take().unwrap_or(error);
        self.opened.get_or_insert(Err(error.clone()));
        self.round += 1;
        self.partial.clear();
        self.outbox.clear();
        self.held.clear();
        if take(&mut self.ready) {
            self.attempt = 0;
        }
        if take(&mut self.connected) {
            for subscription in self.subscriptions.values_mut().filter(|s| !s.cursor.is_empty()) {
                subscription.id = None;
                subscription.away = true;
                if !self.closed {
                    subscription.own(Data::ClientDisconnected(error.clone()));
                }
            }
        }
        for (at_loss, then) in take(&mut self.waiting).into_values() {
            if at_loss == AtLoss::Fail {
                drop(then(self, Err(error.clone()))); // the connection has ended already
            }
        }
        self.attempt = self.attempt.saturating_add(1);
        backoff(self.attempt)
    }

    /// Ends everything. What was received is still given.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.lost(Error::closed());
    }

    /// True when it is time to read the socket, false when the client is closed.
    pub(crate) fn wants_input(&mut self) -> Option<bool> {
        let unread = self.subscriptions.values().map(|s| s.queue.len()).max().unwrap_or(0);
        let ready = unread < MOST_UNREAD || !self.waiting.is_empty();
        (ready || self.closed).then_some(!self.closed)
    }

    /// Takes bytes in. An error ends the connection.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if self.partial.len() > LINE_BYTES {
                return Err(Error::no_livehandled(&self.socket));
            }
            if piece.ends_with(b"\n") {
                let line = take(&mut self.partial);
                self.line(&line)?;
            }
        }
        Ok(())
    }

    /// Sends a call, at once or by the next connection; returns its id.
    pub(crate) fn call(&mut self, method: &str, params: Answer, reply: Reply) -> u64 {
        match params {
            Ok(params) => {
                self.unregistered(method, &params);
                self.request(method, params, AtLoss::Fail, |_, answer| {
                    reply(answer);
                    Ok(())
                })
            }
            Err(error) => {
                reply(Err(error));
                0
            }
        }
    }

    /// Forgets a call: nobody waits for its answer any more.
    pub(crate) fn forget(&mut self, id: u64) {
        self.waiting.remove(&id);
    }

    /// Subscribes; returns the key of the subscription, which `unsubscribe` ends.
    pub(crate) fn subscribe(&mut self, method: &'static str, options: Value, reply: Reply) -> u64 {
        let key = self.last_id + 1;
        let subscription =
            Subscription { method, topics: options["topics"].clone(), ..Subscription::default() };
        self.subscriptions.insert(key, subscription);
        self.request(method, options, AtLoss::Fail, move |link, answer| {
            match &answer {
                Ok(answer) => link.begun(key, answer),
                Err(_) => drop(link.subscriptions.remove(&key)),
            }
            reply(answer);
            Ok(())
        })
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&mut self, key: u64) {
        if let Some(id) = self.subscriptions.remove(&key).and_then(|s| s.id) {
            self.leave(&id);
        }
    }

    /// The next event of a subscription, if there is one.
    pub(crate) fn next(&mut self, key: u64) -> Option<Event> {
        let subscription = self.subscriptions.get_mut(&key)?;
        let event = subscription.queue.pop_front();
        if subscription.paused && subscription.queue.len() < MOST_UNREAD {
            subscription.paused = false;
            if self.ready {
                self.resume(key);
            }
        }
        event
    }

    /// Sends a request, or refuses it; returns its id. An error of `then` ends the connection.
    fn request<F>(&mut self, method: &str, params: Value, at_loss: AtLoss, then: F) -> u64
    where
        F: FnOnce(&mut Self, Answer) -> Result<(), Error> + Send + 'static,
    {
        self.last_id += 1;
        let id = self.last_id;
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let line = message.to_string();
        let unwritten = self.held.len() + self.outbox.len();
        let refusal = if self.closed {
            Error::closed()
        } else if line.len() >= self.longest {
            Error::too_long(method, line.len(), self.longest)
        } else if at_loss == AtLoss::Fail && unwritten > MOST_UNWRITTEN {
            Error::too_many(unwritten)
        } else {
            let waits = at_loss == AtLoss::Fail && !self.ready;
            let lines = if waits { &mut self.held } else { &mut self.outbox };
            lines.extend(line.as_bytes());
            lines.push_back(b'\n');
            self.waiting.insert(id, (at_loss, Box::new(then)));
            return id;
        };
        if let Err(error) = then(self, Err(refusal)) {
            self.last_word = Some(error);
        }
        id
    }

    fn resume(&mut self, key: u64) {
        let subscription = &self.subscriptions[&key];
        let mut params = json!({"since": subscription.cursor});
        if !subscription.topics.is_null() {
            params["topics"] = subscription.topics.clone();
        }
        self.request(subscription.method, params, AtLoss::Forget, move |link, answer| {
            link.begun(key, &answer?);
            Ok(())
        });
    }

    /// Takes the answer to `events` or `subscribe`.
    fn begun(&mut self, key: u64, answer: &Value) {
        let id = answer["subscription"].as_str().unwrap_or_default();
        let subscription = match self.subscriptions.get_mut(&key) {
            Some(subscription) => subscription,
            None => return self.leave(id), // it was dropped before it began
        };
        subscription.id = Some(id.to_string());
        subscription.cursor = answer["cursor"].as_str().unwrap_or_default().to_string();
        if take(&mut subscription.away) {
            subscription.own(Data::ClientConnected(self.attempt));
        }
        if answer["reset"] == true {
            subscription.own(Data::read("client.reset", answer["snapshot"].clone()));
        }
    }

    fn leave(&mut self, id: &str) {
        let params = json!({ "subscription": id });
        self.request("unsubscribe", params, AtLoss::Forget, |_, _| Ok(()));
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Error> {
        let strange = || Error::no_livehandled(&self.socket);
        let mut message: Map<String, Value> =
            serde_json::from_slice(line).map_err(|_| strange())?;
        if message.get("method").map_or(false, |method| method == "event") {
            return self.event(message.remove("params").unwrap_or_else(|| json!({})));
        }
        let error = message.get("error").map(Error::read);
        match message.get("id").and_then(Value::as_u64) {
            Some(id) => match self.waiting.remove(&id) {
                Some((_, then)) => {
                    let result = message.remove("result").ok_or_else(strange);
                    then(self, error.map_or(result, Err))?;
                    self.go_on();
                    Ok(())
                }
                None => Ok(()), // nobody waits for it any more
            },
            None => {
                self.last_word = error.or_else(|| self.last_word.take());
                Ok(())
            }
        }
    }

    /// Takes the next step of beginning a connection, once the last one is answered.
    fn go_on(&mut self) {
        let mut own = self.waiting.values().filter(|(at_loss, _)| *at_loss == AtLoss::Forget);
        if self.ready || own.next().is_some() {
            return;
        }
        let away = |s: &Subscription| !s.cursor.is_empty() && s.id.is_none() && !s.paused;
        let left = self.subscriptions.iter().filter(|(_, s)| away(s)).map(|(key, _)| *key);
        let left: Vec<_> = left.collect();
        if left.is_empty() {
            self.ready = true;
            self.opened.get_or_insert(Ok(()));
            self.outbox.append(&mut self.held);
        }
        for key in left {
            self.resume(key);
        }
    }

    fn event(&mut self, params: Value) -> Result<(), Error> {
        let event = Event::read(params);
        if self.takes(&event.data) {
            return Ok(());
        }
        let bye = event.data == Data::DaemonBye;
        match event.subscription.clone() {
            Some(id) => self.deliver(&id, event),
            None => self.subscriptions.values_mut().for_each(|s| s.queue.push_back(event.clone())),
        }
        if bye {
            return Err(Error::gone(&self.socket));
        }
        Ok(())
    }

    fn deliver(&mut self, id: &str, event: Event) {
        let mut all = self.subscriptions.iter_mut();
        let (key, subscription) = match all.find(|(_, s)| s.id.as_deref() == Some(id)) {
            Some((key, subscription)) => (*key, subscription),
            None => return, // it was dropped, and the daemon does not know yet
        };
        if subscription.queue.len() >= MOST_BEHIND {
            subscription.paused = true;
            subscription.id = None;
            return self.leave(id);
        }
        let lagged = matches!(event.data, Data::EventsLagged(_));
        subscription.cursor = event.cursor.clone();
        subscription.queue.push_back(event);
        if lagged {
            subscription.id = None;
            self.resume(key);
        }
    }
}

impl Subscription {
    fn own(&mut self, data: Data) {
        self.queue.push_back(Event::own(self.id.clone(), self.cursor.clone(), data));
    }
}

/// How long to wait before an attempt: the first is made at once.
fn backoff(attempt: u32) -> Duration {
    match attempt {
        0 | 1 => Duration::ZERO,
        _ => Duration::from_millis(50 << (attempt - 2).min(6)).min(Duration::from_secs(2)),
    }
}

#[cfg(test)]
mod tests;
