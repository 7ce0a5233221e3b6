//! The diary: a file in which a handler and an operator record what they do.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use actuarius::Position;

/// Marks a line as complete.
const END: &str = " .\n";

/// One line of the file `effects`: an effect of the handler, or a request of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// A process starts.
    Life,
    /// The event of this journal at the position had its effect.
    Effect(Position, String),
    /// The event is about to be skipped (`Skipping`), or its skip was answered (`Skipped`).
    Skipping(Position),
    Skipped(Position),
    /// The subscription is about to be reset to the position (`Resetting`), or the reset was answered (`Reset`).
    Resetting(Position),
    Reset(Position),
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Life => write!(formatter, "LIFE")?,
            Self::Effect(position, journal) => write!(formatter, "{position} {journal}")?,
            Self::Skipping(position) => write!(formatter, "SKIPPING {position}")?,
            Self::Skipped(position) => write!(formatter, "SKIPPED {position}")?,
            Self::Resetting(position) => write!(formatter, "RESETTING {position}")?,
            Self::Reset(position) => write!(formatter, "RESET {position}")?,
        }
        formatter.write_str(END)
    }
}

impl Line {
    /// Parses a line. `None` for the rest of a line that a kill or a power cut has left.
    fn parse(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.strip_suffix(END)?;
        let Some((word, rest)) = line.split_once(' ') else {
            return (line == "LIFE").then_some(Self::Life);
        };
        let position = |text: &str| Some(Position::new(text.parse().ok()?));
        Some(match word {
            "SKIPPING" => Self::Skipping(position(rest)?),
            "SKIPPED" => Self::Skipped(position(rest)?),
            "RESETTING" => Self::Resetting(position(rest)?),
            "RESET" => Self::Reset(position(rest)?),
            _ => Self::Effect(position(word)?, rest.to_owned()),
        })
    }
}

/// The open file.
pub(crate) struct Diary {
    file: File,
    /// Whether each line is synced, so that it survives a power cut.
    synced: bool,
}

impl Diary {
    pub(crate) fn open(directory: &Path, synced: bool) -> io::Result<Self> {
        let path = path(directory);
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        if synced {
            // The file's name must survive as well.
            File::open(directory)?.sync_all()?;
        }
        let before = std::fs::read(&path)?;
        if !before.is_empty() && !before.ends_with(b"\n") {
            // The rest of an interrupted line becomes an invalid line, which is skipped.
            file.write_all(b"\n")?;
        }
        let diary = Self { file, synced };
        diary.write(&Line::Life)?;
        Ok(diary)
    }

    /// Appends a line in a single write, so that concurrent lines do not mix.
    pub(crate) fn write(&self, line: &Line) -> io::Result<()> {
        let line = line.to_string();
        let written = (&self.file).write(line.as_bytes())?;
        if written != line.len() {
            return Err(io::Error::other("half a line was written"));
        }
        if self.synced { self.file.sync_data() } else { Ok(()) }
    }
}

/// Reads all valid lines in order.
pub(crate) fn read(directory: &Path) -> io::Result<Vec<Line>> {
    let bytes = match std::fs::read(path(directory)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?,
    };
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    Ok(lines.filter_map(Line::parse).collect())
}

fn path(directory: &Path) -> PathBuf {
    directory.join("effects")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_line_is_parsed_and_a_part_of_it_is_not() {
        let at = Position::new(17);
        let effect = Line::Effect(at, "4".to_owned());
        let asked = [Line::Skipping(at), Line::Skipped(at), Line::Resetting(at), Line::Reset(at)];
        for line in asked.into_iter().chain([Line::Life, effect]) {
            let text = line.to_string();
            assert_eq!(Line::parse(text.as_bytes()), Some(line));
            for end in 0..text.len() {
                assert_eq!(Line::parse(&text.as_bytes()[..end]), None, "{text} {end}");
            }
        }
    }
}
