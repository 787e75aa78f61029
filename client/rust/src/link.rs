//! What a client does, without a socket, a clock or a thread: ids, answers, subscriptions by
//! cursor, tools, backoff. Both transports carry bytes to and from it and wait for its changes.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::mem::take;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{json, Map, Value};

use crate::api::{Data, ErrorName, ToolCall};
use crate::error::Error;
use crate::event::Event;

/// How long the first connection may take, with the answer to `daemon.hello`.
pub(crate) const OPEN: Duration = Duration::from_secs(10);
/// The longest line that the daemon may send, and that it reads unless it says otherwise.
const LINE_BYTES: usize = 16 << 20;
/// With so many events unread, the socket is read only while a call waits for its answer.
const MOST_UNREAD: usize = 1024;
/// With so many, the subscription is given up until they are read, and then resumed.
const MOST_BEHIND: usize = 16 * MOST_UNREAD;

/// Takes the answer to a call, at once and without waiting.
pub(crate) type Reply = Box<dyn FnOnce(Result<Value, Error>) + Send>;

/// Who waits for an answer.
enum Waiting {
    Caller(Reply),
    Hello,
    Subscription(u64),
    Registration(u64),
    /// An answer to the model, kept until the daemon has it.
    Response(Value),
    Nobody,
}

struct Subscription {
    method: &'static str,
    topics: Value,
    /// The daemon's name for it; None while it has none.
    id: Option<String>,
    /// Of the last event that was queued.
    cursor: String,
    /// Who waits for the first answer.
    reply: Option<Reply>,
    queue: VecDeque<Event>,
    /// Whether it was told that the connection is lost.
    away: bool,
    /// Whether it was given up because its consumer is far behind.
    paused: bool,
}

struct Registration<H> {
    declarations: Value,
    handlers: HashMap<String, H>,
    token: Option<String>,
    /// Who waits for the first answer.
    reply: Option<Reply>,
}

pub(crate) struct Link<H> {
    name: String,
    socket: PathBuf,
    /// Who waits for the first connection.
    opening: Option<Reply>,
    last_id: u64,
    waiting: BTreeMap<u64, Waiting>,
    subscriptions: BTreeMap<u64, Subscription>,
    registrations: BTreeMap<u64, Registration<H>>,
    /// Calls of the model that are carried out, or whose answer the daemon does not have yet.
    carried_out: HashSet<String>,
    orders: Vec<(ToolCall, H)>,
    /// Whole lines. Each but a few belongs to a caller who waits, which bounds them.
    outbox: VecDeque<u8>,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// An error that concerns the connection as a whole: why it is about to end.
    last_word: Option<Error>,
    longest: usize,
    attempt: u32,
    connected: bool,
    pub(crate) round: u64,
    pub(crate) closed: bool,
}

impl<H: Clone> Link<H> {
    pub(crate) fn new(name: String, socket: PathBuf, opening: Reply) -> Self {
        Link {
            name,
            socket,
            opening: Some(opening),
            last_id: 0,
            waiting: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            registrations: BTreeMap::new(),
            carried_out: HashSet::new(),
            orders: Vec::new(),
            outbox: VecDeque::new(),
            partial: Vec::new(),
            last_word: None,
            longest: LINE_BYTES,
            attempt: 1,
            connected: false,
            round: 0,
            closed: false,
        }
    }

