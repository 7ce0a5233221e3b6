//! The command line of a program: options with values, `--help` and `--version`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::process::exit;
use std::str::FromStr;

use lexopt::Arg::{Long, Short};
use lexopt::{Error, Parser, ValueExt as _};

/// What a program's help says.
pub struct Program {
    /// The name of the program.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Each option: its name without `--`, the name of its value, and its help.
    pub options: &'static [(&'static str, &'static str, &'static str)],
}

/// The options given on the command line.
#[derive(Debug, Default)]
pub struct Options(BTreeMap<&'static str, String>);

impl Program {
    /// Parses the arguments of the process. Prints the help or the version if asked to, and exits with 2 if an
    /// argument is invalid.
    pub fn parse<T>(&self, read: impl FnOnce(&mut Options) -> Result<T, String>) -> T {
        let options = self.options_of(Parser::from_env()).map_err(|error| error.to_string());
        match options.and_then(|mut options| read(&mut options)) {
            Ok(arguments) => arguments,
            Err(error) => {
                eprintln!("{}: {error}\n\nFor more information, try '--help'.", self.name);
                exit(2)
            }
        }
    }

    fn options_of(&self, mut parser: Parser) -> Result<Options, Error> {
        let mut options = Options::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Short('h') | Long("help") => print(&self.help()),
                Short('V') | Long("version") => {
                    print(&format!("{} {}\n", self.name, env!("CARGO_PKG_VERSION")));
                }
                Long(name) => match self.options.iter().find(|(known, ..)| *known == name) {
                    Some((known, ..)) => {
                        options.0.insert(known, parser.value()?.string()?);
                    }
                    None => return Err(argument.unexpected()),
                },
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(options)
    }

    fn help(&self) -> String {
        let options = self.options.iter().map(|(name, value, _)| format!("--{name} <{value}>"));
        let width = options.clone().map(|option| option.len()).max().unwrap_or(0);
        let lines = options.zip(self.options).map(|(option, (_, _, help))| {
            let help = help.replace('\n', &format!("\n  {:width$}  ", ""));
            format!("  {option:width$}  {help}\n")
        });
        let (name, about, lines) = (self.name, self.about, lines.collect::<String>());
        let own = format!(
            "  {:width$}  Print the help\n  {:width$}  Print the version\n",
            "-h, --help", "-V, --version"
        );
        format!("{about}\n\nUsage: {name} [OPTIONS]\n\nOptions:\n{lines}{own}")
    }
}

fn print(text: &str) -> ! {
    let _ = std::io::stdout().write_all(text.as_bytes());
    exit(0)
}

impl Options {
    /// The value of an option, if it is given.
    ///
    /// # Errors
    /// Why the value is invalid.
    pub fn optional<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, String> {
        let Some(text) = self.0.remove(name) else { return Ok(None) };
        let value = text.parse();
        value.map(Some).map_err(|error| format!("invalid value {text:?} for --{name}: {error}"))
    }

    /// The value of an option, or its default.
    ///
    /// # Errors
    /// Why the value is invalid.
    pub fn value<T: FromStr<Err: Display>>(&mut self, name: &str, default: T) -> Result<T, String> {
        Ok(self.optional(name)?.unwrap_or(default))
    }

    /// The number of an option within a range, or its default.
    ///
    /// # Errors
    /// Why the value is invalid.
    pub fn within(
        &mut self,
        name: &str,
        range: RangeInclusive<usize>,
        default: usize,
    ) -> Result<usize, String> {
        let number = self.value(name, default)?;
        let (least, most) = (range.start(), range.end());
        let error = || format!("invalid value {number} for --{name}: not in {least}..={most}");
        range.contains(&number).then_some(number).ok_or_else(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: Program = Program {
        name: "counter",
        about: "Counts.",
        options: &[("to", "N", "How far\nto count"), ("directory", "DIR", "Where to write")],
    };

    fn parse(arguments: &[&str]) -> Result<Options, Error> {
        PROGRAM.options_of(Parser::from_args(arguments))
    }

    #[test]
    fn options_have_values_and_defaults() {
        let mut options = parse(&["--to", "7", "--directory=here"]).unwrap();
        assert_eq!(options.within("to", 1..=9, 3), Ok(7));
        assert_eq!(options.value("directory", String::new()), Ok("here".to_owned()));
        assert_eq!(options.within("to", 1..=9, 3), Ok(3));
    }

    #[test]
    fn an_invalid_argument_is_an_error_that_names_it() {
        for arguments in [&["--from", "1"][..], &["7"], &["--to"]] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
        let mut options = parse(&["--to", "10"]).unwrap();
        let error = options.within("to", 1..=9, 3).unwrap_err();
        assert_eq!(error, "invalid value 10 for --to: not in 1..=9");
        let mut options = parse(&["--to", "x"]).unwrap();
        assert!(
            options.value("to", 1_u64).unwrap_err().starts_with("invalid value \"x\" for --to")
        );
    }

    #[test]
    fn help_lists_all_options() {
        let help = PROGRAM.help();
        assert!(
            help.contains("  --to <N>           How far\n                     to count\n"),
            "{help}"
        );
    }
}
