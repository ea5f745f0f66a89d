//! The proxy's answers to tool calls, plain and as server-sent events: a refusal is never taken for a result.
//!
//! The first byte chooses the head, the next eight the pieces in which the body comes, the rest is the body.

#![no_main]

use std::mem::discriminant;

use armoriq::fuzzing::{Head, events};
use armoriq::json::{self, Value};
use libfuzzer_sys::fuzz_target;

const STATUSES: [u16; 8] = [200, 201, 401, 403, 409, 302, 500, 429];

fuzz_target!(|bytes: &[u8]| {
    let Some(([first, pieces @ ..], body)) = bytes.split_first_chunk::<9>() else { return };
    let status = STATUSES[usize::from(first & 7)];
    let (is_stream, says_revoked) = (first & 8 != 0, first & 16 != 0);
    let content_type = if is_stream { "text/event-stream; charset=utf-8" } else { "application/json" };
    let head = Head::new(status, content_type, says_revoked);

    assert_eq!(events(body), plain_events(body));
    let result = head.read(body);
    if let Ok(result) = &result {
        assert!((200..300).contains(&status));
        let answer = answer(is_stream, body).expect("an answer");
        assert!(!refuses(&answer), "{answer} gave {result}");
        assert!(result == answer.get("result").unwrap_or(&answer));
    }
    // A stream that is left early means what it would have meant at its end.
    let end = head.read_until(body, pieces);
    if end < body.len() {
        assert!(is_stream);
        let early = head.read(&body[..end]);
        // The text of a failure quotes what was read of the answer; which failure it is must not differ.
        match (&early, &result) {
            (Err(early), Err(late)) => assert_eq!(discriminant(early), discriminant(late), "{early} {late}"),
            _ => assert!(early.as_ref().ok() == result.as_ref().ok(), "left at {end} of {}", body.len()),
        }
    }
});

/// Events by the standard's words: lines first, then fields, then events. The stream's end ends the last one.
fn plain_events(stream: &[u8]) -> Vec<Vec<u8>> {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let mut text = Vec::new();
    let mut bytes = stream.iter().peekable();
    while let Some(byte) = bytes.next() {
        if *byte == b'\r' {
            bytes.next_if(|next| **next == b'\n');
        }
        text.push(if *byte == b'\r' { b'\n' } else { *byte });
    }
    text.extend_from_slice(b"\n\n");
    let (mut all, mut data) = (Vec::new(), Vec::new());
    for line in text.split(|byte| *byte == b'\n') {
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &b""[..]),
        };
        if line.is_empty() && !data.is_empty() {
            all.push(data.join(&b'\n'));
            data.clear();
        } else if name == b"data" {
            data.push(value.strip_prefix(b" ").unwrap_or(value));
        }
    }
    all
}

/// The body, or the first event that is an answer.
fn answer(is_stream: bool, body: &[u8]) -> Option<Value> {
    if !is_stream {
        return json::parse_bytes(body).ok();
    }
    let messages = plain_events(body).into_iter().filter_map(|data| json::parse_bytes(&data).ok());
    let members = ["result", "error", "enforcementAction", "enforcement", "allowed"];
    let is_answer = |message: &Value| {
        message.as_object().is_some_and(|it| {
            !it.is_empty()
                && (!it.get("method").is_some_and(Value::is_string) || members.iter().any(|m| it.contains_key(*m)))
        })
    };
    messages.into_iter().find(is_answer)
}

fn refuses(answer: &Value) -> bool {
    let named = [answer.get("enforcementAction"), answer.get("enforcement").and_then(|it| it.get("action"))];
    answer.get("allowed") == Some(&Value::Bool(false))
        || named.into_iter().flatten().any(|action| !action.is_null() && action != "allow")
}
