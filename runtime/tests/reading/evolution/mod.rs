//! A store outlives the code that wrote it: what a release has stored is read by those after it.

mod changed;
mod first_release;
mod followers;
mod missing;
mod model;
mod splits;
mod unchanged;
mod v1;
mod v2;
