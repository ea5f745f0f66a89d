//! What this process knows of approvals: which call each was asked for, and which are spent.
//!
//! The service finds an approval by user, tool, amount and plan. Other arguments and the server are not part of that,
//! so that an approval for one call would allow another, which no human has seen. So the client remembers what it asked
//! for, and takes an approval for nothing else.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

use super::delegations::refuse_unless_finite;
use super::{Client, DelegationRequest};
use crate::json;
use crate::{Error, Result};

/// How many approvals are remembered. The oldest are forgotten first.
const MOST_REMEMBERED: usize = 10_000;

/// A call as a human reviews it.
pub(crate) struct ReviewedCall<'a> {
    pub server: &'a str,
    pub tool: &'a str,
    /// JSON text that was read strictly.
    pub arguments: &'a str,
    pub user_email: &'a str,
    pub plan_id: Option<&'a str>,
    pub amount: f64,
}

impl ReviewedCall<'_> {
    fn asked(&self) -> Result<Asked> {
        let arguments = json::parse(self.arguments).map_err(|error| Error::Internal(error.to_string()))?;
        let user = self.user_email.trim().to_lowercase();
        let hash = |shown: &Value| json::sha256_hex(json::canonical(shown));
        Ok(Asked {
            found_by: hash(&json!([user, self.tool, self.amount, self.plan_id])),
            asked_for: hash(&json!([self.server, self.tool, arguments, user, self.plan_id])),
        })
    }
}

/// The approvals that this process asked for or used.
#[derive(Default)]
pub(super) struct Approvals(Mutex<Ledger>);

#[derive(Default)]
struct Ledger {
    /// By the delegation's id, hashed: ids are the service's, and may be long.
    entries: HashMap<String, Entry>,
    /// The oldest first.
    order: VecDeque<String>,
    /// The requests whose id is not known, or not yet, the oldest first: the service may have made them.
    unanswered: VecDeque<Asked>,
}

/// Digests of a call that an approval is, or may be, for.
#[derive(Clone, PartialEq, Eq)]
struct Asked {
    /// The same for calls that the service does not tell apart.
    found_by: String,
    /// Equal for two calls only where a human would be shown the same: the order of keys does not matter.
    asked_for: String,
}

#[derive(Default)]
struct Entry {
    /// The digest of the call; none where another process asked.
    asked_for: Option<String>,
    state: State,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Unspent,
    /// A call has it in hand and is about to spend it.
    InHand,
    Spent,
}

impl Approvals {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn entry(&mut self, key: &str) -> &mut Entry {
        if !self.entries.contains_key(key) {
            self.order.push_back(key.to_owned());
            self.forget_beyond(MOST_REMEMBERED);
        }
        self.entries.entry(key.to_owned()).or_default()
    }

    /// Whether an approval whose request is not known may be this call's: not where this process asked for one for
    /// another call that the service takes for the same, and never heard its id.
    fn may_be_for(&self, call: &Asked) -> bool {
        self.unanswered.iter().all(|asked| asked.found_by != call.found_by || asked.asked_for == call.asked_for)
    }

    fn forget_beyond(&mut self, most: usize) {
        let too_many = self.order.len().saturating_sub(most);
        for oldest in self.order.drain(..too_many).collect::<Vec<_>>() {
            match self.entries.get(&oldest) {
                Some(entry) if entry.state == State::InHand => self.order.push_back(oldest),
                _ => drop(self.entries.remove(&oldest)),
            }
        }
    }
}

/// An approval in hand: no other call of this process can take it. Given back when it is dropped unspent.
pub(crate) struct Claim {
    approvals: Arc<Approvals>,
    key: String,
    ends_as: State,
}

impl Claim {
    /// No call of this process takes the approval again.
    pub(crate) fn spend(mut self) {
        self.ends_as = State::Spent;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(entry) = self.approvals.ledger().entries.get_mut(&self.key) {
            entry.state = self.ends_as;
        }
    }
}

impl Client {
    /// Asks for an approval of this call, and gives its id. Not where the service has the call under another one's: it
    /// takes calls for one that a human would tell apart, and whoever waited for that approval would take the other's.
    pub(crate) async fn request_approval(
        &self,
        request: &DelegationRequest<'_>,
        call: &ReviewedCall<'_>,
        deadline: Option<Instant>,
    ) -> Result<String> {
        refuse_unless_finite(call.amount)?;
        let asked = call.asked()?;
        self.expect_approval(asked.clone());
        let delegation_id = self.request_delegation(request, deadline).await?.delegation_id;
        if !self.remember_approval(&delegation_id, asked) {
            let message = "the service takes it for another call, which is still to be decided";
            return Err(Error::delegation(message, Some(&delegation_id), None));
        }
        Ok(delegation_id)
    }

