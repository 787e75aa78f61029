//! The asynchronous transport: a task for the connection, one for each call of a tool.
//!
//! Everything is as [`crate::Client`] has it. All that is awaited may be dropped: a call is carried
//! out all the same, and an event that was not returned comes next.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::{json, Value};
use tokio::net::UnixStream;
use tokio::select;
use tokio::sync::{oneshot, Notify};
use tokio::time::{sleep_until, timeout, Instant};

use crate::api::{EventsOptions, SubscribeOptions, Subscribed, ToolCall, ToolsRegistered};
use crate::error::{given, typed, Error};
use crate::event::Event;
use crate::link::{self, Link, Reply, OPEN};
use crate::monitor::lock;
use crate::place::Options;
use crate::tool::AsyncHandler as Handler;
pub use crate::tool::AsyncTool as Tool;

type State = Link<Handler>;

/// A connection to the daemon that is made again where it is lost. Cheap to clone, for any number
/// of tasks; it is closed with its last clone, [`Pending`] and [`Events`].
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
    timeout: Option<Duration>,
}

/// Closes the connection when it is dropped.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.change(Link::close);
    }
}

impl Client {
    /// Connects, with a task on the current runtime. Fails as [`crate::Client::open`] does.
    pub async fn open(options: Options) -> Result<Client, Error> {
        let socket = options.path()?;
        let shared = Arc::new(Shared {
            link: Mutex::new(Link::new(options.name(), socket.clone())),
            changed: Notify::new(),
            socket,
        });
        let client = Client { handle: Arc::new(Handle(shared.clone())), timeout: None };
        let runs = Handle(shared.clone()); // whatever ends the task, nobody waits for it then
        tokio::spawn(async move { runs.0.run().await });
        let opened = timeout(OPEN, shared.until(|link| link.opened.clone())).await;
        opened.unwrap_or_else(|_| Err(Error::silent(&shared.socket, OPEN)))?;
        Ok(client)
    }

    /// The same connection, with a bound on the wait for each answer. Without one a call waits as
    /// long as the daemon has it wait; `done` takes as long as the session.
    pub fn with_timeout(&self, timeout: Duration) -> Client {
        Client { handle: self.handle.clone(), timeout: Some(timeout) }
    }

    /// Calls a method, by name, and returns its result.
    pub async fn call<R>(&self, method: &str, params: impl Serialize) -> Result<R, Error>
    where
        R: DeserializeOwned,
    {
        self.begin(method, params).wait().await
    }

    /// Calls a method without waiting: the daemon begins calls in the order in which they are made.
    pub fn begin(&self, method: &str, params: impl Serialize) -> Pending {
        let (reply, answer) = answer();
        let params = given(params);
        let id = self.change(|link| link.call(method, params, reply));
        Pending { id, answer, client: self.clone() }
    }

    /// Subscribes to semantic events, `live.*` and others.
    pub async fn events(&self, options: EventsOptions) -> Result<Events, Error> {
        self.follow("events", json!(options)).await
    }

    /// Subscribes to raw session events, `session.*` and others.
    pub async fn subscribe(&self, options: SubscribeOptions) -> Result<Events, Error> {
        self.follow("subscribe", json!(options)).await
    }

    /// Registers functions that this program carries out, here and with every later connection.
    pub async fn register(&self, tools: Vec<Tool>) -> Result<ToolsRegistered, Error> {
        let (reply, mut answer) = answer();
        let tools = tools.into_iter().map(Tool::into_parts).collect();
        self.change(|link| link.register(tools, reply));
        self.wait(&mut answer).await
    }

    /// Closes the connection. Calls that wait fail; events that have come are still given.
    pub fn close(&self) {
        self.change(Link::close);
    }

    async fn follow(&self, method: &'static str, options: Value) -> Result<Events, Error> {
        let (reply, mut answer) = answer();
        let key = self.change(|link| link.subscribe(method, options, reply));
        let mut events = Events { client: self.clone(), key, start: Subscribed::default() };
        events.start = self.wait(&mut answer).await?;
        Ok(events)
    }

