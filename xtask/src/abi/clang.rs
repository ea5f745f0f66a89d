//! Reads the ABI from the header, as clang understands it: its syntax tree, its macros, and the numbers that it
//! computes for sizes and offsets. Nothing is compiled, and nothing of this machine is in it: the target is fixed and
//! its headers are clang's own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::model::{Abi, Field, Layout, Numbers, Signature, Version};

const VERSION: &str = "ARMORIQ_ABI_VERSION";
/// Where constants are kept that follow no type.
const NO_TYPE: &str = "armoriq.h";
/// C99 leaves out the header's own assertions, which would hide what changed behind what they say about it.
const ARGUMENTS: &[&str] = &["-x", "c", "-std=c99", "-ffreestanding", "--target=x86_64-unknown-linux-gnu"];

pub fn describe(header: &Path) -> Result<Abi, String> {
    let tree = syntax_tree(header, "")?;
    let Declarations { functions, callbacks, types, handles, structs } = Declarations::of(&tree)?;
    let families = families(header, &types)?;
    let computed = compute(header, &expressions(&structs, &families))?;
    let value = |expression: &str| {
        computed.get(expression).copied().ok_or_else(|| format!("clang does not say what {expression} is"))
    };

    let mut constants: BTreeMap<String, Numbers> = BTreeMap::new();
    for (family, names) in &families {
        for name in names.iter().filter(|name| *name != VERSION) {
            constants.entry(family.clone()).or_default().insert(name.clone(), value(name)?);
        }
    }
    let layout = |(name, fields): (&String, &Vec<(String, String)>)| {
        let fields = fields.iter().map(|(field, r#type)| {
            let (offset, size) = (value(&offset_of(name, field))?, value(&size_of(name, field))?);
            Ok(Field { name: field.clone(), r#type: r#type.clone(), offset, size })
        });
        let fields = fields.collect::<Result<_, String>>()?;
        let (size, alignment) = (value(&format!("sizeof({name})"))?, value(&format!("_Alignof({name})"))?);
        Ok((name.clone(), Layout { size, alignment, fields }))
    };
    let structs = structs.iter().map(layout).collect::<Result<_, String>>()?;
    let version = Version::from_number(value(VERSION)?);
    Ok(Abi { version, functions, callbacks, types, handles, structs, constants, retired: BTreeMap::new() })
}

/// What the header declares, without the numbers.
#[derive(Default)]
struct Declarations {
    functions: BTreeMap<String, Signature>,
    callbacks: BTreeMap<String, Signature>,
    types: BTreeMap<String, String>,
    handles: BTreeSet<String>,
    /// The fields with their types.
    structs: BTreeMap<String, Vec<(String, String)>>,
}

impl Declarations {
    fn of(tree: &Value) -> Result<Self, String> {
        let mut declarations = Self::default();
        let records: Vec<_> = inner(tree).filter(|node| text(node, "kind") == "RecordDecl").collect();
        for node in inner(tree).filter(|node| text(node, "name").starts_with("armoriq_")) {
            match text(node, "kind") {
                "FunctionDecl" => {
                    declarations.functions.insert(text(node, "name").to_owned(), signature(node)?);
                }
                "TypedefDecl" => declarations.add_typedef(node, &records)?,
                // Its typedef has it too.
                "RecordDecl" => {}
                kind => return Err(format!("{}: the ABI has no place for a {kind}", text(node, "name"))),
            }
        }
        Ok(declarations)
    }

    fn add_typedef(&mut self, node: &Value, records: &[&Value]) -> Result<(), String> {
        let name = text(node, "name").to_owned();
        if let Some(prototype) = descendant(node, &|node| text(node, "kind") == "FunctionProtoType") {
            let mut types = inner(prototype).map(type_of);
            let returns = types.next().ok_or_else(|| format!("{name} returns nothing"))?;
            self.callbacks.insert(name, Signature { returns, parameters: types.collect() });
            return Ok(());
        }
        let Some(record) = descendant(node, &|node| text(node, "kind") == "RecordDecl") else {
            self.types.insert(name, type_of(node));
            return Ok(());
        };
        // A type that is declared and later defined has two nodes; one without a name has one.
        let tag = text(record, "name");
        let same = |node: &&&Value| node["id"] == record["id"] || (!tag.is_empty() && text(node, "name") == tag);
        match records.iter().filter(same).find(|node| node["completeDefinition"] == true) {
            None => {
                self.handles.insert(name);
            }
            Some(definition) => {
                let fields = inner(definition).filter(|node| text(node, "kind") == "FieldDecl");
                let fields = fields.map(|field| (text(field, "name").to_owned(), type_of(field))).collect();
                self.structs.insert(name, fields);
            }
        }
        Ok(())
    }
}

/// Clang gives the types of the parameters, and that of the whole function, which ends with them.
fn signature(function: &Value) -> Result<Signature, String> {
    let parameters =
        inner(function).filter(|node| text(node, "kind") == "ParmVarDecl").map(type_of).collect::<Vec<_>>();
    let whole = type_of(function);
    let listed = if parameters.is_empty() { "(void)".to_owned() } else { format!("({})", parameters.join(", ")) };
    let returns = whole.strip_suffix(&listed).ok_or_else(|| format!("{}: {whole}?", text(function, "name")))?;
    Ok(Signature { returns: returns.trim_end().to_owned(), parameters })
}

/// The constants by the type that they follow. The preprocessor's output has the header without comments: there they
/// follow it line by line.
fn families(header: &Path, types: &BTreeMap<String, String>) -> Result<BTreeMap<String, Vec<String>>, String> {
    let output = clang(header, &["-E", "-dD", "-P"], "")?;
    let mut families: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut family = NO_TYPE;
    for line in output.lines() {
        if let Some(definition) = line.strip_prefix("#define ") {
            let (name, value) = definition.split_once(' ').unwrap_or((definition, ""));
            if is_constant(name, value) {
                families.entry(family.to_owned()).or_default().push(name.to_owned());
            }
            if name == VERSION {
                family = NO_TYPE;
            }
        } else {
            let name = line.trim_end_matches(';').rsplit(' ').next().unwrap_or_default();
            family = types.get_key_value(name).map_or(NO_TYPE, |(name, _)| name);
        }
    }
    Ok(families)
}

/// Not the package's version, which is no part of the ABI, nor what is no value: a guard, an attribute, a function.
fn is_constant(name: &str, value: &str) -> bool {
    let value_of_none = value.is_empty() || value.starts_with("__attribute__") || name.contains('(');
    name.starts_with("ARMORIQ_") && !name.starts_with("ARMORIQ_VERSION") && !value_of_none
}

/// What there is to compute.
fn expressions(
    structs: &BTreeMap<String, Vec<(String, String)>>,
    families: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let mut expressions: Vec<_> = families.values().flatten().cloned().collect();
    for (name, fields) in structs {
        expressions.extend([format!("sizeof({name})"), format!("_Alignof({name})")]);
        expressions.extend(fields.iter().flat_map(|(field, _)| [offset_of(name, field), size_of(name, field)]));
    }
    expressions
}

fn offset_of(name: &str, field: &str) -> String {
    format!("offsetof({name}, {field})")
}

fn size_of(name: &str, field: &str) -> String {
    format!("sizeof((({name} *)0)->{field})")
}

/// The numbers of constant expressions: each becomes the value of an enumerator, which clang computes.
fn compute(header: &Path, expressions: &[String]) -> Result<BTreeMap<String, i64>, String> {
    let lines = expressions.iter().enumerate().map(|(index, expression)| format!("value_{index} = {expression},\n"));
    let tree = syntax_tree(header, &format!("enum {{\n{}}};\n", lines.collect::<String>()))?;
    let enumerators = inner(&tree).filter(|node| text(node, "kind") == "EnumDecl").flat_map(inner);
    let mut computed = BTreeMap::new();
    for enumerator in enumerators {
        let index = text(enumerator, "name").strip_prefix("value_").and_then(|index| index.parse::<usize>().ok());
        let value = descendant(enumerator, &|node| text(node, "kind") == "ConstantExpr");
        let value = value.and_then(|node| text(node, "value").parse().ok());
        if let (Some(expression), Some(value)) = (index.and_then(|index| expressions.get(index)), value) {
            computed.insert(expression.clone(), value);
        }
    }
    Ok(computed)
}

fn syntax_tree(header: &Path, code: &str) -> Result<Value, String> {
    let output = clang(header, &["-fsyntax-only", "-Xclang", "-ast-dump=json"], code)?;
    serde_json::from_str(&output).map_err(|error| format!("clang's syntax tree: {error}"))
}

/// Runs clang on the header and the code after it.
fn clang(header: &Path, arguments: &[&str], code: &str) -> Result<String, String> {
    let program = std::env::var_os("CLANG").unwrap_or_else(|| "clang".into());
    let cannot = |error: std::io::Error| format!("{}, which reads the header: {error}", program.display());
    let mut clang = Command::new(&program)
        .args(ARGUMENTS)
        .args(arguments)
        .args(["-include".as_ref(), header.as_os_str(), "-".as_ref()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    if let Some(mut input) = clang.stdin.take() {
        input.write_all(code.as_bytes()).map_err(cannot)?;
    }
    let output = clang.wait_with_output().map_err(cannot)?;
    if !output.status.success() {
        return Err(format!(
            "clang does not accept {}:\n{}",
            header.display(),
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("clang: {error}"))
}

fn inner(node: &Value) -> impl Iterator<Item = &Value> {
    node["inner"].as_array().into_iter().flatten()
}

fn text<'a>(node: &'a Value, member: &str) -> &'a str {
    node[member].as_str().unwrap_or_default()
}

fn type_of(node: &Value) -> String {
    text(&node["type"], "qualType").to_owned()
}

/// The first node below this one that `is` what is looked for. Types refer to declarations by members of their own.
fn descendant<'a>(node: &'a Value, is: &dyn Fn(&Value) -> bool) -> Option<&'a Value> {
    let mut below = inner(node).chain(["ownedTagDecl", "decl"].iter().filter_map(|member| node.get(member)));
    below.find_map(|node| if is(node) { Some(node) } else { descendant(node, is) })
}
