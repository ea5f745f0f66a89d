//! The tool inventories that agents declared, by the hash of their snapshot.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lock;
use super::storage::{Kind, Storage, StorageError};

/// What an agent can call, as its client declared it last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    pub snapshot_hash: String,
    pub sdk: Option<String>,
    pub tools: Value,
    pub servers: Value,
}

/// By the agent's id. An earlier inventory is of no use once there is a later one: the client whose hash is not known
/// any more is asked for its inventory again.
#[derive(Default)]
pub struct Inventories {
    inventories: Mutex<HashMap<String, Inventory>>,
    storage: Arc<Storage>,
}

impl Inventories {
    pub fn load(storage: Arc<Storage>) -> Result<Self, StorageError> {
        let inventories = Mutex::new(storage.load(Kind::Inventory)?.into_iter().collect());
        Ok(Self { inventories, storage })
    }

    pub fn put(&self, agent: &str, inventory: Inventory) -> Result<(), StorageError> {
        let mut inventories = lock(&self.inventories);
        self.storage.put(Kind::Inventory, agent, &inventory)?;
        inventories.insert(agent.to_owned(), inventory);
        Ok(())
    }

    pub fn is_known(&self, agent: &str, snapshot_hash: &str) -> bool {
        lock(&self.inventories).get(agent).is_some_and(|inventory| inventory.snapshot_hash == snapshot_hash)
    }

    pub fn list(&self) -> Vec<(String, Inventory)> {
        let mut all: Vec<_> =
            lock(&self.inventories).iter().map(|(agent, inventory)| (agent.clone(), inventory.clone())).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }
}