    async fn wait<R: DeserializeOwned>(&self, answer: &mut Answer) -> Result<R, Error> {
        let received = match self.timeout {
            Some(most) => timeout(most, answer).await,
            None => Ok(answer.await),
        };
        match received {
            Ok(Ok(received)) => typed(received?),
            _ => Err(Error::silent(&self.handle.0.socket, self.timeout.unwrap_or_default())),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.handle.0.change(change)
    }
}

type Answer = oneshot::Receiver<link::Answer>;

fn answer() -> (Reply, Answer) {
    let (sender, receiver) = oneshot::channel();
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
    pub async fn wait<R: DeserializeOwned>(mut self) -> Result<R, Error> {
        self.client.wait(&mut self.answer).await
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
    /// The next event; None if the client is closed.
    pub async fn next(&mut self) -> Option<Event> {
        let shared = &self.client.handle.0;
        let next = shared.until(|link| match link.next(self.key) {
            None if !link.closed => None,
            event => Some(event),
        });
        let event = next.await;
        shared.changed.notify_waiters(); // there is room again
        event
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.client.change(|link| link.unsubscribe(self.key));
    }
}

struct Shared {
    link: Mutex<State>,
    /// Told of every change of the link.
    changed: Notify,
    socket: PathBuf,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.link)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let outcome = change(&mut self.lock());
        self.changed.notify_waiters();
        outcome
    }

    /// Waits until the link gives something.
    async fn until<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified(); // from here on no change is missed
            if let Some(found) = ready(&mut self.lock()) {
                return found;
            }
            changed.await;
        }
    }

    /// Connects, again and again, until the client is closed.
    async fn run(self: &Arc<Self>) {
        loop {
            let error = match UnixStream::connect(&self.socket).await {
                Ok(stream) => self.serve(&stream).await,
                Err(error) => Error::no_daemon(&self.socket, &error),
            };
            let delay = self.change(|link| link.lost(error));
            if timeout(delay, self.until(|link| link.closed.then_some(()))).await.is_ok() {
                return;
            }
        }
    }

    /// Reads and writes until the connection is lost; returns why.
    async fn serve(self: &Arc<Self>, stream: &UnixStream) -> Error {
        self.change(Link::connected);
        let late = Instant::now() + OPEN;
        let mut buffer = vec![0; 65_536];
        loop {
            let changed = self.changed.notified(); // from here on no change is missed
            let (input, output, ready) = {
                let mut link = self.lock();
                if link.closed {
                    return Error::gone(&self.socket);
                }
                (link.wants_input().is_some(), !link.outbox.is_empty(), link.ready)
            };
            let served = select! {
                _ = stream.readable(), if input => self.read(stream, &mut buffer),
                _ = stream.writable(), if output => self.write(stream),
                () = changed => Ok(()),
                () = sleep_until(late), if !ready => Err(Error::silent(&self.socket, OPEN)),
            };
            if let Err(error) = served {
                return error;
            }
        }
    }

    fn read(self: &Arc<Self>, stream: &UnixStream, buffer: &mut [u8]) -> Result<(), Error> {
        let received = match stream.try_read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Ok(0) | Err(_) => return Err(Error::gone(&self.socket)),
            Ok(length) => self.change(|link| link.receive(&buffer[..length])),
        };
        let orders = self.lock().orders();
        for (call, handler) in orders {
            tokio::spawn(self.clone().carry_out(call, handler));
        }
        received
    }

    fn write(&self, stream: &UnixStream) -> Result<(), Error> {
        let mut link = self.lock();
        match stream.try_write(link.outbox.as_slices().0) {
            Ok(length) => drop(link.outbox.drain(..length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // What the daemon said before is still read, to its end.
            Err(_) => link.outbox.clear(),
        }
        Ok(())
    }

    async fn carry_out(self: Arc<Self>, call: ToolCall, handler: Handler) {
        let call_id = call.call_id.clone();
        let mut task = tokio::spawn(async move { handler(call).await });
        let outcome = select! {
            outcome = &mut task => match outcome {
                Ok(outcome) => outcome.map_err(|error| error.to_string()),
                Err(_) => Err("The function panicked.".to_string()),
            },
            () = self.until(|link| (!link.wants_answer(&call_id)).then_some(())) => return task.abort(),
        };
        self.change(|link| link.respond(&call_id, outcome));
    }
}
