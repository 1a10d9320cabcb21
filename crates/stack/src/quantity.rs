//! Durations and sizes as stack files write them.

/// `1m30s`, `500ms`, `2m`, `3` (seconds) as seconds.
pub fn seconds(text: &str) -> Option<f64> {
    if let Ok(plain) = text.parse::<f64>() {
        return Some(plain);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        total += number
            * match &after[..unit] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &after[unit..];
    }
    (!text.is_empty()).then_some(total)
}

/// `64M`, `1G`, `900MiB`, `1048576` as bytes; units are powers of 1024, as the engine takes them.
pub fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim().trim_end_matches(['b', 'B']).trim_end_matches('i').to_lowercase();
    let factor = match unit.as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_docker_reads_them() {
        for (text, expected) in
            [("1m30s", 90.0), ("500ms", 0.5), ("2m", 120.0), ("3", 3.0), ("3600s", 3600.0)]
        {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        assert_eq!(seconds("soon"), None);
        assert_eq!(seconds(""), None);
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, expected) in [("64M", 64 << 20), ("1G", 1 << 30), ("900MiB", 900 << 20), ("7", 7)] {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        assert_eq!(bytes("much"), None);
    }
}
