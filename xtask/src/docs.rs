//! From what rustdoc reads to what a C programmer reads: the text of documentation comments, and the `@section` part
//! of a module's own.

/// The title and the text of the header's section that a module's `//!` comment describes: what follows the line
/// `@section Title`, to the end of the comment. What stands before it is for the readers of the Rust code.
pub fn section(source: &str) -> Option<(String, Vec<String>)> {
    let mut lines = source
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .map(|line| line.trim_start_matches("//!").strip_prefix(' ').unwrap_or_default());
    let title = lines.find_map(|line| line.strip_prefix("@section "))?.trim().to_owned();
    let text: Vec<String> = lines.map(str::to_owned).collect();
    let text = plain(text.iter().map(String::as_str));
    Some((title, text))
}

/// Rewrites each `/** … */` of `header`, leaving all else as it is.
pub fn rewrite(header: &str) -> String {
    let mut out = String::with_capacity(header.len());
    let mut lines = header.lines();
    while let Some(line) = lines.next() {
        let indent = &line[..line.len() - line.trim_start().len()];
        if line.trim() != "/**" {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "*/").collect();
        let text = plain(block.iter().map(|line| {
            let text = line.trim_start().strip_prefix('*').unwrap_or_default();
            text.strip_prefix(' ').unwrap_or(text)
        }));
        out.push_str(&comment("/**", indent, &text));
    }
    out
}

/// A block comment of these lines; of one line, on one line.
pub fn comment(open: &str, indent: &str, text: &[String]) -> String {
    if let [line] = text {
        return format!("{indent}{open} {line} */\n");
    }
    let mut out = format!("{indent}{open}\n");
    for line in text {
        out.push_str(format!("{indent} * {line}").trim_end());
        out.push('\n');
    }
    out.push_str(&format!("{indent} */\n"));
    out
}

/// Markdown to plain text: links become their words, code blocks are indented, emphasis goes, the `# Safety` part is
/// dropped (it is Rust's word for what the manual says once for all functions), other headings become `Title:`.
fn plain<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
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
    tidy(out)
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
    unquote(&out.replace("**", ""))
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

/// Takes the backticks off names (`armoriq_status`, `NULL`, `free()`), which need none in C. Around anything else,
/// JSON for instance, they stay: they say where it begins and ends.
fn unquote(line: &str) -> String {
    if line.matches('`').count() % 2 == 1 {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len());
    for (index, part) in line.split('`').enumerate() {
        let quoted = index % 2 == 1;
        let name =
            part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'(' | b')' | b'*' | b'.'));
        if quoted && !name {
            out.push_str(&format!("`{part}`"));
        } else {
            out.push_str(part);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_plain_text() {
        let header = "/**\n * Makes a [`armoriq_client`]; see [the docs](https://docs.armoriq.ai), **always**.\n *\n \
                      * # Errors\n *\n * `ARMORIQ_ERR_X`, `{\"a\": 1}`, [a, b].\n *\n * ```c\n * x();\n * ```\n *\n \
                      * # Safety\n *\n * `client` is valid.\n */\nint x(void);\n";
        let expected = "/**\n * Makes a armoriq_client; see the docs (https://docs.armoriq.ai), always.\n *\n * \
                        Errors:\n * ARMORIQ_ERR_X, `{\"a\": 1}`, [a, b].\n *\n *     x();\n */\nint x(void);\n";
        assert_eq!(rewrite(header), expected);
    }

    #[test]
    fn one_line_stays_one_line() {
        assert_eq!(rewrite("/**\n * Frees it.\n *\n * # Safety\n * Fine.\n */\n"), "/** Frees it. */\n");
    }

    #[test]
    fn a_comment_cannot_be_ended_from_inside() {
        assert_eq!(rewrite("/**\n * a */ b\n */\n"), "/** a * / b */\n");
    }

    #[test]
    fn the_section_is_what_follows_its_marker() {
        let source = "//! For Rust readers.\n//!\n//! @section Clients\n//! One per key.\n\nuse std::fmt;\n";
        assert_eq!(section(source), Some(("Clients".to_owned(), vec!["One per key.".to_owned()])));
        assert_eq!(section("//! For Rust readers.\n"), None);
    }
}
