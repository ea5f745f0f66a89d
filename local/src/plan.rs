//! Plans as clients send them: `{"goal", "steps": [{"action", "mcp", "params", …}]}`.

use armoriq::json::{canonical, sha256_hex};
use serde_json::{Map, Value, json};

use crate::merkle::Tree;
use crate::state::plans::{NewPlan, Step};

/// A plan whose steps could be read.
pub struct ReadPlan {
    plan: Value,
    steps: Vec<ReadStep>,
    tree: Tree,
}

/// A step with the arguments that it was planned with.
pub struct ReadStep {
    pub server: String,
    pub action: String,
    pub arguments: Value,
}

impl ReadPlan {
    /// Reads a plan, or says what is wrong with it.
    pub fn new(plan: &Value) -> Result<Self, String> {
        let steps = plan
            .as_object()
            .ok_or("`plan` must be an object")?
            .get("steps")
            .and_then(Value::as_array)
            .ok_or("`plan.steps` must be a list")?;
        if steps.is_empty() {
            return Err("the plan has no steps".into());
        }
        let canonical_steps: Vec<String> = steps.iter().map(canonical).collect();
        let tree = Tree::new(canonical_steps.iter().map(String::as_str));
        let steps = steps.iter().enumerate().map(|(index, step)| read_step(index, step)).collect::<Result<_, _>>()?;
        Ok(Self { plan: plan.clone(), steps, tree })
    }

    pub fn steps(&self) -> &[ReadStep] {
        &self.steps
    }

    pub fn merkle_root(&self) -> String {
        self.tree.root()
    }

    pub fn hash(&self) -> String {
        sha256_hex(canonical(&self.plan))
    }

    /// For each step the proof that it belongs to the plan.
    pub fn proofs(&self) -> Vec<Value> {
        (0..self.steps.len())
            .map(|index| {
                json!({
                    "path": format!("/steps/[{index}]"),
                    "leaf_hash": self.tree.leaf(index),
                    "proof": self.tree.proof(index),
                })
            })
            .collect()
    }

    /// The hash of a part of the plan, all of its steps or one of them, with the proof that it belongs to the plan.
    pub fn subtree(&self, path: &str) -> Option<(String, Vec<Value>)> {
        let step = path.strip_prefix("/steps")?;
        if step.is_empty() {
            return Some((self.merkle_root(), Vec::new()));
        }
        let digits = step.strip_prefix("/[")?.strip_suffix(']')?;
        let index = digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())??;
        Some((self.tree.leaf(index)?, self.tree.proof(index)))
    }

    /// The plan as it is kept.
    pub fn into_new_plan(self) -> NewPlan {
        NewPlan {
            plan_hash: self.hash(),
            merkle_root: self.merkle_root(),
            steps: self.steps.into_iter().map(|step| Step { server: step.server, action: step.action }).collect(),
            plan: self.plan,
        }
    }
}

fn read_step(index: usize, step: &Value) -> Result<ReadStep, String> {
    let step = step.as_object().ok_or_else(|| format!("`plan.steps[{index}]` must be an object"))?;
    let action = text(step, "action")
        .or_else(|| text(step, "tool"))
        .ok_or_else(|| format!("`plan.steps[{index}].action` must name a tool"))?;
    let server =
        text(step, "mcp").ok_or_else(|| format!("`plan.steps[{index}].mcp` must name the tool's MCP server"))?;
    let arguments = match step.get("params").or_else(|| step.get("arguments")) {
        None | Some(Value::Null) => json!({}),
        Some(arguments @ Value::Object(_)) => arguments.clone(),
        Some(_) => return Err(format!("`plan.steps[{index}].params` must be an object")),
    };
    Ok(ReadStep { server: server.to_owned(), action: action.to_owned(), arguments })
}

fn text<'a>(step: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    step.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong_with_a_plan() {
        let fault = |plan: Value| ReadPlan::new(&plan).err().unwrap();
        assert_eq!(fault(json!([])), "`plan` must be an object");
        assert_eq!(fault(json!({ "goal": "g" })), "`plan.steps` must be a list");
        assert_eq!(fault(json!({ "steps": [] })), "the plan has no steps");
        assert_eq!(fault(json!({ "steps": [1] })), "`plan.steps[0]` must be an object");
        assert_eq!(fault(json!({ "steps": [{ "mcp": "m" }] })), "`plan.steps[0].action` must name a tool");
        assert_eq!(
            fault(json!({ "steps": [{ "action": "a", "mcp": "" }] })),
            "`plan.steps[0].mcp` must name the tool's MCP server"
        );
        assert_eq!(
            fault(json!({ "steps": [{ "action": "a", "mcp": "m", "params": [] }] })),
            "`plan.steps[0].params` must be an object"
        );
    }

    #[test]
    fn the_same_plan_with_its_keys_in_another_order_has_the_same_hashes() {
        let one = ReadPlan::new(&json!({ "goal": "g", "steps": [{ "action": "a", "mcp": "m" }] })).unwrap();
        let two = ReadPlan::new(&json!({ "steps": [{ "mcp": "m", "action": "a" }], "goal": "g" })).unwrap();
        assert_eq!((one.hash(), one.merkle_root()), (two.hash(), two.merkle_root()));
    }
}
