//! Compiles Actuarius beside other feature sets of ractor; see `Cargo.toml`.

pub use actuarius::Runtime;
