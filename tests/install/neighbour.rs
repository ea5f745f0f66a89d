//! Another library written in Rust, as a program may link it beside libarmoriq.
#![crate_type = "staticlib"]

use std::collections::HashMap;
use std::panic::{catch_unwind, resume_unwind, set_hook};
use std::sync::atomic::{AtomicUsize, Ordering};

static HOOKED: AtomicUsize = AtomicUsize::new(0);

/// Allocates, panics and starts threads: how many of four came to the right result.
#[unsafe(no_mangle)]
pub extern "C" fn neighbour_works() -> i32 {
    set_hook(Box::new(|_| {
        HOOKED.fetch_add(1, Ordering::SeqCst);
    }));
    let work = |seed: usize| {
        let words: HashMap<String, Vec<usize>> = (0..200).map(|at| (format!("{seed}-{at}"), vec![seed; at])).collect();
        let total: usize = words.values().map(Vec::len).sum();
        let caught =
            catch_unwind(|| panic!("planned {seed}")).is_err() && catch_unwind(|| resume_unwind(Box::new(7))).is_err();
        i32::from(caught && total == 199 * 100)
    };
    let threads: Vec<_> = (0..4).map(|seed| std::thread::spawn(move || work(seed))).collect();
    threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
}

/// The panics that its own hook was told of: none of libarmoriq's.
#[unsafe(no_mangle)]
pub extern "C" fn neighbour_panics() -> usize {
    HOOKED.load(Ordering::SeqCst)
}
