//! JSON with places: what is wrong, at which path, line and column.

use serde::de::DeserializeOwned;

use crate::report::Refused;

/// Reads one value and nothing after it.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        // A question mark stands for a member whose name was not read to its end.
        let path = error.path().to_string();
        let path = path.trim_end_matches(['?', '.']);
        refused(Some(path).filter(|path| !path.is_empty()), error.inner())
    })?;
    reader.end().map_err(|error| refused(None, &error))?;
    Ok(value)
}

fn refused(path: Option<&str>, error: &serde_json::Error) -> Refused {
    let (line, column) = (error.line(), error.column());
    // serde_json ends its messages with the place, which is said in the place already.
    let message = error.to_string();
    let message = message.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&message);
    let place = match path {
        Some(path) => format!("{path} (line {line}, column {column})"),
        None => format!("line {line}, column {column}"),
    };
    let kind = match error.classify() {
        serde_json::error::Category::Data => "",
        _ => "is not JSON: ",
    };
    Refused::because(place, format!("{kind}{message}"))
}

/// Refuses what is nested deeper than `depth_max` before any parser follows it down.
pub(super) fn check_depth(bytes: &[u8], depth_max: usize) -> Result<(), Refused> {
    let (mut depth, mut line, mut line_start) = (0_usize, 1, 0);
    let (mut in_text, mut escaped) = (false, false);
    for (position, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' {
            (line, line_start) = (line + 1, position + 1);
        }
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > depth_max {
            let place = format!("line {line}, column {}", position - line_start + 1);
            return Err(Refused::because(place, format!("is nested deeper than {depth_max} levels")));
        }
    }
    Ok(())
}
