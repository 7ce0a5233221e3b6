//! The house rules that no compiler checks: which module may import which, how files begin, how long they
//! are, which words the documents use, and what the crate root shows.
//!
//! `docs/ARCHITECTURE.md` draws the modules; a new arrow needs a reason there and a line here.

mod api;
mod arrows;
mod circles;
mod files;
mod imports;
mod language;
mod packages;
mod sources;
mod surface;
mod threads;
