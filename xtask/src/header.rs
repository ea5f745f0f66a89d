//! Generates `include/armoriq.h` from `src/ffi`.
//!
//! The header is put together of sections, one for each module that exports something, in the order in which a program
//! uses them. cbindgen renders the items of a section (constants, types, functions, each in source order); the heading
//! comes from the `@section` part of the module's documentation.

use std::path::{Path, PathBuf};

use crate::docs;

/// The modules of `src/ffi` that make up the header, in its order. A type stands in a section before those that use it.
const SECTIONS: &[&str] = &["library", "client", "user", "session", "policy"];

const PROLOGUE: &str = include_str!("../templates/prologue.h");
const EPILOGUE: &str = include_str!("../templates/epilogue.h");

/// Writes the header, and only when it changed, so that nothing is rebuilt for it.
pub fn write() -> Result<String, String> {
    let (path, header) = (path(), generate()?);
    if std::fs::read_to_string(&path).is_ok_and(|committed| committed == header) {
        return Ok(format!("{} is up to date", path.display()));
    }
    std::fs::write(&path, header).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(format!("wrote {}", path.display()))
}

/// Compares the committed header with the generated one.
pub fn check() -> Result<String, String> {
    let path = path();
    let committed = read(&path)?;
    let generated = generate()?;
    if committed == generated {
        return Ok(format!("{} is up to date", path.display()));
    }
    let differences = differences(&committed, &generated);
    Err(format!("{} is out of date; `make header` writes it anew:\n{differences}", path.display()))
}

/// The repository: this package's folder is one level down.
fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

