//! [`Tool`]: parses the arguments, runs the command and reports its result as an exit code.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use actuarius::Aggregate;
use actuarius::erasure::keys::MasterKeys;
use actuarius::saga::Saga;
use clap::{CommandFactory, FromArgMatches};

use crate::arguments::Arguments;
use crate::commands::{self, Settings};
use crate::error::{Outcome, ToolError};
use crate::forensics::Notice;
use crate::output::Output;
use crate::text;
use crate::types::Types;

/// The command line, with the types that a program registers.
#[derive(Default)]
#[must_use = "a tool does nothing before `run`"]
pub struct Tool {
    name: Option<&'static str>,
    store: Option<PathBuf>,
    master: Option<Arc<dyn MasterKeys>>,
    types: Types,
}

impl Tool {
    /// Creates a tool without registered types.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name of the program in its help. Default: `actuarius`.
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Sets the directory of the store, which an argument overrides.
    pub fn store(mut self, directory: impl Into<PathBuf>) -> Self {
        self.store = Some(directory.into());
        self
    }

    /// Reads and forgets personal data with these master keys, which an argument overrides with a file.
    pub fn personal_data(mut self, master: impl MasterKeys) -> Self {
        self.master = Some(Arc::new(master));
        self
    }

    /// Registers an aggregate type: its events and states are shown as values, whatever their codec.
    pub fn aggregate<A: Aggregate>(mut self) -> Self {
        self.types.add::<A>();
        self
    }

    /// Registers a saga: its instances are shown as values, whatever their codec.
    pub fn saga<S: Saga>(mut self) -> Self {
        self.types.add_saga::<S>();
        self
    }

    /// Runs the command given by the arguments of the process. Returns the exit code of the process.
    #[must_use = "the exit code reports whether problems were found"]
    pub fn run(self) -> ExitCode {
        self.run_from(std::env::args_os())
    }

    /// Runs the command given by these arguments. The first one is the name of the program.
    #[must_use = "the exit code reports whether problems were found"]
    pub fn run_from(
        self,
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> ExitCode {
        let mut out = BufWriter::new(io::stdout());
        ExitCode::from(self.answer(arguments, &mut out, &mut io::stderr()))
    }

    /// Runs the command given by arguments that were parsed with `clap`, for a program that has further commands
    /// of its own.
    #[must_use = "the exit code reports whether problems were found"]
    pub fn run_with(self, arguments: &Arguments) -> ExitCode {
        let mut out = BufWriter::new(io::stdout());
        ExitCode::from(self.run_parsed(arguments, &mut out, &mut io::stderr()))
    }

    /// Runs the command given by these arguments. Writes its output to `out` and its errors to `errors`, and
    /// returns the exit code. For tests, and for programs that redirect the output.
    pub fn answer(
        &self,
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
        out: &mut (dyn Write + Send),
        errors: &mut dyn Write,
    ) -> u8 {
        let name = self.name();
        let parsed = Arguments::command().name(name).bin_name(name).try_get_matches_from(arguments);
        match parsed.and_then(|matches| Arguments::from_arg_matches(&matches)) {
            Ok(arguments) => self.run_parsed(&arguments, out, errors),
            Err(error) => {
                // Help is not an error, and neither is a reader that has closed the output.
                let _ = if error.use_stderr() {
                    write!(errors, "{error}")
                } else {
                    write!(out, "{error}").and_then(|()| out.flush())
                };
                u8::try_from(error.exit_code()).unwrap_or(2)
            }
        }
    }

    fn run_parsed(
        &self,
        arguments: &Arguments,
        out: &mut (dyn Write + Send),
        errors: &mut dyn Write,
    ) -> u8 {
        let settings = Settings {
            store: arguments.store.as_ref().or(self.store.as_ref()).map(PathBuf::as_path),
            master_file: arguments.master_keys.as_deref(),
            master: self.master.as_ref(),
            types: &self.types,
            forensics: arguments.forensics.then(Notice::default),
        };
        let mut work = || {
            let mut output = Output::new(arguments.json, out);
            commands::run(&arguments.command, &settings, &mut output)
        };
        // A separate thread may block on futures, even if the caller's thread belongs to an async runtime.
        let done = thread::scope(|scope| scope.spawn(&mut work).join());
        let done = done.unwrap_or_else(|panic| resume_unwind(panic));
        // Output that was written before an error is still useful.
        let flushed = out.flush().map_err(ToolError::from);
        let notice = settings.forensics.as_ref().and_then(Notice::taken);
        // If standard error cannot be written to, there is nowhere to report it.
        let _ = notice.as_ref().map(|left| left.report(arguments.json, errors));
        let done = done.map(|outcome| match &notice {
            Some(left) if !left.is_all() => Outcome::Findings,
            _ => outcome,
        });
        match done.and_then(|outcome| flushed.map(|()| outcome)) {
            Ok(outcome) => outcome.exit_code(),
            Err(error) if error.is_closed_pipe() => 0,
            Err(error) => {
                // If standard error cannot be written to, the error cannot be reported.
                let _ = self.report_error(arguments.json, &error, errors);
                error.exit_code()
            }
        }
    }

    fn report_error(
        &self,
        json: bool,
        error: &ToolError,
        errors: &mut dyn Write,
    ) -> io::Result<()> {
        let (why, code) = (error.to_string(), error.exit_code());
        if json {
            let report = serde_json::json!({ "error": why, "exit_code": code });
            return writeln!(errors, "{}", text::escape_json(&report.to_string()));
        }
        writeln!(errors, "{}: {}", self.name(), text::Name(&why))
    }

    fn name(&self) -> &'static str {
        self.name.unwrap_or("actuarius")
    }
}
