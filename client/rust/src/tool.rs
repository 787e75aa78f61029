//! Functions that the model may call.

use std::ops::Deref;
use std::sync::Arc;

use serde_json::{json, Value};

use crate::api::ToolCall;
use crate::error::Failure;

/// What a [`Tool`] does.
pub type Handler = Arc<dyn Fn(&Call) -> Result<Value, Failure> + Send + Sync>;

/// A function that the model may call. Each call has a thread of its own.
pub type Tool = Declared<Handler>;

/// A function that the model may call; `H` is what it does.
pub struct Declared<H> {
    declaration: Value,
    handler: H,
}

impl<H> Declared<H> {
    /// Sets another field of the declaration, such as `behavior`.
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.declaration[name] = value.into();
        self
    }

    fn with(name: &str, description: &str, parameters: Value, handler: H) -> Self {
        let declaration = json!({
            "name": name, "description": description, "parameters": parameters
        });
        Declared { declaration, handler }
    }

    pub(crate) fn into_parts(self) -> (Value, H) {
        (self.declaration, self.handler)
    }
}

impl Tool {
    /// Makes one of its name, what it is for, the JSON schema of its parameters, and what to do.
    pub fn new<F>(name: &str, description: &str, parameters: Value, handler: F) -> Self
    where
        F: Fn(&Call) -> Result<Value, Failure> + Send + Sync + 'static,
    {
        Declared::with(name, description, parameters, Arc::new(handler))
    }
}

/// A call of the model.
pub struct Call {
    call: ToolCall,
    wanted: Box<dyn Fn(&str) -> bool>,
}

impl Call {
    pub(crate) fn new(call: ToolCall, wanted: impl Fn(&str) -> bool + 'static) -> Self {
        Call { call, wanted: Box::new(wanted) }
    }

    /// Whether nobody wants the result any more. It is not sent then.
    pub fn is_cancelled(&self) -> bool {
        !(self.wanted)(&self.call.call_id)
    }
}

impl Deref for Call {
    type Target = ToolCall;

    fn deref(&self) -> &ToolCall {
        &self.call
    }
}

#[cfg(feature = "tokio")]
pub use asynchronous::{AsyncHandler, AsyncTool};

#[cfg(feature = "tokio")]
mod asynchronous {
    use std::future::Future;
    use std::pin::Pin;

    use super::{Arc, Declared, Failure, ToolCall, Value};

    type Outcome = Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send>>;

    /// What an [`AsyncTool`] does.
    pub type AsyncHandler = Arc<dyn Fn(ToolCall) -> Outcome + Send + Sync>;

    /// A function that the model may call. Each call has a task of its own, which is aborted when
    /// nobody wants the result any more.
    pub type AsyncTool = Declared<AsyncHandler>;

    impl AsyncTool {
        /// Makes one of its name, what it is for, the JSON schema of its parameters, and what to
        /// do.
        pub fn new<F, R>(name: &str, description: &str, parameters: Value, handler: F) -> Self
        where
            F: Fn(ToolCall) -> R + Send + Sync + 'static,
            R: Future<Output = Result<Value, Failure>> + Send + 'static,
        {
            let handler = Arc::new(move |call| -> Outcome { Box::pin(handler(call)) });
            Declared::with(name, description, parameters, handler)
        }
    }
}
