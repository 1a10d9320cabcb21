//! Looking at JSON text eight bytes at a time.

/// Not zero if one of eight bytes ends a text or must be escaped in it: control characters, quotation marks, backslashes.
pub(crate) fn marks(bytes: [u8; 8]) -> u64 {
    /// The same byte eight times.
    const fn each(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    /// The highest bit is set of the first byte that is less than `limit`, which is 128 at most, and perhaps of some after it.
    const fn any_less(bytes: u64, limit: u8) -> u64 {
        bytes.wrapping_sub(each(limit)) & !bytes & each(0x80)
    }
    let bytes = u64::from_le_bytes(bytes);
    any_less(bytes, b' ') | any_less(bytes ^ each(b'"'), 1) | any_less(bytes ^ each(b'\\'), 1)
}

/// Where the first of those is.
pub(crate) fn first_mark(bytes: [u8; 8]) -> Option<usize> {
    let marks = marks(bytes);
    (marks != 0).then(|| (marks.trailing_zeros() / u8::BITS) as usize)
}
