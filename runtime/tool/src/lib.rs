//! The command line of Actuarius, and the same as a library.
//!
//! The program `actuarius` looks into the store of a runtime that is not running, checks it and copies it.
//! It knows no aggregate types: it shows the payloads of self-describing codecs as values, and others as
//! bytes. A program that has the types offers the same commands, and more of them say something:
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
//! `arguments` is what can be asked for, `tool` who is asked; `commands` are the answers, one file each.
//! `place` opens the store, `types` are those that were registered and `engine` a runtime for them; `events` and `value` make JSON of what
//! is stored, `moment` and `text` make it readable, `output` writes it. `docs/guides/tool.md` has the names
//! of all JSON fields.

mod arguments;
mod commands;
mod engine;
mod events;
mod moment;
mod output;
mod place;
mod progress;
mod scan;
mod text;
mod tool;
mod trouble;
mod types;
mod value;

pub use arguments::Arguments;
pub use tool::Tool;
