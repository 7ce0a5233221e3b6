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
use crate::commands::{self, Means};
use crate::output::Output;
use crate::text;
use crate::trouble::Trouble;
use crate::types::Types;

/// The commands, with the types they know.
#[derive(Default)]
#[must_use = "a tool does nothing before `run`"]
pub struct Tool {
    name: Option<&'static str>,
    store: Option<PathBuf>,
    master: Option<Arc<dyn MasterKeys>>,
    types: Types,
}

impl Tool {
    /// A tool that knows no types.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the program is called in its help. Default: `actuarius`.
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Where the store is unless an argument says otherwise.
    pub fn store(mut self, directory: impl Into<PathBuf>) -> Self {
        self.store = Some(directory.into());
        self
    }

    /// Reads and forgets personal data with these master keys, unless an argument names a file of others.
    pub fn personal_data(mut self, master: impl MasterKeys) -> Self {
        self.master = Some(Arc::new(master));
        self
    }

    /// Shows the events and states of this aggregate type, whatever codec has written them.
    pub fn aggregate<A: Aggregate>(mut self) -> Self {
        self.types.add::<A>();
        self
    }

    /// Shows the instances of this saga, whatever codec has written them.
    pub fn saga<S: Saga>(mut self) -> Self {
        self.types.add_saga::<S>();
        self
    }

    /// Does what the arguments of the process ask for, and says with which code it should end.
    #[must_use = "the code tells whether anything was found"]
    pub fn run(self) -> ExitCode {
        self.run_from(std::env::args_os())
    }

    /// Does what these arguments ask for; the first is the name of the program.
    #[must_use = "the code tells whether anything was found"]
    pub fn run_from(
        self,
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> ExitCode {
        let mut out = BufWriter::new(io::stdout());
        ExitCode::from(self.answer(arguments, &mut out, &mut io::stderr()))
    }

    /// Does what these arguments, which were parsed with `clap`, ask for: for a program that has other
    /// commands beside these.
    #[must_use = "the code tells whether anything was found"]
    pub fn run_with(self, arguments: &Arguments) -> ExitCode {
        let mut out = BufWriter::new(io::stdout());
        ExitCode::from(self.answer_parsed(arguments, &mut out, &mut io::stderr()))
    }

    /// Writes the answer to these arguments to `out`, and what is wrong to `errors`; returns the exit
    /// code. For tests, and for programs whose output goes elsewhere.
    pub fn answer(
        &self,
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
        out: &mut (dyn Write + Send),
        errors: &mut dyn Write,
    ) -> u8 {
        let name = self.name();
        let parsed = Arguments::command().name(name).bin_name(name).try_get_matches_from(arguments);
        match parsed.and_then(|matches| Arguments::from_arg_matches(&matches)) {
            Ok(arguments) => self.answer_parsed(&arguments, out, errors),
            Err(error) => {
                // Help is no error. That nobody reads it is none, either.
                let _ = if error.use_stderr() {
                    write!(errors, "{error}")
                } else {
                    write!(out, "{error}").and_then(|()| out.flush())
                };
                u8::try_from(error.exit_code()).unwrap_or(2)
            }
        }
    }

    fn answer_parsed(
        &self,
        arguments: &Arguments,
        out: &mut (dyn Write + Send),
        errors: &mut dyn Write,
    ) -> u8 {
        let means = Means {
            store: arguments.store.as_ref().or(self.store.as_ref()).map(PathBuf::as_path),
            master_file: arguments.master_keys.as_deref(),
            master: self.master.as_ref(),
            types: &self.types,
        };
        let mut work = || {
            let mut output = Output::new(arguments.json, out);
            commands::run(&arguments.command, &means, &mut output)
        };
        // A thread of its own may wait for futures, also when this one is one of an async runtime.
        let done = thread::scope(|scope| scope.spawn(&mut work).join());
        let done = done.unwrap_or_else(|panic| resume_unwind(panic));
        // What was written before something went wrong is worth reading.
        let flushed = out.flush().map_err(Trouble::from);
        match done.and_then(|outcome| flushed.map(|()| outcome)) {
            Ok(outcome) => outcome.exit_code(),
            Err(trouble) if trouble.is_closed_pipe() => 0,
            Err(trouble) => {
                // Where this cannot be written to, there is nobody to tell.
                let _ = self.complain(arguments.json, &trouble, errors);
                trouble.exit_code()
            }
        }
    }

    fn complain(&self, json: bool, trouble: &Trouble, errors: &mut dyn Write) -> io::Result<()> {
        let (why, code) = (trouble.to_string(), trouble.exit_code());
        if json {
            let said = serde_json::json!({ "error": why, "exit_code": code });
            return writeln!(errors, "{}", text::tame_json(&said.to_string()));
        }
        writeln!(errors, "{}: {}", self.name(), text::Name(&why))
    }

    fn name(&self) -> &'static str {
        self.name.unwrap_or("actuarius")
    }
}
