//! Documentation comments: from what rustdoc reads to what a C programmer reads.

/// What a documentation comment says, in plain lines.
#[derive(Debug, PartialEq)]
pub struct Documentation {
    pub text: Vec<String>,
    pub section: Option<Section>,
}

/// A section of the header that starts with the documented item.
#[derive(Debug, PartialEq)]
pub struct Section {
    pub title: String,
    pub text: Vec<String>,
}

/// Reads a comment as cbindgen writes it: `/**`, lines that start with a star, `*/`. What follows a line
/// `@section Title` belongs to the section.
pub fn parse(comment: &str) -> Documentation {
    let lines: Vec<&str> = comment
        .lines()
        .filter_map(|line| line.strip_prefix(" *"))
        .filter(|line| *line != "/")
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let marker = lines.iter().position(|line| line.starts_with("@section "));
    let (text, section) = lines.split_at(marker.unwrap_or(lines.len()));
    let section = section.split_first().map(|(title, text)| Section {
        title: title.trim_start_matches("@section ").trim().to_owned(),
        text: plain(text),
    });
    Documentation { text: plain(text), section }
}

/// These lines as a comment; one line on one line, nothing for none.
pub fn comment(text: &[String]) -> String {
    match text {
        [] => String::new(),
        [line] => format!("/** {line} */\n"),
        lines => {
            let lines: String = lines.iter().map(|line| format!(" * {line}").trim_end().to_owned() + "\n").collect();
            format!("/**\n{lines} */\n")
        }
    }
}

/// Markdown to plain text: links become their words, code blocks are indented, emphasis goes, the `# Safety` part is
/// dropped (it is Rust's word for what the manual says once for all functions), other headings become `Title:`.
fn plain(lines: &[&str]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let (mut in_code, mut in_safety) = (false, false);
    for line in lines {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            continue;
        }
        if in_code {
            if !in_safety {
                out.push(format!("    {line}").trim_end().to_owned());
            }
            continue;
        }
        if let Some(heading) = line.strip_prefix('#') {
            let title = heading.trim_start_matches('#').trim();
            in_safety = title == "Safety";
            if !in_safety {
                out.push(format!("{title}:"));
            }
            continue;
        }
        if !in_safety {
            out.push(inline(line.trim_end()));
        }
    }
    tidy(align_tables(out))
}

/// Tables as columns: no bars, no rule below the heading, every column as wide as its widest cell.
fn align_tables(lines: Vec<String>) -> Vec<String> {
    let mut out = Vec::new();
    for block in lines.chunk_by(|line, next| is_row(line) == is_row(next)) {
        if is_row(&block[0]) {
            out.extend(align(block));
        } else {
            out.extend_from_slice(block);
        }
    }
    out
}

fn is_row(line: &str) -> bool {
    line.len() > 1 && line.starts_with('|') && line.ends_with('|')
}

