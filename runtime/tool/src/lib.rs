//! The command line of Actuarius, as a library for programs with types of their own.
//!
//! The program `actuarius` inspects, checks and copies the store of a runtime that is not running. It knows no
//! aggregate types: it shows the payloads of self-describing codecs as values, and others as bytes. A program
//! that registers its types offers the same commands, with values and states for these types:
//!
//! ```no_run
//! use std::process::ExitCode;
//! # use std::convert::Infallible;
//! # use actuarius::{Aggregate, Context};
//! # #[derive(Default, serde::Serialize, serde::Deserialize)] struct Account;
//! # impl Aggregate for Account {
//! #     const TYPE: &'static str = "account";
//! #     type Command = (); type Event = (); type Error = Infallible;
//! #     fn decide(&self, _: (), _: &Context) -> Result<Vec<()>, Infallible> { Ok(vec![]) }
//! #     fn apply(&mut self, _: &()) {}
//! # }
//! use actuarius_tool::Tool;
//!
//! fn main() -> ExitCode {
//!     Tool::new().named("bank-admin").aggregate::<Account>().run()
//! }
//! ```
//!
//! `arguments` defines the command line, `tool` runs it, and `commands` has one file per command. `open_store`
//! opens the store, `forensics` what is left of a damaged one, `types` contains the registered types, and `engine` is a runtime for them. `events` and
//! `value` convert stored events to JSON, `moment` and `text` format times and names, and `output` writes the
//! result. `docs/book/src/tool.md` lists all JSON fields.

mod arguments;
mod commands;
mod engine;
mod error;
mod events;
mod forensics;
mod moment;
mod open_store;
mod output;
mod progress;
mod scan;
mod text;
mod tool;
mod types;
mod value;

pub use arguments::Arguments;
pub use tool::Tool;
