//! The blocking transport: a thread that reads, one that writes, one for each call of a tool.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::mem::take;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::{json, Value};

use crate::api::{EventsOptions, SubscribeOptions, Subscribed, ToolCall, ToolsRegistered};
use crate::error::{given, typed, Error};
use crate::event::Event;
use crate::link::{self, Link, Reply, OPEN};
use crate::monitor::{lock, Monitor};
use crate::place::Options;
use crate::tool::{Call, Handler, Tool};

/// A connection to the daemon that is made again where it is lost. Cheap to clone, for any number
/// of threads; it is closed with its last clone, [`Pending`] and [`Events`].
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
    timeout: Option<Duration>,
}

/// Closes the connection when it is dropped.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Client {
    /// Connects. Fails with `daemon.unreachable` where no daemon answers, with `config.invalid`
    /// for a path or an instance that cannot be, and with what the daemon has against it.
    pub fn open(options: Options) -> Result<Client, Error> {
        let socket = options.path()?;
        let shared = Arc::new(Shared {
            link: Monitor::new(Link::new(options.name(), socket.clone())),
            stream: Mutex::new(None),
            socket,
        });
        let client = Client { handle: Arc::new(Handle(shared.clone())), timeout: None };
        let runs = Handle(shared.clone()); // whatever ends the thread, nobody waits for it then
        thread::spawn(move || runs.0.run());
        let opened = shared.link.until(Some(Instant::now() + OPEN), |link| link.opened.clone());
        opened.unwrap_or_else(|| Err(Error::silent(&shared.socket, OPEN)))?;
        Ok(client)
    }

    /// The same connection, with a bound on the wait for each answer. Without one a call waits as
    /// long as the daemon has it wait; `done` takes as long as the session.
    pub fn with_timeout(&self, timeout: Duration) -> Client {
        Client { handle: self.handle.clone(), timeout: Some(timeout) }
    }

    /// Calls a method, by name, and returns its result.
    pub fn call<R: DeserializeOwned>(
        &self,
        method: &str,
        params: impl Serialize,
    ) -> Result<R, Error> {
        self.begin(method, params).wait()
    }

    /// Calls a method without waiting: the daemon begins calls in the order in which they are made.
    pub fn begin(&self, method: &str, params: impl Serialize) -> Pending {
        let (reply, answer) = answer();
        let params = given(params);
        let id = self.change(|link| link.call(method, params, reply));
        Pending { id, answer, client: self.clone() }
    }

    /// Subscribes to semantic events, `live.*` and others.
    pub fn events(&self, options: EventsOptions) -> Result<Events, Error> {
        self.follow("events", json!(options))
    }

    /// Subscribes to raw session events, `session.*` and others.
    pub fn subscribe(&self, options: SubscribeOptions) -> Result<Events, Error> {
        self.follow("subscribe", json!(options))
    }

    /// Registers functions that this program carries out, here and with every later connection.
    pub fn register(&self, tools: Vec<Tool>) -> Result<ToolsRegistered, Error> {
        let (reply, answer) = answer();
        let tools = tools.into_iter().map(Tool::into_parts).collect();
        self.change(|link| link.register(tools, reply));
        self.wait(&answer)
    }

    /// Closes the connection. Calls that wait fail; events that have come are still given.
    pub fn close(&self) {
        self.handle.0.close();
    }

    fn follow(&self, method: &'static str, options: Value) -> Result<Events, Error> {
        let (reply, answer) = answer();
        let key = self.change(|link| link.subscribe(method, options, reply));
        let mut events = Events { client: self.clone(), key, start: Subscribed::default() };
        events.start = self.wait(&answer)?;
        Ok(events)
    }

    fn wait<R: DeserializeOwned>(&self, answer: &Answer) -> Result<R, Error> {
        let received = match self.timeout {
            Some(timeout) => answer.recv_timeout(timeout),
            None => answer.recv().map_err(RecvTimeoutError::from),
        };
        match received {
            Ok(received) => typed(received?),
            Err(_) => Err(Error::silent(&self.handle.0.socket, self.timeout.unwrap_or_default())),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Link<Handler>) -> T) -> T {
        self.handle.0.link.change(change)
    }
}

type Answer = Receiver<link::Answer>;

fn answer() -> (Reply, Answer) {
    let (sender, receiver) = channel();
    // Who waits may have given up.
    (Box::new(move |answer| drop(sender.send(answer))), receiver)
}

/// A call that was made. Dropped, its answer is not waited for; it is carried out all the same.
pub struct Pending {
    id: u64,
    answer: Answer,
    client: Client,
}

