//! What the daemon answers instead of a result, and what the client itself has to say.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::ErrorName;

/// Why a tool's handler has no result: any error, or a text by `.into()`. The model is told of it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// An error of the daemon, or of the client in the daemon's words.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// What programs may rely on.
    pub name: ErrorName,
    /// The number that goes with the name.
    pub code: i64,
    /// One sentence that says what to do.
    pub message: String,
    /// What else is known, `retryable` among it.
    pub data: Map<String, Value>,
}

impl Error {
    pub(crate) fn new(name: ErrorName, message: String) -> Self {
        let retryable =
            matches!(name, ErrorName::DaemonUnreachable | ErrorName::WireTooManyPending);
        let code = name.code().unwrap_or_default();
        let data = Map::from_iter([
            ("name".to_string(), name.as_str().into()),
            ("retryable".to_string(), retryable.into()),
        ]);
        Error { name, code, message, data }
    }

    pub(crate) fn unreachable(message: String) -> Self {
        Error::new(ErrorName::DaemonUnreachable, message)
    }

    /// There is no connection to be had.
    pub(crate) fn no_daemon(socket: &Path, why: &std::io::Error) -> Self {
        let advice = if why.kind() == std::io::ErrorKind::PermissionDenied {
            "it belongs to another user, give another socket or ask for access"
        } else {
            "start one with `livehandled`, or without a key with `livehandled --emulator`"
        };
        let socket = socket.display();
        Error::unreachable(format!("No daemon answers at {socket} ({why}): {advice}."))
    }

    /// There was a connection, and it has ended.
    pub(crate) fn gone(socket: &Path) -> Self {
        let socket = socket.display();
        Error::unreachable(format!("The daemon at {socket} closed the connection: see its log."))
    }

    /// There is a connection, but not to a daemon.
    pub(crate) fn no_livehandled(socket: &Path) -> Self {
        let socket = socket.display();
        Error::unreachable(format!(
            "What answers at {socket} is not livehandled: give the daemon's own socket."
        ))
    }

    /// The daemon would not read a line of that length.
    pub(crate) fn too_long(method: &str, length: usize, longest: usize) -> Self {
        let message = format!("`{method}` is {length} bytes long: send less than {longest}.");
        Error::new(ErrorName::WireTooLong, message)
    }

    /// The daemon does not read, or not as fast as calls are made.
    pub(crate) fn too_many(unwritten: usize) -> Self {
        let message = format!("{unwritten} bytes wait for the daemon to read: send slower.");
        Error::new(ErrorName::WireTooManyPending, message)
    }

    /// The program itself has ended it.
    pub(crate) fn closed() -> Self {
        Error::unreachable("The client was closed: open another.".to_string())
    }

    /// No answer came in time.
    pub(crate) fn silent(socket: &Path, timeout: Duration) -> Self {
        let socket = socket.display();
        Error::unreachable(format!(
            "The daemon at {socket} did not answer within {timeout:?}: see its log."
        ))
    }

    /// Reads the `error` of an answer.
    pub(crate) fn read(error: &Value) -> Self {
        let data = error["data"].as_object().cloned().unwrap_or_default();
        let name = data.get("name").and_then(Value::as_str).unwrap_or("wire.internal");
        Error {
            name: ErrorName::from(name),
            code: error["code"].as_i64().unwrap_or_default(),
            message: error["message"].as_str().unwrap_or_default().to_string(),
            data,
        }
    }

    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        self.data.get("retryable") == Some(&Value::Bool(true))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.name)
    }
}

impl std::error::Error for Error {}

/// Writes parameters.
pub(crate) fn given(params: impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(params).map_err(|why| {
        let message = format!("The parameters cannot be written as JSON: {why}.");
        Error::new(ErrorName::WireInvalidParams, message)
    })
}

/// Reads a result.
pub(crate) fn typed<R: DeserializeOwned>(result: Value) -> Result<R, Error> {
    serde_json::from_value(result).map_err(|why| {
        let message = format!("The result is not of the type that this client knows: {why}.");
        Error::new(ErrorName::WireInternal, message)
    })
}
