//! What a server's answer means for a file of which some bytes are here.

use std::time::Duration;

use artifact::Error;
use ureq::Body;
use ureq::http::{HeaderMap, Response, StatusCode};

use super::Failure;

/// An answer that a file can be made of.
pub(super) enum Answer {
    /// All bytes follow, of a file of this version.
    Whole { total: Option<u64>, version: Option<String> },
    /// Those follow that were asked for.
    Rest { total: Option<u64> },
    /// None is missing.
    Complete,
    /// What is here goes with nothing that the server has.
    Useless { reason: String },
}

/// Reads the answer to a request for the bytes from `start` on.
///
/// # Errors
/// When it is an error, passing or not.
pub(super) fn read(response: &Response<Body>, url: &str, start: u64) -> Result<Answer, Failure> {
    let headers = response.headers();
    if let Some(encoding) = text(headers, "content-encoding").filter(|encoding| *encoding != "identity") {
        let message = format!("{url}: the server encodes the file as {encoding}, which was not asked for");
        return Err(Error::refused(message).with_hint("download the file in another way").into());
    }
    match response.status() {
        StatusCode::OK => {
            let total = text(headers, "content-length").and_then(|length| length.parse().ok());
            Ok(Answer::Whole { total, version: version(headers) })
        }
        StatusCode::PARTIAL_CONTENT => {
            let range = text(headers, "content-range").unwrap_or_default();
            Ok(match content_range(range) {
                Some((Some(first), total)) if first == start && total.is_none_or(|total| total >= start) => {
                    Answer::Rest { total }
                }
                _ => Answer::Useless {
                    reason: format!("asked for the bytes from {start}, the server gives `{range}`"),
                },
            })
        }
        StatusCode::RANGE_NOT_SATISFIABLE if start > 0 => {
            let range = text(headers, "content-range").unwrap_or_default();
            Ok(match content_range(range) {
                Some((None, Some(total))) if total == start => Answer::Complete,
                _ => Answer::Useless { reason: format!("the server has no bytes from {start} on") },
            })
        }
        status if is_passing(status) => {
            let wait = text(headers, "retry-after").and_then(|seconds| seconds.parse().ok());
            Err(Failure::Passing {
                reason: format!("the server answers {status}"),
                wait: wait.map(Duration::from_secs),
            })
        }
        status => {
            let hint = match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    "it may ask for a login: a token of the hub goes into HF_TOKEN"
                }
                _ => "check the address",
            };
            Err(Error::refused(format!("{url}: the server answers {status}")).with_hint(hint).into())
        }
    }
}

fn is_passing(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// What `If-Range` may name: a strong entity tag or a date.
fn version(headers: &HeaderMap) -> Option<String> {
    let tag = text(headers, "etag").filter(|tag| tag.starts_with('"'));
    tag.or_else(|| text(headers, "last-modified")).map(str::to_owned)
}

/// The first byte and the length of the whole, of `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10`.
fn content_range(text: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    if range == "*" {
        return Some((None, total));
    }
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && total.is_none_or(|total| last < total)).then_some((Some(first), total))
}
