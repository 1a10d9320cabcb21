//! Where a written resource is: in a buffer that is used again, or kept for as long as it is remembered.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

use bytes::Bytes;

use super::Span;
use super::names::Names;
use super::output::Output;

/// A buffer larger than this is not kept for the next resource.
const SCRATCH_BYTES_MAX: usize = 256 * 1024;

thread_local! {
    /// Most of what is written is what was remembered, and is not needed any more when that has been seen: the next one is
    /// written to the same place.
    static SPARE: Cell<Option<Box<Buffers>>> = const { Cell::new(None) };
}

#[derive(Debug)]
pub(super) enum Held {
    Scratch(Scratch),
    Kept { answer: Bytes, parts: Box<[Span]> },
}

/// Buffers that others use afterwards; only while this is dropped there are none.
#[derive(Debug)]
pub(super) struct Scratch(Option<Box<Buffers>>);

#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) output: Output,
    /// Of a model each key and its value, of a collection each item.
    pub(super) parts: Vec<Span>,
    /// Of the struct that was written here last, and of the one that is.
    pub(super) names: Names,
}

impl Held {
    pub(super) fn answer(&self) -> &[u8] {
        match self {
            Self::Scratch(scratch) => &scratch.output.text,
            Self::Kept { answer, .. } => answer,
        }
    }

    pub(super) fn parts(&self) -> &[Span] {
        match self {
            Self::Scratch(scratch) => &scratch.parts,
            Self::Kept { parts, .. } => parts,
        }
    }

    pub(super) fn shared_answer(&self) -> Bytes {
        match self {
            Self::Scratch(scratch) => Bytes::copy_from_slice(&scratch.output.text),
            Self::Kept { answer, .. } => answer.clone(),
        }
    }
}

/// Whoever needs it twice keeps it: what is kept takes no more than its length.
impl Clone for Held {
    fn clone(&self) -> Self {
        Self::Kept { answer: self.shared_answer(), parts: self.parts().into() }
    }
}

impl Scratch {
    /// Empty buffers.
    pub(super) fn take() -> Self {
        let mut buffers = SPARE.take().unwrap_or_default();
        buffers.names.begin();
        Self(Some(buffers))
    }
}

impl Deref for Scratch {
    type Target = Buffers;

    #[inline]
    fn deref(&self) -> &Buffers {
        self.0.as_deref().unwrap_or_else(|| unreachable!("it is dropped"))
    }
}

impl DerefMut for Scratch {
    #[inline]
    fn deref_mut(&mut self) -> &mut Buffers {
        self.0.as_deref_mut().unwrap_or_else(|| unreachable!("it is dropped"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Some(mut buffers) = self.0.take().filter(|buffers| buffers.bytes() <= SCRATCH_BYTES_MAX) else {
            return;
        };
        buffers.output.clear();
        buffers.parts.clear();
        // While a thread ends there is no place any more.
        let _ = SPARE.try_with(|spare| {
            let other = spare.take().filter(|other| other.bytes() > buffers.bytes());
            spare.set(Some(other.unwrap_or(buffers)));
        });
    }
}

impl Buffers {
    fn bytes(&self) -> usize {
        self.output.text.capacity() + self.parts.capacity() * size_of::<Span>()
    }
}
