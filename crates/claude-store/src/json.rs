//! JSON parsed without losing its text: each value keeps its position in the source.

mod object;
mod walk;

pub(crate) use object::{
    InOrder, Member, Object, decode_string, describe, offset_in, range_with_comma, span_in,
};
