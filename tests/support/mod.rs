//! The machinery of the wire replay: the library behind its C ABI, a stub control plane, and the comparison.

pub mod compare;
pub mod library;
pub mod ops;
pub mod scenario;
pub mod stub;
