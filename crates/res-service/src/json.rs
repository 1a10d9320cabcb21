//! Looking at JSON text eight bytes at a time.

/// Not zero if one of eight bytes ends a text or must be escaped in it: control characters, quotation marks, backslashes.
pub(crate) fn marks(bytes: [u8; 8]) -> u64 {
    /// The same byte eight times.
    const fn each(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    /// The highest bit of at least one byte is set if any byte is less than `limit`, which is 128 at most.
    const fn any_less(bytes: u64, limit: u8) -> u64 {
        bytes.wrapping_sub(each(limit)) & !bytes & each(0x80)
    }
    let bytes = u64::from_ne_bytes(bytes);
    any_less(bytes, b' ') | any_less(bytes ^ each(b'"'), 1) | any_less(bytes ^ each(b'\\'), 1)
}

/// Whether there are any of those.
pub(crate) fn has_marks(bytes: [u8; 8]) -> bool {
    marks(bytes) != 0
}
