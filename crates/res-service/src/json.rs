//! Looking at JSON text eight bytes at a time.

/// Not zero if one of eight bytes ends a text or must be escaped in it: control characters, quotation marks, backslashes.
pub(crate) fn marks(bytes: [u8; 8]) -> u64 {
    /// The same byte eight times.
    const fn each(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    /// The highest bit is set of the first byte that is less than `limit`, which is 128 at most, and perhaps of some after it.
    const fn less(bytes: u64, limit: u8) -> u64 {
        bytes.wrapping_sub(each(limit)) & !bytes & each(0x80)
    }
    let bytes = u64::from_le_bytes(bytes);
    less(bytes, b' ') | less(bytes ^ each(b'"'), 1) | less(bytes ^ each(b'\\'), 1)
}

/// Where the first of those is.
pub(crate) fn first_mark(bytes: [u8; 8]) -> Option<usize> {
    let marks = marks(bytes);
    (marks != 0).then(|| (marks.trailing_zeros() / u8::BITS) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mark_is_found_whatever_stands_around_it() {
        let is_mark = |byte: u8| byte < b' ' || matches!(byte, b'"' | b'\\');
        let neighbours = [0, 1, 31, b' ', b'!', b'"', b'#', b'[', b'\\', b']', 127, 128, 160, 162, 220, 255];
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                for (before, after) in neighbours.iter().flat_map(|one| neighbours.map(|other| (*one, other)))
                {
                    let bytes = std::array::from_fn(|place| match place.cmp(&at) {
                        std::cmp::Ordering::Less => before,
                        std::cmp::Ordering::Equal => byte,
                        std::cmp::Ordering::Greater => after,
                    });
                    assert_eq!(first_mark(bytes), bytes.iter().position(|byte| is_mark(*byte)), "{bytes:?}");
                }
            }
        }
    }
}
