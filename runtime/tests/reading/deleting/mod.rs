//! Followers and the deletion of an aggregate: they take its events whole or not at all, and learn of its end.

mod whole;
