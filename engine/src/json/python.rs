use super::{Kind, Node};

/// The number that Python's `float()` makes of the value.
pub fn python_float(value: Node<'_>) -> Option<f64> {
    match value.kind() {
        Kind::True => Some(1.0),
        Kind::False => Some(0.0),
        Kind::Number => Some(value.double()),
        Kind::String => number_in(value.string().trim()),
        Kind::Null | Kind::Array | Kind::Object => None,
    }
}

fn number_in(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let between_digits = |at: usize| {
        let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        digit(at.checked_sub(1)) && digit(at.checked_add(1))
    };
    let underscores_fit = bytes.iter().enumerate().all(|(at, byte)| *byte != b'_' || between_digits(at));
    underscores_fit.then(|| text.replace('_', "").parse().ok()).flatten()
}
