//! The Merkle tree over a plan's steps (SHA-256, as in RFC 6962): its root is in the token, and the proof of a step
//! shows that the step belongs to the plan without showing the others.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

type Hash = [u8; 32];

pub struct Tree {
    /// From the leaves to the root.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// The tree over the canonical texts of the steps, in their order.
    pub fn new<'a>(leaves: impl IntoIterator<Item = &'a str>) -> Self {
        // The prefixes keep a leaf from being taken for a node.
        let mut level: Vec<Hash> = leaves.into_iter().map(|leaf| hash(&[&[0], leaf.as_bytes()])).collect();
        let mut levels = vec![level.clone()];
        while level.len() > 1 {
            level = level.chunks(2).map(parent).collect();
            levels.push(level.clone());
        }
        Self { levels }
    }

    /// The root, as hex. That of no leaves is the hash of nothing.
    pub fn root(&self) -> String {
        let root = self.levels.last().and_then(|level| level.first());
        hex(root.unwrap_or(&hash(&[])))
    }

    /// The hash of a leaf, as hex; `None` beyond the last.
    pub fn leaf(&self, index: usize) -> Option<String> {
        self.levels.first()?.get(index).map(|leaf| hex(leaf))
    }

    /// The siblings on the way from the leaf to the root, each with the side that it is on.
    pub fn proof(&self, mut index: usize) -> Vec<Value> {
        let mut proof = Vec::new();
        for level in &self.levels {
            if let Some(sibling) = level.get(index ^ 1) {
                let position = if index.is_multiple_of(2) { "right" } else { "left" };
                proof.push(json!({ "position": position, "sibling_hash": hex(sibling) }));
            }
            index /= 2;
        }
        proof
    }
}

/// Two children give their hash; a single one stands for itself.
fn parent(children: &[Hash]) -> Hash {
    match children {
        [left, right] => hash(&[&[1], left, right]),
        [only] => *only,
        _ => hash(&[]),
    }
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Hash {
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).unwrap();
        }
        bytes
    }

    /// Folds a proof as somebody does who has only the step, its proof and the root.
    fn folded(leaf: &str, proof: &[Value]) -> String {
        let start = hash(&[&[0], leaf.as_bytes()]);
        let root = proof.iter().fold(start, |node, step| {
            let sibling = unhex(step["sibling_hash"].as_str().unwrap());
            match step["position"].as_str().unwrap() {
                "left" => hash(&[&[1], &sibling, &node]),
                _ => hash(&[&[1], &node, &sibling]),
            }
        });
        hex(&root)
    }

    #[test]
    fn each_proof_leads_from_its_leaf_to_the_root() {
        for count in 1..=9 {
            let leaves: Vec<String> = (0..count).map(|index| format!("step {index}")).collect();
            let tree = Tree::new(leaves.iter().map(String::as_str));
            for (index, leaf) in leaves.iter().enumerate() {
                assert_eq!(folded(leaf, &tree.proof(index)), tree.root(), "{index} of {count}");
                assert_ne!(folded("another step", &tree.proof(index)), tree.root());
            }
        }
    }

    #[test]
    fn the_order_of_the_steps_matters() {
        assert_ne!(Tree::new(["a", "b"]).root(), Tree::new(["b", "a"]).root());
    }
}