fn align(rows: &[String]) -> Vec<String> {
    let cells = |row: &String| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let is_rule = |row: &&String| row.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '));
    let rows: Vec<Vec<String>> = rows.iter().filter(|row| !is_rule(row)).map(cells).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell: &String| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("    {}", cells.join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// No empty line at either end, none after a heading, no two in a row; nothing that would end the comment.
fn tidy(lines: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in lines {
        let previous = out.last().map(String::as_str);
        let after_heading = previous.is_some_and(|previous| matches!(previous, "Errors:" | "Example:" | "Examples:"));
        if line.is_empty() && (previous.is_none_or(str::is_empty) || after_heading) {
            continue;
        }
        out.push(line.replace("*/", "* /"));
    }
    while out.last().is_some_and(String::is_empty) {
        out.pop();
    }
    out
}

/// One line of prose without Markdown: `` [`name`] `` and `[words](target)` lose their brackets (a target that is a
/// web address is kept), `**words**` its stars; backticks go where they hold a name.
fn inline(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find('[') {
        let (before, bracket) = rest.split_at(start);
        out.push_str(before);
        let Some((words, after)) = link(bracket) else {
            out.push('[');
            rest = &bracket[1..];
            continue;
        };
        out.push_str(&words);
        rest = after;
    }
    out.push_str(rest);
    unmark(&out)
}

/// A link at the start of `text`: its words, and what follows it. A bracket that is no link, such as a JSON list or
/// an optional parameter, is left alone.
fn link(text: &str) -> Option<(String, &str)> {
    let (words, after) = text.strip_prefix('[')?.split_once(']')?;
    if let Some((target, after)) = after.strip_prefix('(').and_then(|target| target.split_once(')')) {
        let words = if target.starts_with("http") { format!("{words} ({target})") } else { words.to_owned() };
        return Some((words, after));
    }
    let is_name = words.len() > 2 && words.starts_with('`') && words.ends_with('`');
    is_name.then(|| (words.to_owned(), after))
}

/// Takes the stars of `**emphasis**` away, and the backticks off names (`armoriq_status`, `NULL`, `free()`), which need
/// none in C. Around anything else, JSON for instance, they stay: they say where it begins and ends.
fn unmark(line: &str) -> String {
    if line.matches('`').count() % 2 == 1 {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len());
    for (index, part) in line.split('`').enumerate() {
        let quoted = index % 2 == 1;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'(' | b')' | b'*' | b'.');
        if !quoted {
            out.push_str(&part.replace("**", ""));
        } else if part.bytes().all(is_name) {
            out.push_str(part);
        } else {
            out.push_str(&format!("`{part}`"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(comment: &str) -> Vec<String> {
        parse(comment).text
    }

    #[test]
    fn markdown_becomes_plain_text() {
        let written = "/**\n * Makes a [`armoriq_client`]; see [the docs](https://docs.armoriq.ai), **always**.\n *\n \
                       * # Errors\n *\n * `ARMORIQ_ERR_X`, `{\"a\": 1}`, [a, b], `char **`.\n *\n * ```c\n * x();\n * ```\n *\n \
                       * # Safety\n *\n * `client` is valid.\n */\n";
        let expected = [
            "Makes a armoriq_client; see the docs (https://docs.armoriq.ai), always.",
            "",
            "Errors:",
            "ARMORIQ_ERR_X, `{\"a\": 1}`, [a, b], `char **`.",
            "",
            "    x();",
        ];
        assert_eq!(text(written), expected);
    }

    #[test]
    fn tables_become_columns() {
        let written = "/**\n * Options:\n *\n * | member | default |\n * | --- | --- |\n * | `mode` | \"local\" |\n * \
                       | `llm` | |\n *\n * Then.\n */\n";
        let expected = ["Options:", "", "    member  default", "    mode    \"local\"", "    llm", "", "Then."];
        assert_eq!(text(written), expected);
    }

    #[test]
    fn safety_is_for_rust() {
        assert_eq!(text("/**\n * Frees it.\n *\n * # Safety\n * Fine.\n */\n"), ["Frees it."]);
    }

    #[test]
    fn a_comment_cannot_be_ended_from_inside() {
        assert_eq!(text("/**\n * a */ b\n */\n"), ["a * / b"]);
    }

    #[test]
    fn the_section_is_what_follows_its_marker() {
        let documentation = parse("/**\n * A client.\n *\n * @section Clients\n * One per key.\n */\n");
        assert_eq!(documentation.text, ["A client."]);
        assert_eq!(
            documentation.section,
            Some(Section { title: "Clients".to_owned(), text: vec!["One per key.".to_owned()] })
        );
        assert_eq!(parse("/**\n * A client.\n */\n").section, None);
    }

    #[test]
    fn one_line_stays_on_one_line() {
        assert_eq!(comment(&["Frees it.".to_owned()]), "/** Frees it. */\n");
        assert_eq!(comment(&[]), "");
    }
}
