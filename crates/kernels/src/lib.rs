//! Matrix products and vector primitives, chosen for the processor at run time.
