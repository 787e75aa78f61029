//! The functions that this program carries out: their registrations, the calls, the answers.

use std::collections::{BTreeMap, HashMap};
use std::mem::take;

use serde_json::{json, Value};

use super::{Answer, AtLoss, Link, Reply};
use crate::api::{Data, ErrorName, ToolCall};
use crate::error::Error;

struct Registration<H> {
    declarations: Value,
    handlers: HashMap<String, H>,
}

pub(super) struct Toolbox<H> {
    /// By the daemon's token.
    registrations: BTreeMap<String, Registration<H>>,
    /// The calls that are carried out, or whose answer, given then, the daemon does not have yet.
    carried_out: BTreeMap<String, Option<Value>>,
    orders: Vec<(ToolCall, H)>,
}

impl<H> Default for Toolbox<H> {
    fn default() -> Self {
        Toolbox { registrations: BTreeMap::new(), carried_out: BTreeMap::new(), orders: Vec::new() }
    }
}

impl<H: Clone + Send + 'static> Link<H> {
    /// Registers functions; the answer goes to the reply.
    pub(crate) fn register(&mut self, tools: Vec<(Value, H)>, reply: Reply) {
        let declarations: Value =
            tools.iter().map(|(declaration, _)| declaration.clone()).collect();
        let name = |declaration: &Value| declaration["name"].as_str().unwrap_or("").to_string();
        let handlers = tools.into_iter().map(|(d, handler)| (name(&d), handler)).collect();
        let params = json!({ "declarations": declarations });
        self.request("tools.register", params, AtLoss::Fail, move |link, answer| {
            if let Ok(answer) = &answer {
                link.registered(Registration { declarations, handlers }, answer);
            }
            reply(answer);
            Ok(())
        });
    }

    /// The calls of the model that are to be carried out now.
    pub(crate) fn orders(&mut self) -> Vec<(ToolCall, H)> {
        take(&mut self.tools.orders)
    }

    /// Whether the answer to a call of the model is wanted.
    pub(crate) fn wants_answer(&self, call_id: &str) -> bool {
        self.tools.carried_out.contains_key(call_id) && !self.closed
    }

    /// Answers a call of the model, with this connection or the next, unless nobody wants it.
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
        self.tools.carried_out.insert(call_id.to_string(), Some(params.clone()));
        if self.connected {
            self.answer_model(params);
        }
    }

    /// Presents to a new connection what the last one had.
    pub(super) fn present_tools(&mut self) {
        for token in self.tools.registrations.keys().cloned().collect::<Vec<_>>() {
            let params = json!({ "registration": token });
            self.request("tools.register", params, AtLoss::Forget, move |link, answer| {
                link.presented(&token, answer)
            });
        }
        for params in self.tools.carried_out.values().flatten().cloned().collect::<Vec<_>>() {
            self.answer_model(params);
        }
    }

    /// Forgets the registrations that a call ends.
    pub(super) fn unregistered(&mut self, method: &str, params: &Value) {
        if method == "tools.unregister" {
            let ended = params["registration"].as_str();
            self.tools.registrations.retain(|token, _| ended.map_or(false, |ended| ended != token));
        }
    }

    /// Whether an event is about a function of ours; then it is seen to.
    pub(super) fn takes(&mut self, data: &Data) -> bool {
        let tools = &mut self.tools;
        match data {
            Data::ToolCall(call) => match tools.registrations.get(&call.registration) {
                Some(registration) => {
                    // After a loss the daemon asks again for what is carried out already.
                    let new = !tools.carried_out.contains_key(&call.call_id);
                    if let Some(handler) = registration.handlers.get(&call.name).filter(|_| new) {
                        tools.carried_out.insert(call.call_id.clone(), None);
                        tools.orders.push((call.clone(), handler.clone()));
                    }
                    true
                }
                None => false,
            },
            Data::ToolCancel(cancel) => tools.carried_out.remove(&cancel.call_id).is_some(),
            _ => false,
        }
    }

    fn registered(&mut self, registration: Registration<H>, answer: &Value) {
        let token = answer["registration"].as_str().unwrap_or_default();
        self.tools.registrations.insert(token.to_string(), registration);
    }

    /// Takes the answer to a token, which a restarted daemon does not know.
    fn presented(&mut self, token: &str, answer: Answer) -> Result<(), Error> {
        let declarations = match (answer, self.tools.registrations.get(token)) {
            (Err(error), Some(known)) if error.name == ErrorName::ToolsUnknownRegistration => {
                known.declarations.clone()
            }
            (answer, _) => return answer.map(drop),
        };
        let (token, params) = (token.to_string(), json!({ "declarations": declarations }));
        self.request("tools.register", params, AtLoss::Forget, move |link, answer| {
            let answer = answer?;
            if let Some(registration) = link.tools.registrations.remove(&token) {
                link.registered(registration, &answer);
            }
            Ok(())
        });
        Ok(())
    }

    fn answer_model(&mut self, params: Value) {
        self.request("tools.respond", params.clone(), AtLoss::Forget, move |link, answer| {
            let call_id = params["call_id"].as_str().unwrap_or_default();
            let late = [ErrorName::ToolsCallExpired, ErrorName::ToolsUnknownCall];
            match answer {
                // The daemon does not take the result: the model is told why there is none.
                Err(error) if !late.contains(&error.name) && params.get("result").is_some() => {
                    link.respond(call_id, Err(error.message));
                }
                // Answered; or too late, which the daemon has told the model already.
                _ => drop(link.tools.carried_out.remove(call_id)),
            }
            Ok(())
        });
    }
}
