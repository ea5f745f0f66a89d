//! Fields that may be the same quantity in another unit.

use super::names::words;

const MONEY: [&str; 20] = [
    "cents", "cent", "pence", "penny", "minor", "micros", "usd", "eur", "gbp", "chf", "jpy", "inr", "cad", "aud",
    "dollars", "dollar", "euros", "euro", "pounds", "francs",
];
const OTHERS: [&str; 40] = [
    "ns",
    "us",
    "ms",
    "millis",
    "milliseconds",
    "s",
    "sec",
    "secs",
    "seconds",
    "min",
    "mins",
    "minutes",
    "h",
    "hr",
    "hrs",
    "hours",
    "days",
    "weeks",
    "months",
    "bytes",
    "kb",
    "mb",
    "gb",
    "kib",
    "mib",
    "gib",
    "kg",
    "g",
    "lb",
    "lbs",
    "oz",
    "km",
    "m",
    "cm",
    "mm",
    "miles",
    "ft",
    "percent",
    "pct",
    "bps",
];
/// What sums of money are called.
const SUMS: [&str; 12] =
    ["amount", "total", "subtotal", "price", "sum", "cost", "value", "fee", "payment", "charge", "balance", "budget"];
/// Words that mean nothing here.
const FILLERS: [&str; 3] = ["in", "of", "the"];

/// A name taken apart.
struct Quantity {
    units: Vec<String>,
    rest: Vec<String>,
}

impl Quantity {
    fn of(name: &str) -> Self {
        let (mut units, mut rest) = (Vec::new(), Vec::new());
        for (position, word) in words(name).into_iter().filter(|word| !FILLERS.contains(&word.as_str())).enumerate() {
            // One letter is a unit only behind something else.
            let is_unit = is_unit(&word) && (word.len() > 1 || position > 0);
            if is_unit { units.push(word) } else { rest.push(word) }
        }
        Self { units, rest }
    }

    fn is_sum(&self) -> bool {
        self.rest.iter().all(|word| SUMS.contains(&word.as_str()))
    }

    fn is_money(&self) -> bool {
        self.units.iter().any(|unit| MONEY.contains(&unit.as_str()))
    }
}

fn is_unit(word: &str) -> bool {
    MONEY.contains(&word) || OTHERS.contains(&word)
}

/// The unit that the second name says and the first does not, where both may well be the same quantity.
pub(super) fn other_unit(name: &str, known: &str) -> Option<String> {
    let (a, b) = (Quantity::of(name), Quantity::of(known));
    if a.units == b.units || (a.rest.is_empty() && a.units.is_empty()) {
        return None;
    }
    let is_same_quantity = a.rest == b.rest || ((a.is_money() || b.is_money()) && a.is_sum() && b.is_sum());
    is_same_quantity.then(|| if b.units.is_empty() { "another unit".to_owned() } else { b.units.join(" ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_quantity_in_another_unit() {
        for (name, known, unit) in [
            ("amount", "total_cents", Some("cents")),
            ("amount", "amount_cents", Some("cents")),
            ("amount", "amountUsd", Some("usd")),
            ("amount", "amount_in_minor", Some("minor")),
            ("amount", "cents", Some("cents")),
            ("amount_usd", "amount", Some("another unit")),
            ("timeout", "timeout_ms", Some("ms")),
            ("timeout_s", "timeoutMs", Some("ms")),
            ("size", "size_bytes", Some("bytes")),
            ("amount", "total", None),
            ("amount", "amount", None),
            ("amount", "count", None),
            ("amount", "timeout_ms", None),
            ("timeout", "delay_ms", None),
            ("s", "ms", None),
            ("amount_usd", "total_usd", None),
        ] {
            assert_eq!(other_unit(name, known).as_deref(), unit, "{name} {known}");
        }
    }
}
