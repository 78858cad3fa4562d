//! A client of servers that speak the chat completions of the OpenAI API.

use std::time::Duration;

use artifact::{Error, Result};
use serde_json::{Value, json};
use ureq::Agent;

/// The longest wait for one answer: large models on small machines are slow.
const TIMEOUT: Duration = Duration::from_mins(5);
/// The most tokens of an answer.
const MAX_TOKENS: u32 = 1024;

/// A model of a server.
#[derive(Debug)]
pub(crate) struct Server {
    agent: Agent,
    /// Without a slash at its end; `/chat/completions` follows.
    url: String,
    key: Option<String>,
    /// The model, as the server calls it.
    pub(crate) model: String,
}

impl Server {
    /// Asks a server for its models; takes the first where none is named.
    ///
    /// # Errors
    /// When it cannot be reached, or names no model.
    pub(crate) fn connect(url: &str, key: Option<&str>, model: Option<&str>) -> Result<Self> {
        let agent = Agent::config_builder().timeout_global(Some(TIMEOUT)).build().into();
        let mut server = Self {
            agent,
            url: url.trim_end_matches('/').to_owned(),
            key: key.map(str::to_owned),
            model: model.unwrap_or_default().to_owned(),
        };
        if model.is_none() {
            let mut request = server.agent.get(server.address("models"));
            if let Some(key) = &server.key {
                request = request.header("Authorization", format!("Bearer {key}"));
            }
            let models = server.read("models", request.call())?;
            let Some(first) = models["data"][0]["id"].as_str() else {
                return Err(server.refused("models", "no model").with_hint("name one with --judge-model"));
            };
            first.clone_into(&mut server.model);
        }
        Ok(server)
    }

    /// The answer to one message.
    ///
    /// # Errors
    /// When the server does not answer as the API says.
    pub(crate) fn ask(&self, system: &str, user: &str) -> Result<String> {
        let body = json!({
            "model": self.model,
            "temperature": 0,
            "max_tokens": MAX_TOKENS,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
        });
        let mut request = self.agent.post(self.address("chat/completions")).content_type("application/json");
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let answer = self.read("chat/completions", request.send(body.to_string()))?;
        match answer["choices"][0]["message"]["content"].as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(self.refused("chat/completions", "no choices[0].message.content")),
        }
    }

    fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }

    fn read(
        &self,
        path: &str,
        answer: std::result::Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value> {
        let text = answer.and_then(|mut answer| answer.body_mut().read_to_string());
        let text = text.map_err(|error| self.refused(path, &error.to_string()))?;
        serde_json::from_str(&text).map_err(|_| self.refused(path, "an answer that is no JSON"))
    }

    fn refused(&self, path: &str, found: &str) -> Error {
        Error::refused(format!("--judge {}: {path}: {found}", self.url)).with_hint(
            "give the address of a server with an OpenAI-compatible API, as in http://127.0.0.1:8080/v1, and its key, \
             if it wants one, in OPENAI_API_KEY",
        )
    }
}
