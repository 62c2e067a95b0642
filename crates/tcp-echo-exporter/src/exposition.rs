//! The exposition formats, and writing them.

pub(crate) mod collect;
pub(crate) mod encode;
pub(crate) mod negotiate;
