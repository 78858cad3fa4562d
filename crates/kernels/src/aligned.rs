use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use bytemuck::Pod;
use memmap2::MmapMut;

/// Numbers in memory pages of their own, huge ones where the system has them: vector and tile instructions read and
/// write whole lines of the cache, and seldom miss a page's address.
pub struct Aligned<T> {
    pages: Option<MmapMut>,
    length: usize,
    of: PhantomData<T>,
}

impl<T: Pod> Aligned<T> {
    /// So many zeros.
    ///
    /// # Panics
    /// When the system has no memory.
    pub fn zeros(length: usize) -> Self {
        let bytes = length * size_of::<T>();
        let pages = (bytes > 0).then(|| {
            let pages = MmapMut::map_anon(bytes).expect("memory for a buffer");
            #[cfg(target_os = "linux")]
            // Where the system has no huge pages, usual ones do.
            let _ = pages.advise(memmap2::Advice::HugePage);
            pages
        });
        Self { pages, length, of: PhantomData }
    }

    /// The first `length` values, whatever they are, of a buffer that is made large enough.
    pub fn grown(&mut self, length: usize) -> &mut [T] {
        if self.length < length {
            *self = Self::zeros(length);
        }
        &mut self[..length]
    }
}

impl<T: Pod> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.pages
            .as_deref()
            .map_or(&[], |pages| bytemuck::cast_slice(&pages[..self.length * size_of::<T>()]))
    }
}

impl<T: Pod> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let bytes = self.length * size_of::<T>();
        self.pages.as_deref_mut().map_or(&mut [], |pages| bytemuck::cast_slice_mut(&mut pages[..bytes]))
    }
}

impl<T: Pod> Default for Aligned<T> {
    fn default() -> Self {
        Self::zeros(0)
    }
}

impl<T: Pod> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.length);
        copy.copy_from_slice(self);
        copy
    }
}

impl<T: Pod + PartialEq> PartialEq for Aligned<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Aligned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_at_a_line_and_keeps_what_it_holds() {
        let mut values = Aligned::<f32>::default();
        assert!(values.is_empty());
        values.grown(1000).fill(2.0);
        assert_eq!(values.as_ptr().align_offset(64), 0);
        assert_eq!(values.grown(10), &[2.0; 10], "what is large enough stays");
        let copy = values.clone();
        assert_eq!(copy, values);
        values[999] = 1.0;
        assert_ne!(copy, values);
        assert_eq!(&values.grown(1001)[1000..], &[0.0], "and what is too small begins anew");
    }
}
