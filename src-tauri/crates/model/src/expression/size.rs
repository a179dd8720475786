/// Parses a size in git-annex's notation (`100mb`, `1.5 GiB`, `8kbit`, `1000`) into bytes.
///
/// `annex.diskreserve` uses the same notation. Units are those of git-annex, in any case; `kb` is 1000, `kib` 1024.
/// None for anything else, for a negative size and for one that does not fit.
pub fn parse_size(text: &str) -> Option<u64> {
    parse_signed(text).and_then(|size| u64::try_from(size).ok())
}

/// Parses a size that may be negative or larger than any file, as expressions allow.
///
/// Anything after the unit's letters is ignored (`1,000` is one byte, `8mb/s` is `8mb`); fractions of a byte round half
/// to even. Both as observed in git-annex.
pub(super) fn parse_signed(text: &str) -> Option<i128> {
    let text = text.trim();
    let (number, rest) = leading_number(text)?;
    let rest = rest.trim_start();
    let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let bytes = number * unit(&rest[..letters].to_ascii_lowercase())?;
    // A float beyond the range of i128 saturates, and every such size is larger than any file.
    Some(bytes.round_ties_even() as i128)
}

/// Splits off the longest prefix that is `[-]digits[.digits][e[+-]digits]`.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        bytes[from.min(bytes.len())..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let sign = usize::from(bytes.first() == Some(&b'-'));
    let mut end = sign + digits(sign);
    if end == sign {
        return None;
    }
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let exponent_sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + exponent_sign);
        if exponent > 0 {
            end += 1 + exponent_sign + exponent;
        }
    }
    Some((text[..end].parse().ok()?, &text[end..]))
}

const LETTERS: &str = "kmgtpezy";
const LONG: [&str; 8] = ["kilo", "mega", "giga", "tera", "peta", "exa", "zetta", "yotta"];
const LONG_BINARY: [&str; 8] = ["kibi", "mebi", "gibi", "tebi", "pebi", "exbi", "zebi", "yobi"];

fn unit(name: &str) -> Option<f64> {
    if matches!(name, "" | "b" | "byte" | "bytes") {
        return Some(1.0);
    }
    for (power, (letter, (long, long_binary))) in (1..).zip(LETTERS.chars().zip(LONG.into_iter().zip(LONG_BINARY))) {
        let (decimal, binary) = (1000_f64.powi(power), 1024_f64.powi(power));
        match name.strip_prefix(letter) {
            Some("" | "b") => return Some(decimal),
            Some("i" | "ib") => return Some(binary),
            Some("bit") => return Some(decimal / 8.0),
            Some(_) | None => {}
        }
        match name.strip_prefix(long) {
            Some("byte" | "bytes") => return Some(decimal),
            Some("bit" | "bits") => return Some(decimal / 8.0),
            Some(_) | None => {}
        }
        if matches!(name.strip_prefix(long_binary), Some("byte" | "bytes")) {
            return Some(binary);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{parse_signed, parse_size};

    #[test]
    fn sizes_are_those_of_git_annex() {
        for (text, bytes) in [
            ("1000", 1000),
            ("0.0015kb", 2),
            ("0.0025kb", 2),
            ("0.0035kb", 4),
            ("1.5", 2),
            ("0.9", 1),
            ("8kilobits", 1000),
            ("8kbit", 1000),
            ("8B", 8),
            ("1kibibytes", 1024),
            ("1gibibyte", 1 << 30),
            ("1m", 1_000_000),
            ("1ki", 1024),
            ("1.5 GiB", 3 << 29),
            ("100mb", 100_000_000),
            ("8mb/s", 8_000_000),
            ("1kb5", 1000),
            ("1.kb", 1),
            ("1e3kb", 1_000_000),
            ("1_000", 1),
            ("1.5.5kb", 2),
            ("3e-1kb", 300),
            ("1p", 1_000_000_000_000_000),
            ("1megabyte", 1_000_000),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in [
            "", "abc", "1foo", "1bit", "8kbits", "8kibit", "1kbyte", ".5kb", "+1kb", "1bb", "1kbs", "1d", "-1kb", "1yb",
        ] {
            assert_eq!(parse_size(text), None, "{text}");
        }
        assert_eq!(parse_signed("-1"), Some(-1));
        assert_eq!(parse_signed("1yb"), Some(999_999_999_999_999_983_222_784));
        assert!(parse_signed(&format!("1{}yb", "0".repeat(400))).is_some());
    }
}
