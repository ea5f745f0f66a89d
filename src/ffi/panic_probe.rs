//! Panics on demand, for tests/panics. No library that ships has this.

use std::sync::atomic::{AtomicU32, Ordering};

/// How many places a call comes to until it panics: those where a guarded call begins, and those where it ends.
static BEGINNINGS: AtomicU32 = AtomicU32::new(0);
static ENDS: AtomicU32 = AtomicU32::new(0);

/// Asks for a panic at the `nth` place from now where a guarded call begins, or for `at_end` other than 0, where one
/// ends; on whatever thread. 0 asks for none. Returns how far a panic of that kind that was asked for before still was.
#[unsafe(no_mangle)]
pub extern "C" fn armoriq_panic_probe(nth: u32, at_end: i32) -> u32 {
    let places = if at_end == 0 { &BEGINNINGS } else { &ENDS };
    places.swap(nth, Ordering::SeqCst)
}

/// Runs a guarded call, with its two places.
pub(super) fn around<T>(call: impl FnOnce() -> T) -> T {
    come_to(&BEGINNINGS);
    let result = call();
    come_to(&ENDS);
    result
}

#[expect(clippy::panic, reason = "this is what it is for")]
fn come_to(places: &AtomicU32) {
    if places.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) == Ok(1) {
        panic!("as asked for");
    }
}