    /// Begins a connection: hello, registrations and subscriptions go before what is held. Returns
    /// its number.
    pub(crate) fn connected(&mut self) -> u64 {
        let held = take(&mut self.outbox);
        self.connected = true;
        let hello = json!({"client": self.name, "max_line_bytes": LINE_BYTES});
        self.request("daemon.hello", hello, Waiting::Hello);
        let tokens =
            self.registrations.iter().filter_map(|(key, r)| Some((*key, r.token.clone()?)));
        for (key, token) in tokens.collect::<Vec<_>>() {
            let params = json!({ "registration": token });
            self.request("tools.register", params, Waiting::Registration(key));
        }
        let known = self.subscriptions.iter().filter(|(_, s)| s.reply.is_none() && !s.paused);
        for key in known.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.resume(key);
        }
        self.outbox.extend(held);
        self.round
    }

    /// Ends a connection, or an attempt at one. What waits fails; answers to the model are kept.
    /// Returns how long to wait before the next attempt.
    pub(crate) fn lost(&mut self, error: Error) -> Duration {
        let error = self.last_word.take().unwrap_or(error);
        self.round += 1;
        self.partial.clear();
        self.outbox.clear();
        let told = self.connected;
        if told && !self.waiting.values().any(|waiting| self.is_ours(waiting)) {
            self.attempt = 0;
        }
        self.connected = false;
        if let Some(opening) = self.opening.take() {
            opening(Err(error.clone()));
        }
        for (_, waiting) in take(&mut self.waiting) {
            match waiting {
                Waiting::Response(params) => {
                    self.request("tools.respond", params.clone(), Waiting::Response(params));
                }
                waiting if self.is_ours(&waiting) => {}
                // Its error would end the connection; this is a caller's, whose error is his.
                waiting => drop(self.settle(waiting, Err(error.clone()))),
            }
        }
        for subscription in self.subscriptions.values_mut().filter(|_| told) {
            subscription.id = None;
            subscription.away = true;
            subscription.own(Data::ClientDisconnected(error.clone()));
        }
        self.attempt = self.attempt.saturating_add(1);
        backoff(self.attempt)
    }

    /// Ends everything. What was received is still given.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.lost(Error::unreachable("The client was closed: open another.".to_string()));
        self.waiting.clear();
    }

    /// True when it is time to read the socket, false when the client is closed.
    pub(crate) fn wants_input(&mut self) -> Option<bool> {
        let unread = self.subscriptions.values().map(|s| s.queue.len()).max().unwrap_or(0);
        let ready = unread < MOST_UNREAD || !self.waiting.is_empty();
        (ready || self.closed).then_some(!self.closed)
    }

    /// What is to be written, whole lines but for what was written of the first.
    pub(crate) fn outbox(&mut self) -> &mut VecDeque<u8> {
        &mut self.outbox
    }

    /// The calls of the model that are to be carried out now.
    pub(crate) fn orders(&mut self) -> Vec<(ToolCall, H)> {
        take(&mut self.orders)
    }

    /// Whether the answer to a call of the model is wanted.
    pub(crate) fn wants_answer(&self, call_id: &str) -> bool {
        self.carried_out.contains(call_id) && !self.closed
    }

    /// Takes bytes in. An error ends the connection.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if self.partial.len() > LINE_BYTES {
                return Err(self.no_daemon());
            }
            if piece.ends_with(b"\n") {
                let line = take(&mut self.partial);
                self.line(&line)?;
            }
        }
        Ok(())
    }

    /// Sends a call, at once or by the next connection; returns its id.
    pub(crate) fn call(&mut self, method: &str, params: Value, reply: Reply) -> u64 {
        if method == "tools.unregister" {
            let token = params["registration"].as_str();
            self.registrations.retain(|_, r| token.is_some() && r.token.as_deref() != token);
        }
        self.request(method, params, Waiting::Caller(reply))
    }

    /// Forgets a call: nobody waits for its answer any more.
    pub(crate) fn forget(&mut self, id: u64) {
        self.waiting.remove(&id);
    }

    /// Subscribes; returns the key of the subscription, which `unsubscribe` ends.
    pub(crate) fn subscribe(&mut self, method: &'static str, options: Value, reply: Reply) -> u64 {
        let key = self.last_id + 1;
        let subscription = Subscription {
            method,
            topics: options["topics"].clone(),
            id: None,
            cursor: String::new(),
            reply: Some(reply),
            queue: VecDeque::new(),
            away: false,
            paused: false,
        };
        self.subscriptions.insert(key, subscription);
        self.request(method, options, Waiting::Subscription(key))
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
            if self.connected {
                self.resume(key);
            }
        }
        event
    }

    /// Registers functions; the answer goes to the reply.
    pub(crate) fn register(&mut self, tools: Vec<(Value, H)>, reply: Reply) {
        let key = self.last_id + 1;
        let name = |declaration: &Value| declaration["name"].as_str().unwrap_or("").to_string();
        let declarations = tools.iter().map(|(declaration, _)| declaration.clone()).collect();
        let handlers = tools.into_iter().map(|(d, handler)| (name(&d), handler)).collect();
        let params = json!({ "declarations": declarations });
        let registration = Registration { declarations, handlers, token: None, reply: Some(reply) };
        self.registrations.insert(key, registration);
        self.request("tools.register", params, Waiting::Registration(key));
    }

    /// Answers a call of the model, unless nobody wants it any more.
    pub(crate) fn respond(&mut self, call_id: &str, outcome: Result<Value, String>) {
        if !self.wants_answer(call_id) {
            return;
        }
        let mut params = json!({ "call_id": call_id });
        match outcome {
            Ok(result) => params["result"] = result,
            Err(error) if error.is_empty() => params["error"] = "The function failed.".into(),
            Err(error) => params["error"] = error.into(),
        }
        self.request("tools.respond", params.clone(), Waiting::Response(params));
    }

    fn request(&mut self, method: &str, params: Value, waiting: Waiting) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let line = message.to_string();
        let refused = if self.closed {
            Error::unreachable("The client is closed: open another.".to_string())
        } else if line.len() >= self.longest {
            let (length, longest) = (line.len(), self.longest);
            let message = format!("`{method}` is {length} bytes long: send less than {longest}.");
            Error::new(ErrorName::WireTooLong, message)
        } else {
            self.outbox.extend(line.as_bytes());
            self.outbox.push_back(b'\n');
            self.waiting.insert(id, waiting);
            return id;
        };
        if let Err(error) = self.settle(waiting, Err(refused)) {
            self.last_word = Some(error);
        }
        id
    }

    fn resume(&mut self, key: u64) {
        if let Some(subscription) = self.subscriptions.get(&key) {
            let mut params = json!({"since": subscription.cursor});
            if !subscription.topics.is_null() {
                params["topics"] = subscription.topics.clone();
            }
            self.request(subscription.method, params, Waiting::Subscription(key));
        }
    }

    fn leave(&mut self, id: &str) {
        self.request("unsubscribe", json!({ "subscription": id }), Waiting::Nobody);
    }

    /// Whether it is part of having the connection again, and no caller's.
    fn is_ours(&self, waiting: &Waiting) -> bool {
        match waiting {
            Waiting::Caller(_) | Waiting::Response(_) => false,
            Waiting::Hello | Waiting::Nobody => true,
            Waiting::Subscription(key) => {
                self.subscriptions.get(key).map_or(true, |s| s.reply.is_none())
            }
            Waiting::Registration(key) => {
                self.registrations.get(key).map_or(true, |r| r.reply.is_none())
            }
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Error> {
        let mut message: Map<String, Value> =
            serde_json::from_slice(line).map_err(|_| self.no_daemon())?;
        if message.get("method").map_or(false, |method| method == "event") {
            return self.event(message.remove("params").unwrap_or_else(|| json!({})));
        }
        let error = message.get("error").map(Error::read);
        match message.get("id").and_then(Value::as_u64).map(|id| self.waiting.remove(&id)) {
            Some(Some(waiting)) => {
                let result = message.remove("result").unwrap_or(Value::Null);
                self.settle(waiting, error.map_or(Ok(result), Err))
            }
            Some(None) => Ok(()), // nobody waits for it any more
            None => {
                self.last_word = error;
                Ok(())
            }
        }
    }

    /// Gives an answer to who waits for it. An error ends the connection.
    fn settle(&mut self, waiting: Waiting, answer: Result<Value, Error>) -> Result<(), Error> {
        match waiting {
            Waiting::Caller(reply) => reply(answer),
            Waiting::Hello => {
                let limit = answer?["limits"]["max_line_bytes"].as_u64();
                self.longest = limit.map_or(LINE_BYTES, |bytes| bytes as usize);
                if let Some(opening) = self.opening.take() {
                    opening(Ok(Value::Null));
                }
            }
            Waiting::Subscription(key) => return self.subscribed(key, answer),
            Waiting::Registration(key) => return self.registered(key, answer),
            Waiting::Response(params) => self.responded(&params, answer),
            Waiting::Nobody => {}
        }
        Ok(())
    }

    fn subscribed(&mut self, key: u64, answer: Result<Value, Error>) -> Result<(), Error> {
        let subscription = match self.subscriptions.get_mut(&key) {
            Some(subscription) => subscription,
            None => {
                // It was dropped before it began.
                if let Some(id) = answer.ok().as_ref().and_then(|a| a["subscription"].as_str()) {
                    self.leave(id);
                }
                return Ok(());
            }
        };
        match (answer, subscription.reply.take()) {
            (Ok(answer), reply) => {
                subscription.begin(&answer, self.attempt);
                if let Some(reply) = reply {
                    reply(Ok(answer));
                }
            }
            (Err(error), Some(reply)) => {
                self.subscriptions.remove(&key);
                reply(Err(error));
            }
            (Err(error), None) => return Err(error),
        }
        Ok(())
    }

    fn registered(&mut self, key: u64, answer: Result<Value, Error>) -> Result<(), Error> {
        let registration = match self.registrations.get_mut(&key) {
            Some(registration) => registration,
            None => return Ok(()), // it was ended before it began
        };
        match (answer, registration.reply.take()) {
            (Ok(answer), reply) => {
                registration.token = answer["registration"].as_str().map(str::to_string);
                if let Some(reply) = reply {
                    reply(Ok(answer));
                }
            }
            (Err(error), Some(reply)) => {
                self.registrations.remove(&key);
                reply(Err(error));
            }
            (Err(error), None) if error.name == ErrorName::ToolsUnknownRegistration => {
                let params = json!({ "declarations": registration.declarations });
                self.request("tools.register", params, Waiting::Registration(key));
            }
            (Err(error), None) => return Err(error),
        }
        Ok(())
    }

    fn responded(&mut self, params: &Value, answer: Result<Value, Error>) {
        let call_id = params["call_id"].as_str().unwrap_or_default();
        let late = [ErrorName::ToolsCallExpired, ErrorName::ToolsUnknownCall];
        match answer {
            // The daemon does not take the result: the model is told why there is none.
            Err(error) if !late.contains(&error.name) && params.get("result").is_some() => {
                self.respond(call_id, Err(error.message));
            }
            // Answered; or too late, which the daemon has told the model already.
            _ => drop(self.carried_out.remove(call_id)),
        }
    }

    fn event(&mut self, params: Value) -> Result<(), Error> {
        let event = Event::read(params);
        match &event.data {
            Data::ToolCall(call) => {
                let mut ours = self.registrations.values();
                if let Some(registration) =
                    ours.find(|r| r.token.as_ref() == Some(&call.registration))
                {
                    // After a loss the daemon asks again for what is carried out already.
                    if let Some(handler) = registration.handlers.get(&call.name) {
                        if self.carried_out.insert(call.call_id.clone()) {
                            self.orders.push((call.clone(), handler.clone()));
                        }
                    }
                    return Ok(());
                }
            }
            Data::ToolCancel(cancel) if self.carried_out.remove(&cancel.call_id) => return Ok(()),
            _ => {}
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

    fn no_daemon(&self) -> Error {
        let socket = self.socket.display();
        Error::unreachable(format!(
            "What answers at {socket} is not livehandled: give the daemon's own socket."
        ))
    }
}

impl Subscription {
    /// Takes the answer to `events` or `subscribe`.
    fn begin(&mut self, answer: &Value, attempt: u32) {
        self.id = answer["subscription"].as_str().map(str::to_string);
        self.cursor = answer["cursor"].as_str().unwrap_or_default().to_string();
        if take(&mut self.away) {
            self.own(Data::ClientConnected(attempt));
        }
        if answer["reset"] == true {
            self.own(Data::read("client.reset", answer["snapshot"].clone()));
        }
    }

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
