//! Where a written resource is: in a buffer that is used again, or kept for as long as it is remembered.

use std::cell::Cell;

use bytes::Bytes;

use super::Span;
use super::names::Names;
use super::output::Output;

/// A buffer larger than this is not kept for the next resource.
const SCRATCH_BYTES_MAX: usize = 256 * 1024;

/// A [`Scratch`] that nobody uses.
type Spare = (Output, Vec<Span>, Names);

thread_local! {
    /// Most of what is written is what was remembered, and is not needed any more when that has been seen: the next one is
    /// written to the same place.
    static SPARE: Cell<Option<Spare>> = const { Cell::new(None) };
}

#[derive(Debug)]
pub(super) enum Held {
    Scratch(Scratch),
    Kept { answer: Bytes, parts: Box<[Span]> },
}

/// Buffers that others use afterwards.
#[derive(Debug)]
pub(super) struct Scratch {
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
        let (output, parts, mut names) = SPARE.take().unwrap_or_default();
        names.begin();
        Self { output, parts, names }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (mut output, mut parts) = (std::mem::take(&mut self.output), std::mem::take(&mut self.parts));
        let names = std::mem::take(&mut self.names);
        let bytes = output.text.capacity() + parts.capacity() * size_of::<Span>();
        if bytes <= SCRATCH_BYTES_MAX {
            output.clear();
            parts.clear();
            // While a thread ends there is no place any more.
            let _ = SPARE.try_with(|spare| {
                let other = spare.take();
                let other = other.filter(|(other, ..)| other.text.capacity() > output.text.capacity());
                spare.set(Some(other.unwrap_or((output, parts, names))));
            });
        }
    }
}
