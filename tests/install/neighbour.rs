//! Another library written in Rust, as a program may link it beside libarmoriq.
#![crate_type = "staticlib"]

#[unsafe(no_mangle)]
pub extern "C" fn neighbour_catches_a_panic() -> i32 {
    std::panic::set_hook(Box::new(|_| {}));
    let caught = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(7))).is_err();
    i32::from(caught && std::thread::spawn(|| 7).join().is_ok())
}
