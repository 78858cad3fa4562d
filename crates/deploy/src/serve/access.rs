//! Who may ask, and how often.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::State;
use super::api_error::ApiError;

/// Clients that a rate limit remembers before it forgets those that have been quiet.
const MOST_CLIENTS: usize = 10_000;

/// The address that a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// The rules of a server.
pub(super) struct Access {
    /// Hashes of the keys that open it, whose comparison takes the same time for all; none where it is open to all.
    keys: Vec<blake3::Hash>,
    rate: Option<Rate>,
}

/// A bucket for each client, which fills again at a constant rate.
struct Rate {
    /// Requests that a full bucket holds, and that flow into it in a minute.
    per_minute: f64,
    buckets: Mutex<HashMap<Client, Bucket>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Client {
    Key(blake3::Hash),
    Address(IpAddr),
}

struct Bucket {
    requests: f64,
    at: Instant,
}

impl Access {
    pub(super) fn new(keys: &[String], requests_per_minute: Option<u32>) -> Self {
        Self {
            keys: keys.iter().map(|key| blake3::hash(key.as_bytes())).collect(),
            rate: requests_per_minute
                .map(|rate| Rate { per_minute: f64::from(rate.max(1)), buckets: Mutex::default() }),
        }
    }

    /// Whether keys are asked for.
    pub(super) fn is_closed(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The key that a request shows, if it is one of the server's.
    fn key(&self, headers: &HeaderMap) -> Result<Option<blake3::Hash>, ApiError> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|value| value.split_once(' '));
        let shown = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let shown = shown.map(|(_, key)| blake3::hash(key.trim().as_bytes()));
        match shown.filter(|shown| self.keys.iter().filter(|key| *key == shown).count() > 0) {
            Some(key) => Ok(Some(key)),
            None => Err(ApiError::unauthorized()),
        }
    }
}

impl Rate {
    /// Takes one request, or tells after how many seconds there will be one to take.
    fn take(&self, client: Client, now: Instant) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |bucket: &Bucket| {
            let flowed = now.saturating_duration_since(bucket.at).as_secs_f64() * self.per_minute / 60.0;
            (bucket.requests + flowed).min(self.per_minute)
        };
        if buckets.len() >= MOST_CLIENTS {
            buckets.retain(|_, bucket| filled(bucket) < self.per_minute);
        }
        let bucket = buckets.entry(client).or_insert(Bucket { requests: self.per_minute, at: now });
        *bucket = Bucket { requests: filled(bucket), at: now };
        if bucket.requests < 1.0 {
            return Err(((1.0 - bucket.requests) * 60.0 / self.per_minute).ceil() as u64);
        }
        bucket.requests -= 1.0;
        Ok(())
    }
}

/// Lets a request through, or refuses it.
pub(super) async fn check(
    Shared(state): Shared<Arc<State>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let key = state.access.key(request.headers())?;
    if let Some(rate) = &state.access.rate {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
        let client = key.map(Client::Key).or(peer.map(Client::Address));
        if let Some(client) = client {
            rate.take(client, Instant::now()).map_err(ApiError::too_often)?;
        }
    }
    Ok(next.run(request).await)
}

impl ApiError {
    fn unauthorized() -> Self {
        Self::invalid("expected `Authorization: Bearer` with a key of this server")
            .status(StatusCode::UNAUTHORIZED)
            .coded("invalid_api_key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_fills_again() {
        let access = Access::new(&[], Some(2));
        let rate = access.rate.unwrap();
        let now = Instant::now();
        let [a, b] = [1, 2].map(|n| Client::Address(IpAddr::from([127, 0, 0, n])));
        assert_eq!([rate.take(a, now), rate.take(a, now)], [Ok(()), Ok(())]);
        assert_eq!(rate.take(a, now), Err(30));
        assert_eq!(rate.take(b, now), Ok(()));
        assert_eq!(rate.take(a, now + Duration::from_secs(15)), Err(15));
        assert_eq!(rate.take(a, now + Duration::from_secs(31)), Ok(()));
        assert!(rate.take(a, now + Duration::from_secs(32)).is_err());
    }
}
