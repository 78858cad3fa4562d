use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use crate::Aligned;

thread_local! {
    static BUFFERS: RefCell<Vec<Aligned<u16>>> = RefCell::default();
}

/// Memory of the calling thread for a packed factor, given back when dropped, for the next one.
#[derive(Debug)]
pub struct Buffer(Aligned<u16>);

impl Buffer {
    /// One that nothing else uses now.
    pub fn take() -> Self {
        Self(BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_default())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        BUFFERS.with_borrow_mut(|buffers| buffers.push(std::mem::take(&mut self.0)));
    }
}

impl Deref for Buffer {
    type Target = Aligned<u16>;

    fn deref(&self) -> &Aligned<u16> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Aligned<u16> {
        &mut self.0
    }
}
