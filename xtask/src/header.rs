//! Generates `include/armoriq.h` from `src/ffi`.
//!
//! cbindgen renders the items of one module at a time; they are put in the order of the source, so that the constants
//! of a type follow it, and their comments are made plain. A line `@section Title` in a documentation comment starts a
//! section of the header before that item; what follows the line, to the end of the comment, introduces the section.
//! The opaque types stand before everything, since functions of one section take and give those of another.

use std::path::{Path, PathBuf};

use crate::docs::{self, Documentation};

/// The modules of `src/ffi` that declare what is in the header, in the order in which a program uses it. A type is
/// declared before it is used.
const MODULES: &[&str] = &[
    "status",
    "library",
    "client",
    "user",
    "session",
    "policy",
    "invocation",
    "tokens",
    "trust",
    "delegation",
    "directory",
    "inventory",
    "usage",
    "queue",
    "submit",
];

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
pub fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

pub fn path() -> PathBuf {
    root().join("include/armoriq.h")
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn generate() -> Result<String, String> {
    let mut items = Vec::new();
    for module in MODULES {
        items.extend(declarations(module)?);
    }
    Ok(prologue()? + &lay_out(&items) + EPILOGUE)
}

fn prologue() -> Result<String, String> {
    let example = read(&root().join("examples/c/hello.c"))?;
    let example: Vec<String> = example.lines().map(|line| format!(" *     {line}").trim_end().to_owned()).collect();
    Ok(PROLOGUE
        .replace("@EXAMPLE@", &example.join("\n"))
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@MAJOR@", env!("CARGO_PKG_VERSION_MAJOR"))
        .replace("@MINOR@", env!("CARGO_PKG_VERSION_MINOR"))
        .replace("@PATCH@", env!("CARGO_PKG_VERSION_PATCH")))
}

/// What a module declares.
fn declarations(module: &str) -> Result<Vec<Item>, String> {
    let path = root().join(format!("src/ffi/{module}.rs"));
    let source = read(&path)?;
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
    Ok(in_source_order(&rendered, &source)?.into_iter().map(Item::parse).collect())
}

/// The types that a module declares for C. cbindgen would leave out those that only another module's functions use.
fn types(source: &str) -> Vec<String> {
    source
        .lines()
        .filter_map(|line| line.strip_prefix("pub type ").or_else(|| line.strip_prefix("pub struct ")))
        .filter_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_').next())
        .map(str::to_owned)
        .collect()
}

/// The rendered items in the order of the source. cbindgen puts all types first, then constants, then functions.
fn in_source_order<'a>(rendered: &'a str, source: &str) -> Result<Vec<&'a str>, String> {
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
    Ok(items.into_iter().map(|(_, item)| item).collect())
}

