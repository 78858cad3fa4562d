/// Takes a tensor's Hugging Face name, its shape, and its values (row-major).
pub type Visitor<'v, T> = &'v mut dyn FnMut(String, &[usize], T);

/// Something made of named tensors: a model, its gradient, or an optimizer's moments, all of one type.
pub trait Params {
    /// Visits every tensor once, always in the same order.
    fn visit<'a>(&'a self, visitor: Visitor<'_, &'a [f32]>);

    /// Visits every tensor once, in the order of [`Params::visit`], to change it.
    fn visit_mut<'a>(&'a mut self, visitor: Visitor<'_, &'a mut [f32]>);

    /// The number of parameters.
    fn count(&self) -> usize {
        let mut count = 0;
        self.visit(&mut |_, _, values| count += values.len());
        count
    }
}