impl Pending {
    /// Waits for the result.
    pub fn wait<R: DeserializeOwned>(self) -> Result<R, Error> {
        self.client.wait(&self.answer)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.client.change(|link| link.forget(self.id));
    }
}

/// The events of a subscription, until the client is closed. Dropped, the subscription ends.
pub struct Events {
    client: Client,
    key: u64,
    /// How it began: its cursor, and the snapshot where one was asked for.
    pub start: Subscribed,
}

impl Events {
    /// The next event; None if none comes in that time, or the client is closed.
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Event> {
        self.next_until(Some(Instant::now() + timeout))
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Option<Event> {
        let shared = &self.client.handle.0;
        let event = shared.link.until(deadline, |link| match link.next(self.key) {
            None if !link.closed => None,
            event => Some(event),
        });
        shared.link.change(|_| {}); // there is room again
        event.flatten()
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.next_until(None)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.client.change(|link| link.unsubscribe(self.key));
    }
}

struct Shared {
    link: Monitor<Link<Handler>>,
    stream: Mutex<Option<Arc<UnixStream>>>,
    socket: PathBuf,
}

impl Shared {
    fn close(&self) {
        self.link.change(Link::close);
        if let Some(stream) = lock(&self.stream).take() {
            drop(stream.shutdown(Shutdown::Both)); // or it is gone already
        }
    }

    /// Connects, again and again, until the client is closed.
    fn run(self: &Arc<Self>) {
        loop {
            let error = match UnixStream::connect(&self.socket) {
                Ok(stream) => self.serve(Arc::new(stream)),
                Err(error) => Error::no_daemon(&self.socket, &error),
            };
            let next = Instant::now() + self.link.change(|link| link.lost(error));
            if self.link.until(Some(next), |link| link.closed.then_some(())).is_some() {
                return;
            }
        }
    }

    /// Reads until the connection is lost; returns why.
    fn serve(self: &Arc<Self>, stream: Arc<UnixStream>) -> Error {
        // It is for the beginning; later on, a read that it ends is made again.
        stream.set_read_timeout(Some(OPEN)).unwrap_or_default();
        *lock(&self.stream) = Some(stream.clone());
        let round = self.link.change(Link::connected);
        let (shared, output) = (self.clone(), stream.clone());
        thread::spawn(move || shared.write(&output, round));
        let error = self.read(&stream);
        drop(stream.shutdown(Shutdown::Both)); // or it is gone already
        error
    }

    fn read(self: &Arc<Self>, mut stream: &UnixStream) -> Error {
        let mut buffer = vec![0; 65_536];
        loop {
            // However long: it is the consumer's to read.
            if self.link.until(None, Link::wants_input) != Some(true) {
                return Error::gone(&self.socket);
            }
            let received = match stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    match self.link.change(|link| link.ready) {
                        true => continue, // it has nothing to say
                        false => return Error::silent(&self.socket, OPEN),
                    }
                }
                Ok(0) | Err(_) => return Error::gone(&self.socket),
                Ok(length) => self.link.change(|link| link.receive(&buffer[..length])),
            };
            let orders = self.link.change(Link::orders);
            for (call, handler) in orders {
                let shared = self.clone();
                thread::spawn(move || shared.carry_out(call, &handler));
            }
            if let Err(error) = received {
                return error;
            }
        }
    }

    /// Writes until the connection is lost. Only who waits for a daemon that reads nothing waits.
    fn write(&self, mut stream: &UnixStream, round: u64) {
        loop {
            let lines = self.link.until(None, |link| match link.round == round {
                true if link.outbox.is_empty() => None,
                true => Some(take(&mut link.outbox)),
                false => Some(VecDeque::new()),
            });
            let lines = Vec::from(lines.unwrap_or_default());
            if lines.is_empty() {
                return;
            }
            if stream.write_all(&lines).is_err() {
                // What the daemon said before is still read, to its end.
                return drop(stream.shutdown(Shutdown::Write));
            }
        }
    }

    fn carry_out(self: Arc<Self>, call: ToolCall, handler: &Handler) {
        let (shared, call_id) = (self.clone(), call.call_id.clone());
        let call = Call::new(call, move |id| {
            shared.link.until(None, |link| Some(link.wants_answer(id))) == Some(true)
        });
        let outcome = match catch_unwind(AssertUnwindSafe(|| handler(&call))) {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err("The function panicked.".to_string()),
        };
        self.link.change(|link| link.respond(&call_id, outcome));
    }
}