fn path() -> PathBuf {
    root().join("include/armoriq.h")
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn generate() -> Result<String, String> {
    let example = read(&root().join("examples/c/hello.c"))?;
    let example: Vec<String> = example.lines().map(|line| format!(" *     {line}").trim_end().to_owned()).collect();
    let prologue = PROLOGUE
        .replace("@EXAMPLE@", &example.join("\n"))
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@MAJOR@", env!("CARGO_PKG_VERSION_MAJOR"))
        .replace("@MINOR@", env!("CARGO_PKG_VERSION_MINOR"))
        .replace("@PATCH@", env!("CARGO_PKG_VERSION_PATCH"));
    let mut header = prologue;
    for module in SECTIONS {
        header.push_str(&section(module)?);
    }
    header.push_str(EPILOGUE);
    Ok(header)
}

fn section(module: &str) -> Result<String, String> {
    let path = root().join(format!("src/ffi/{module}.rs"));
    let source = read(&path)?;
    let (title, text) =
        docs::section(&source).ok_or_else(|| format!("{}: its //! comment has no @section", path.display()))?;
    let mut config = cbindgen::Config::from_file(root().join("cbindgen.toml"))?;
    config.export.include = types(&source);
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(&path)
        .generate()
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let mut rendered = Vec::new();
    bindings.write(&mut rendered);
    let rendered = String::from_utf8(rendered).map_err(|error| format!("{}: {error}", path.display()))?;
    let items = in_source_order(&rendered, &source)?;
    Ok(format!("{}\n{}\n", heading(&title, &text), must_use(&docs::rewrite(&items)).trim_end()))
}

/// The types that a module declares for C. cbindgen would leave out those that only another section's functions use.
fn types(source: &str) -> Vec<String> {
    source
        .lines()
        .filter_map(|line| line.strip_prefix("pub type ").or_else(|| line.strip_prefix("pub struct ")))
        .filter_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_').next())
        .map(str::to_owned)
        .collect()
}

/// The rendered items in the order of the source. cbindgen puts all types first, then the constants, then the functions;
/// read in source order, a type's constants follow it.
fn in_source_order(rendered: &str, source: &str) -> Result<String, String> {
    let mut items = Vec::new();
    for item in rendered.split("\n\n").map(str::trim).filter(|item| !item.is_empty()) {
        let name = declared_name(item).ok_or_else(|| format!("what does this declare?\n{item}"))?;
        if !name.starts_with("armoriq_") && !name.starts_with("ARMORIQ_") {
            return Err(format!("{name} would be in the header without the prefix: make it private"));
        }
        let position = position(name, source).ok_or_else(|| format!("{name} is not declared where cbindgen saw it"))?;
        items.push((position, item));
    }
    items.sort_by_key(|(position, _)| *position);
    let mut out = String::new();
    for (index, (_, item)) in items.iter().enumerate() {
        let previous = index.checked_sub(1).map(|previous| items[previous].1);
        if previous.is_some_and(|previous| !(is_short_constant(previous) && is_short_constant(item))) {
            out.push('\n');
        }
        out.push_str(item);
        out.push('\n');
    }
    Ok(out)
}

/// The name that a C declaration with its comment declares.
fn declared_name(item: &str) -> Option<&str> {
    let declaration = item.rsplit("*/").next()?.trim();
    let name = if let Some(definition) = declaration.strip_prefix("#define ") {
        definition.split_whitespace().next()?
    } else if let Some((_, pointer)) = declaration.split_once("(*") {
        pointer.split(')').next()?
    } else if declaration.starts_with("typedef ") {
        declaration.trim_end_matches(';').rsplit(|c: char| c.is_whitespace() || c == '*').next()?
    } else {
        declaration.split('(').next()?.rsplit(|c: char| c.is_whitespace() || c == '*').next()?
    };
    Some(name)
}

/// Where `source` declares `name`.
fn position(name: &str, source: &str) -> Option<usize> {
    let declares = |kind: &str| {
        let declaration = format!("{kind} {name}");
        let mut places = source.match_indices(&declaration).map(|(place, _)| place);
        places.find(|place| !source[place + declaration.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    ["type", "struct", "const", "fn"].into_iter().find_map(declares)
}

/// A constant whose comment is one line: such a list reads better without empty lines.
fn is_short_constant(item: &str) -> bool {
    item.contains("#define ") && item.lines().count() <= 4
}

/// An ignored status is nearly always a mistake: every function that returns one says so to the compiler.
fn must_use(items: &str) -> String {
    let mark = |line: &str| match line.strip_prefix("armoriq_status armoriq_") {
        Some(rest) => format!("ARMORIQ_MUST_USE\narmoriq_status armoriq_{rest}"),
        None => line.to_owned(),
    };
    items.lines().map(mark).collect::<Vec<_>>().join("\n")
}

/// A section's heading: a rule, the title, and what the section is about.
fn heading(title: &str, text: &[String]) -> String {
    let mut heading = format!("\n/* {}\n * {title}\n", "-".repeat(96));
    if !text.is_empty() {
        heading.push_str(" *\n");
    }
    for line in text {
        heading.push_str(format!(" * {line}").trim_end());
        heading.push('\n');
    }
    heading + " */\n"
}

/// The lines that only one of the two has, with where they are: `-` in the committed header, `+` in the generated one.
fn differences(committed: &str, generated: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (committed.lines().collect(), generated.lines().collect());
    let same_start = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (&old[same_start..], &new[same_start..]);
    let same_end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(old, new)| old == new).count();
    let mut out = format!("at line {}:\n", same_start + 1);
    for (sign, lines) in [('-', &old_rest[..old_rest.len() - same_end]), ('+', &new_rest[..new_rest.len() - same_end])]
    {
        for line in lines {
            out.push_str(&format!("{sign} {line}\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_follow_the_source() {
        let source = "pub type armoriq_status = i32;\npub const ARMORIQ_OK: armoriq_status = 0;\n\
                      pub const ARMORIQ_OKAY: armoriq_status = 1;\npub fn armoriq_a_b() {}\npub fn armoriq_a() {}\n\
                      pub type armoriq_log_fn = Option<fn()>;\n";
        let rendered = "typedef int32_t armoriq_status;\n\ntypedef void (*armoriq_log_fn)(void *data);\n\n\
                        /** Good. */\n#define ARMORIQ_OK 0\n\n#define ARMORIQ_OKAY 1\n\nchar *armoriq_a(void);\n\n\
                        /**\n * Does.\n */\narmoriq_status armoriq_a_b(armoriq_status of);\n";
        let expected = "typedef int32_t armoriq_status;\n\n/** Good. */\n#define ARMORIQ_OK 0\n#define ARMORIQ_OKAY 1\n\n\
                        /**\n * Does.\n */\narmoriq_status armoriq_a_b(armoriq_status of);\n\nchar *armoriq_a(void);\n\n\
                        typedef void (*armoriq_log_fn)(void *data);\n";
        assert_eq!(in_source_order(rendered, source).as_deref(), Ok(expected));
    }

    #[test]
    fn nothing_without_the_prefix() {
        assert!(in_source_order("#define LIMIT 3\n", "pub const LIMIT: i32 = 3;\n").is_err());
    }

    #[test]
    fn differences_are_shown_with_their_place() {
        assert_eq!(differences("a\nb\nc\n", "a\nx\ny\nc\n"), "at line 2:\n- b\n+ x\n+ y\n");
    }
}
