//! The program `actuarius`: inspects a store from the command line. It knows no aggregate types; a program that
//! does offers the same commands through the library (see `docs/book/src/tool.md`).

use std::process::ExitCode;

use actuarius_tool::Tool;

fn main() -> ExitCode {
    Tool::new().run()
}