    /// Notes that an approval of a call is about to be asked for. It may be given before the answer with its id is here,
    /// or where that is lost.
    fn expect_approval(&self, asked: Asked) {
        let approvals = self.0.approvals.get();
        let mut ledger = approvals.ledger();
        ledger.unanswered.push_back(asked);
        let too_many = ledger.unanswered.len().saturating_sub(MOST_REMEMBERED);
        ledger.unanswered.drain(..too_many);
    }

    /// Remembers what an approval was asked for. False where it had been asked for another call: the first is the one
    /// that is shown.
    fn remember_approval(&self, delegation_id: &str, answered: Asked) -> bool {
        let approvals = self.0.approvals.get();
        let mut ledger = approvals.ledger();
        if let Some(place) = ledger.unanswered.iter().position(|asked| *asked == answered) {
            ledger.unanswered.remove(place);
        }
        let entry = ledger.entry(&json::sha256_hex(delegation_id));
        *entry.asked_for.get_or_insert_with(|| answered.asked_for.clone()) == answered.asked_for
    }

    /// Takes an approval in hand, for `call` where it is known what for.
    ///
    /// An approval that this process did not ask for, and has not seen before, is taken as the service says: the plan
    /// that it is for may have been checked by another process before, a parent of this one or one that was restarted.
    /// That is no wider than the protocol: the service only offers it for the same user, tool, amount and plan, and
    /// what it says is all that there is to go by. Where this process did ask, and never heard the approval's id, it is
    /// taken for that call alone.
    ///
    /// # Errors
    /// [`Error::Delegation`] where it was asked for another call, where it is spent, and where another call of this
    /// process has it in hand.
    pub(crate) fn claim_approval(&self, delegation_id: &str, call: Option<&ReviewedCall<'_>>) -> Result<Claim> {
        let call = call.map(ReviewedCall::asked).transpose()?;
        let approvals = self.0.approvals.get();
        let key = json::sha256_hex(delegation_id);
        let mut ledger = approvals.ledger();
        let may_be_for = call.as_ref().is_none_or(|call| ledger.may_be_for(call));
        let entry = ledger.entry(&key);
        let is_for = call.as_ref().is_none_or(|call| match &entry.asked_for {
            Some(asked_for) => *asked_for == call.asked_for,
            None => may_be_for,
        });
        if entry.state != State::Unspent {
            return Err(used_before(delegation_id));
        }
        if !is_for {
            let message = format!("the approval {delegation_id} is for another call");
            return Err(Error::delegation(message, Some(delegation_id), None));
        }
        entry.state = State::InHand;
        drop(ledger);
        Ok(Claim { approvals, key, ends_as: State::Unspent })
    }

    /// Whether a call of this process has used the approval.
    pub(super) fn has_spent(&self, delegation_id: &str) -> bool {
        let approvals = self.0.approvals.get();
        let ledger = approvals.ledger();
        ledger.entries.get(&json::sha256_hex(delegation_id)).is_some_and(|entry| entry.state == State::Spent)
    }

    /// Spends an approval: in this process, and with the service. Only when both took it as unused, it counts.
    pub(crate) async fn spend_approval(
        &self,
        delegation_id: &str,
        call: Option<&ReviewedCall<'_>>,
        user_email: &str,
        plan_id: Option<&str>,
        deadline: Option<Instant>,
    ) -> Result<()> {
        let claim = self.claim_approval(delegation_id, call)?;
        self.mark_executed(user_email, delegation_id, plan_id, deadline).await?;
        claim.spend();
        Ok(())
    }
}