/// The name that a C declaration with its comment declares.
fn declared_name(item: &str) -> Option<&str> {
    let declaration = split_comment(item).1.trim();
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

/// The comment in front of a declaration, and the declaration. The members of a structure have comments of their own.
fn split_comment(item: &str) -> (&str, &str) {
    let end = if item.starts_with("/*") { item.find("*/\n").map_or(0, |end| end + "*/\n".len()) } else { 0 };
    item.split_at(end)
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

/// One declaration, its comment made plain.
struct Item {
    documentation: Documentation,
    declaration: String,
}

impl Item {
    fn parse(rendered: &str) -> Self {
        let (comment, declaration) = split_comment(rendered);
        Self { documentation: docs::parse(comment), declaration: with_plain_members(declaration) }
    }

    fn is_opaque_type(&self) -> bool {
        self.declaration.starts_with("typedef struct ") && !self.declaration.contains('{')
    }

    /// A constant whose comment is one line: a list of them reads better without empty lines.
    fn is_short_constant(&self) -> bool {
        self.declaration.starts_with("#define ") && self.documentation.text.len() == 1
    }

    fn render(&self) -> String {
        // An ignored status is nearly always a mistake: every function that returns one says so to the compiler.
        let must_use = if self.declaration.starts_with("armoriq_status armoriq_") { "ARMORIQ_MUST_USE\n" } else { "" };
        format!("{}{must_use}{}\n", docs::comment(&self.documentation.text), self.declaration)
    }
}

/// A declaration with the comments of its members made plain.
fn with_plain_members(declaration: &str) -> String {
    const INDENT: &str = "    ";
    let (mut out, mut comment) = (Vec::new(), String::new());
    for line in declaration.lines() {
        let inner = line.strip_prefix(INDENT).unwrap_or(line);
        if comment.is_empty() && inner != "/**" {
            out.push(line.to_owned());
            continue;
        }
        comment.push_str(inner);
        comment.push('\n');
        if inner == " */" {
            out.extend(docs::comment(&docs::parse(&comment).text).lines().map(|line| format!("{INDENT}{line}")));
            comment.clear();
        }
    }
    out.join("\n")
}

/// The opaque types, then all else in its order, with a heading where an item starts a section.
fn lay_out(items: &[Item]) -> String {
    let mut out = heading("Handles", &[]);
    for item in items.iter().filter(|item| item.is_opaque_type()) {
        out.push('\n');
        out.push_str(&item.render());
    }
    let mut after_short_constant = false;
    for item in items {
        let short_constant = item.is_short_constant();
        if let Some(section) = &item.documentation.section {
            out.push_str(&heading(&section.title, &section.text));
        }
        if item.is_opaque_type() {
            continue;
        }
        if !(short_constant && after_short_constant) {
            out.push('\n');
        }
        out.push_str(&item.render());
        after_short_constant = short_constant;
    }
    out
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
                        #define ARMORIQ_OK 0\n\n#define ARMORIQ_OKAY 1\n\nchar *armoriq_a(void);\n\n\
                        /**\n * Does.\n */\narmoriq_status armoriq_a_b(armoriq_status of);\n";
        let expected = [
            "typedef int32_t armoriq_status;",
            "#define ARMORIQ_OK 0",
            "#define ARMORIQ_OKAY 1",
            "/**\n * Does.\n */\narmoriq_status armoriq_a_b(armoriq_status of);",
            "char *armoriq_a(void);",
            "typedef void (*armoriq_log_fn)(void *data);",
        ];
        assert_eq!(in_source_order(rendered, source).as_deref(), Ok(expected.as_slice()));
    }

    #[test]
    fn nothing_without_the_prefix() {
        assert!(in_source_order("#define LIMIT 3\n", "pub const LIMIT: i32 = 3;\n").is_err());
    }

    #[test]
    fn sections_and_lists_are_laid_out() {
        let items = [
            "/**\n * A status.\n *\n * @section Status\n * Numbers.\n */\ntypedef int32_t armoriq_status;",
            "/**\n * Good.\n */\n#define ARMORIQ_OK 0",
            "/**\n * Bad.\n */\n#define ARMORIQ_BAD 1",
            "/**\n * A client.\n *\n * @section Client\n */\ntypedef struct armoriq_client armoriq_client;",
            "/**\n * Does.\n */\narmoriq_status armoriq_do(armoriq_client *client);",
        ]
        .map(Item::parse);
        let rule = "-".repeat(96);
        let expected = format!(
            "\n/* {rule}\n * Handles\n */\n\n/** A client. */\ntypedef struct armoriq_client armoriq_client;\n\
             \n/* {rule}\n * Status\n *\n * Numbers.\n */\n\n/** A status. */\ntypedef int32_t armoriq_status;\n\n\
             /** Good. */\n#define ARMORIQ_OK 0\n/** Bad. */\n#define ARMORIQ_BAD 1\n\
             \n/* {rule}\n * Client\n */\n\n/** Does. */\nARMORIQ_MUST_USE\n\
             armoriq_status armoriq_do(armoriq_client *client);\n"
        );
        assert_eq!(lay_out(&items), expected);
    }

    #[test]
    fn members_of_a_structure_keep_their_comments() {
        let rendered = "/**\n * The `end`.\n */\ntypedef struct {\n    /**\n     * A number.\n     */\n    uint64_t user_data;\n\
                        \x20   /**\n     * One of `these`,\n     * or NULL.\n     */\n    char *json;\n} armoriq_completion;";
        assert_eq!(declared_name(rendered), Some("armoriq_completion"));
        let expected = "/** The end. */\ntypedef struct {\n    /** A number. */\n    uint64_t user_data;\n    /**\n\
                        \x20    * One of these,\n     * or NULL.\n     */\n    char *json;\n} armoriq_completion;\n";
        assert_eq!(Item::parse(rendered).render(), expected);
    }

    #[test]
    fn differences_are_shown_with_their_place() {
        assert_eq!(differences("a\nb\nc\n", "a\nx\ny\nc\n"), "at line 2:\n- b\n+ x\n+ y\n");
    }
}
