use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use actuarius::Position;

/// Shows that a line is whole.
const END: &str = " .\n";

/// One line of the file `effects`: what a handler has done, and what an operator has asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// A process begins.
    Life,
    /// The event at the position, of this journal, had its effect.
    Effect(Position, String),
    /// It is about to be skipped; it is skipped, and that was answered.
    Skipping(Position),
    Skipped(Position),
    /// The subscription is about to be reset to the position; it is, and that was answered.
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
    /// None for what a kill or a power cut has left of a line.
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

/// The file, to be written to.
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
            // The file's name is to survive as well.
            File::open(directory)?.sync_all()?;
        }
        let before = std::fs::read(&path)?;
        if !before.is_empty() && !before.ends_with(b"\n") {
            // What a kill or a power cut left of a line becomes a line nobody counts.
            file.write_all(b"\n")?;
        }
        let diary = Self { file, synced };
        diary.write(&Line::Life)?;
        Ok(diary)
    }

    /// One line, one write, at the end of the file: what is written at once does not mix.
    pub(crate) fn write(&self, line: &Line) -> io::Result<()> {
        let line = line.to_string();
        let written = (&self.file).write(line.as_bytes())?;
        if written != line.len() {
            return Err(io::Error::other("half a line was written"));
        }
        if self.synced { self.file.sync_data() } else { Ok(()) }
    }
}

/// All lines there are, in the order in which they came.
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
    fn a_line_comes_back_as_it_was_written_and_half_of_it_does_not() {
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
