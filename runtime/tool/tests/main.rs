//! The command line on stores in temporary directories: what each command prints, changes and
//! refuses.

mod common;
mod copying;
mod following;
mod forensics;
mod looking;
mod moving;
mod personal;
mod refusing;
mod types;
mod unended;
