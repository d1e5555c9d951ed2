//! JSON whose text stays as it stands: where each member begins and ends.

mod object;

pub(crate) use object::{InOrder, Member, Object, decode_string, describe, range_with_comma, span_in};
