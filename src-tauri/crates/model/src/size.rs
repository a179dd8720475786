//! Sizes as text.

/// A size in the largest unit of 1000 in which it is at least 1.
#[must_use]
pub fn readable_size(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    match units.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::readable_size;

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 999, 1000, 1999, 1_500_000, 12_345_678_901].map(readable_size);
        assert_eq!(sizes, ["0 bytes", "999 bytes", "1.0 kB", "1.9 kB", "1.5 MB", "12.3 GB"]);
    }
}
