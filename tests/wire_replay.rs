//! Replays recorded exchanges of the official SDK through the C ABI of the shared library: the same requests must
//! go out, and the same results come back.
//!
//! The library reads the environment of its process, so every scenario runs in a process of its own that has the
//! recorded environment and nothing else: a test starts this program again for itself alone.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    env,
    process::{self, Command},
    thread,
    time::Duration,
};

use support::{library, ops, scenario::Scenario};

/// Set in the process that plays a scenario: the path of the library. Not named `ARMORIQ_…`, so that the library
/// never looks at it.
const PLAYS_WITH: &str = "WIRE_REPLAY_LIBRARY";

/// The longest scenario waits 40 seconds for an approval.
const TIME_LIMIT: Duration = Duration::from_secs(120);

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => { $(#[test] fn $name() { replay(stringify!($name)); })* };
}

scenarios! {
    client_invoke,
    client_get_intent_token_and_verify,
    default_mcp_name,
    delegation_requests,
    directory_and_bootstrap,
    empty_plan_and_bad_names,
    invoke_with_policy_hold_flow,
    local_mode_bundle_unavailable,
    local_mode_decisions,
    local_mode_etag_revalidation,
    local_mode_expired_token,
    local_mode_forged_token,
    local_mode_no_agent,
    local_mode_unknown_agent,
    plan_growth_reanchors,
    proxy_mode_check,
    proxy_mode_dispatch,
    refine_plan,
    report_audit,
    sdk_mode_allow,
    sdk_mode_block_and_unplanned,
    sdk_mode_failures_block,
    sdk_mode_hold_creates_delegation,
    sdk_mode_hold_reuses_approval,
    token_denied_and_failed,
    token_retries_5xx,
    token_usage,
    trust_primitives,
}

fn replay(name: &str) {
    let scenario = Scenario::read(name);
    match env::var_os(PLAYS_WITH) {
        Some(library) => {
            thread::spawn(|| {
                thread::sleep(TIME_LIMIT);
                eprintln!("not done after {TIME_LIMIT:?}");
                process::exit(1);
            });
            if let Some(differences) = ops::play(&library, &scenario) {
                panic!("{name} differs from the recording\n{differences}");
            }
        }
        None => play_alone(name, &scenario),
    }
}

fn play_alone(name: &str, scenario: &Scenario) {
    let home = env::temp_dir().join(format!("armoriq-wire-{}-{name}", process::id()));
    std::fs::create_dir_all(&home).expect("the temporary folder is writable");
    let output = Command::new(env::current_exe().expect("this program has a path"))
        .args([name, "--exact", "--nocapture"])
        .env_clear()
        .envs(&scenario.env)
        .env("HOME", &home)
        .env(PLAYS_WITH, library::path())
        .output()
        .expect("this program starts again");
    std::fs::remove_dir_all(&home).expect("the temporary folder is ours");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}{err}", output.status);
    assert!(out.contains("1 passed"), "{name} was not played:\n{out}{err}");
}
