//! A store outlives the code that wrote it: what a release has stored is read by those after it.

#[path = "../common/archive.rs"]
mod archive;
mod changed;
mod first_release;
mod followers;
mod unchanged;
mod v1;
mod v2;
