/// Something made of named tensors: a model, its gradient, or an optimizer's moments, all of one type.
pub trait Params {
    /// Visits every tensor once, always in the same order: its Hugging Face name, shape, and values (row-major).
    fn visit<'a>(&'a self, visitor: &mut dyn FnMut(String, &[usize], &'a [f32]));

    /// Visits every tensor once, in the order of [`Params::visit`], to change it.
    fn visit_mut<'a>(&'a mut self, visitor: &mut dyn FnMut(String, &[usize], &'a mut [f32]));

    /// The number of parameters.
    fn count(&self) -> usize {
        let mut count = 0;
        self.visit(&mut |_, _, values| count += values.len());
        count
    }
}
