//! Schema evolution: later releases read what earlier ones have stored, through upcasters and
//! changes of codec.

mod changed;
mod first_release;
mod followers;
mod missing;
mod model;
mod names;
mod recursive;
mod relabelled;
mod rollback;
mod shapes;
mod shapes_everywhere;
mod splits;
mod unchanged;
mod unknown;
mod v1;
mod v2;