/// An approval counts once.
pub(crate) fn used_before(delegation_id: &str) -> Error {
    Error::delegation(format!("the approval {delegation_id} was used before"), Some(delegation_id), None)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;
    use crate::config::ClientOptions;
    use crate::test_server::{Reply, Server};

    const CALL: ReviewedCall<'_> = ReviewedCall {
        server: "bank",
        tool: "pay",
        arguments: r#"{"amount": 1, "to": "alice"}"#,
        user_email: "bob@x.com",
        plan_id: Some("p"),
        amount: 1.0,
    };

    fn client() -> Client {
        client_of("http://127.0.0.1:9")
    }

    fn client_of(backend: &str) -> Client {
        let options = json!({ "api_key": "ak_test_x", "backend_endpoint": backend });
        Client::new(ClientOptions::from_json(options.as_object().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn an_approval_is_for_the_call_that_was_shown() {
        let client = client();
        assert!(client.remember_approval("d", CALL.asked().unwrap()));
        for other in [
            ReviewedCall { server: "shop", ..CALL },
            ReviewedCall { tool: "refund", ..CALL },
            ReviewedCall { arguments: r#"{"amount": 1, "to": "mallory"}"#, ..CALL },
            ReviewedCall { arguments: r#"{"amount": 1.0, "to": "alice"}"#, ..CALL },
            ReviewedCall { user_email: "eve@x.com", ..CALL },
            ReviewedCall { plan_id: None, ..CALL },
        ] {
            assert!(client.claim_approval("d", Some(&other)).is_err(), "{}", other.arguments);
            assert!(!client.remember_approval("d", other.asked().unwrap()));
        }
        let same = ReviewedCall { arguments: r#"{"to":"alice","amount":1}"#, user_email: " Bob@X.com ", ..CALL };
        client.claim_approval("d", Some(&same)).unwrap().spend();
        let spent = client.claim_approval("d", Some(&CALL)).err().unwrap();
        assert_eq!(spent.to_string(), "the approval d was used before");
    }

    #[test]
    fn an_approval_whose_id_was_never_heard_is_for_the_call_that_asked() {
        let other = ReviewedCall { arguments: r#"{"amount": 1, "to": "mallory"}"#, ..CALL };
        let client = client();
        client.expect_approval(CALL.asked().unwrap());
        assert!(client.claim_approval("d", Some(&other)).is_err());
        // The service tells these apart, and may have an approval for each.
        for apart in [ReviewedCall { amount: 2.0, ..other }, ReviewedCall { plan_id: None, ..other }] {
            drop(client.claim_approval("d", Some(&apart)).unwrap());
        }
        drop(client.claim_approval("d", Some(&CALL)).unwrap());
        // Of two such requests it is not known which the approval is for.
        client.expect_approval(other.asked().unwrap());
        assert!(client.claim_approval("d", Some(&CALL)).is_err() && client.claim_approval("d", Some(&other)).is_err());
        assert!(client.remember_approval("e", CALL.asked().unwrap()));
        client.claim_approval("d", Some(&other)).unwrap().spend();
        client.claim_approval("e", Some(&CALL)).unwrap().spend();
    }

    #[test]
    fn an_approval_that_was_not_spent_is_given_back() {
        let client = client();
        let claim = client.claim_approval("d", Some(&CALL)).unwrap();
        assert!(client.claim_approval("d", None).is_err());
        drop(claim);
        client.claim_approval("d", None).unwrap().spend();
        assert!(client.claim_approval("d", None).is_err());
    }

    #[test]
    fn of_many_threads_one_spends_each_approval() {
        const THREADS: usize = 32;
        const APPROVALS: usize = 1_000;
        // The service would accept every mark.
        let server = Server::start(|_, _| Reply::json(200, "{}"));
        let (client, start) = (client_of(&server.url("")), Barrier::new(THREADS));
        let spend = || {
            start.wait();
            let ids = (0..APPROVALS).map(|id| id.to_string());
            let spent = ids.filter(|id| {
                let spent = client.run(client.spend_approval(id, Some(&CALL), CALL.user_email, CALL.plan_id, None));
                assert!(matches!(spent, Ok(()) | Err(Error::Delegation { .. })), "{spent:?}");
                spent.is_ok()
            });
            spent.collect::<Vec<_>>()
        };
        let mut spent: Vec<String> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(spend)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        spent.sort_unstable();
        let mut all: Vec<_> = (0..APPROVALS).map(|id| id.to_string()).collect();
        all.sort_unstable();
        assert_eq!(spent, all);
        assert_eq!(server.received().len(), APPROVALS);
    }

    #[test]
    fn memory_is_bounded_and_keeps_what_is_in_hand() {
        let client = client();
        let in_hand = client.claim_approval("first", None).unwrap();
        for number in 0..MOST_REMEMBERED + 10 {
            client.claim_approval(&number.to_string(), None).unwrap().spend();
        }
        let approvals = client.0.approvals.get();
        assert_eq!(approvals.ledger().entries.len(), MOST_REMEMBERED);
        assert_eq!(approvals.ledger().order.len(), MOST_REMEMBERED);
        in_hand.spend();
        assert!(client.claim_approval("first", None).is_err());
        assert!(client.claim_approval(&(MOST_REMEMBERED + 9).to_string(), None).is_err());
        (0..MOST_REMEMBERED + 10).for_each(|_| client.expect_approval(CALL.asked().unwrap()));
        assert_eq!(approvals.ledger().unanswered.len(), MOST_REMEMBERED);
    }
}
