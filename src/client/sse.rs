//! Server-sent events, read by the rules of the HTML standard.

use memchr::{memchr2, memmem};

/// The data of each event of a stream, in order. Comments, names, ids and retry times are passed over, and so is an
/// event without data. An event that the stream's end cuts off from its blank line counts: gateways leave that out.
pub(super) fn events(stream: &[u8]) -> Events<'_> {
    later_events(stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream))
}

/// The same of a part that is not the stream's beginning: a byte order mark is only there.
pub(super) fn later_events(part: &[u8]) -> Events<'_> {
    Events { rest: Some(part) }
}

/// The end of the last blank line, which ends an event.
pub(super) fn end_of_events(stream: &[u8]) -> Option<usize> {
    let ends = [&b"\n\n"[..], b"\r\r", b"\n\r"].map(|end| memmem::rfind(stream, end).map(|at| at + end.len()));
    let end = ends.into_iter().max().flatten()?;
    // A CR may be half of a line's end.
    Some(end + usize::from(stream.get(end - 1..=end) == Some(b"\r\n")))
}

pub(super) struct Events<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Events<'a> {
    /// The next line, without its end: LF, CR, or CR and LF.
    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let Some((line, after)) = memchr2(b'\n', b'\r', rest).and_then(|at| rest.split_at_checked(at)) else {
            self.rest = None;
            return Some(rest);
        };
        self.rest = after.strip_prefix(b"\r\n").or_else(|| after.get(1..));
        Some(line)
    }
}

impl Iterator for Events<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut data: Option<Vec<u8>> = None;
        while let Some(line) = self.line() {
            if line.is_empty() && data.is_some() {
                return data;
            }
            match (data_in(line), &mut data) {
                (None, _) => {}
                (Some(first), None) => data = Some(first.to_vec()),
                (Some(more), Some(data)) => {
                    data.push(b'\n');
                    data.extend_from_slice(more);
                }
            }
        }
        data
    }
}

/// What a line says, where it is one of the field `data`.
fn data_in(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stream: &str) -> Vec<String> {
        events(stream.as_bytes()).map(|data| String::from_utf8(data).unwrap()).collect()
    }

    #[test]
    fn lines_end_in_each_of_the_three_ways() {
        for stream in ["data: a\n\ndata: b\n\n", "data: a\r\rdata: b\r\r", "data: a\r\n\r\ndata: b\r\n\r\n"] {
            assert_eq!(read(stream), ["a", "b"], "{stream:?}");
        }
        assert_eq!(read("data: a\r\n\ndata: b\n\r\ndata: c\r\r\n"), ["a", "b", "c"]);
        assert_eq!(read("data: a\rdata: b\n\r\n"), ["a\nb"]);
    }

    #[test]
    fn one_space_after_the_colon_is_not_data_and_none_is_needed() {
        assert_eq!(read("data:a\n\ndata: b\n\ndata:  c \n\ndata:\td\n\n"), ["a", "b", " c ", "\td"]);
        assert_eq!(read("data: a: b\n\ndata::\n\n"), ["a: b", ":"]);
    }

    #[test]
    fn lines_of_data_are_joined() {
        assert_eq!(read("data: {\"a\":\ndata: 1}\n\n"), ["{\"a\":\n1}"]);
        assert_eq!(read("data: a\n: comment\nid: 7\ndata\ndata: b\n\n"), ["a\n\nb"]);
        assert_eq!(read("data\n\ndata:\n\n"), ["", ""]);
    }

    #[test]
    fn what_is_no_data_is_passed_over() {
        for stream in [
            "",
            "\n",
            "\r\n\r\n",
            ": comment\n\n",
            ":data: a\n\n",
            "event: message\nid: 1\nretry: 5\n\n",
            "Data: a\n\n",
            " data: a\n\n",
            "data : a\n\n",
            "database: a\n\n",
            "dat\n\na: a\n\n",
        ] {
            assert!(read(stream).is_empty(), "{stream:?}");
        }
        assert_eq!(read("\n\n: hello\n\nevent: message\ndata: a\nretry: x\n\n\n\n"), ["a"]);
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_once() {
        assert_eq!(read("\u{feff}data: a\n\n"), ["a"]);
        assert!(read("\u{feff}\u{feff}data: a\n\n").is_empty());
        assert_eq!(read("data: \u{feff}a\n\n"), ["\u{feff}a"]);
        assert!(later_events("\u{feff}data: a\n\n".as_bytes()).next().is_none());
    }

    #[test]
    fn the_end_of_the_stream_ends_the_last_event() {
        assert_eq!(read("data: a\n\ndata: b\n"), ["a", "b"]);
        assert_eq!(read("data: a"), ["a"]);
        assert_eq!(read("data: a\r"), ["a"]);
        assert!(read("event: a").is_empty());
    }

    #[test]
    fn an_event_ends_with_a_blank_line() {
        for (stream, end) in [
            ("", None),
            ("data: a\n", None),
            ("data: a\r\n", None),
            ("data: a\n\n", Some(9)),
            ("data: a\r\r", Some(9)),
            ("data: a\r\n\r\n", Some(11)),
            ("data: a\r\n\r", Some(10)),
            ("data: a\n\ndata: b", Some(9)),
            ("a\r\rb\n\nc\n\r\nd\n", Some(10)),
        ] {
            assert_eq!(end_of_events(stream.as_bytes()), end, "{stream:?}");
        }
    }

    #[test]
    fn other_separators_are_part_of_the_data() {
        let data = "a\u{85}\u{2028}\u{2029}\u{b}\u{c}\0";
        assert_eq!(read(&format!("data: {data}\n\n")), [data]);
        assert_eq!(events(b"data: \xff\xfe\n\n").next().unwrap(), b"\xff\xfe");
    }
}
