//! The output of a command: JSON lines, or text and tables for a terminal.

use std::io::{self, Write};

use serde::Serialize;

use crate::value;

/// The number of rows that are buffered before the column widths of a table are fixed: a screen or two.
const MEASURED_ROWS: usize = 100;

/// Standard output, as JSON or as text.
pub(crate) struct Output<'a> {
    json: bool,
    out: &'a mut (dyn Write + Send),
}

impl<'a> Output<'a> {
    pub(crate) fn new(json: bool, out: &'a mut (dyn Write + Send)) -> Self {
        Self { json, out }
    }

    /// Writes one document as JSON, or its fields line by line.
    pub(crate) fn document(
        &mut self,
        document: &impl Serialize,
        fields: &[(&str, String)],
    ) -> io::Result<()> {
        if self.json {
            return self.json_line(document);
        }
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in fields {
            writeln!(self.out, "{name:width$}  {value}")?;
        }
        Ok(())
    }

    /// Writes one line of JSON.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let json = value::json(value).map_err(io::Error::other)?;
        writeln!(self.out, "{}", json.get())
    }

    /// The underlying writer, for output that is neither a document nor a table.
    pub(crate) fn raw(&mut self) -> &mut (dyn Write + Send) {
        self.out
    }

    /// Writes a line of text; with JSON, nothing.
    pub(crate) fn remark(&mut self, text: &str) -> io::Result<()> {
        if self.json { Ok(()) } else { writeln!(self.out, "{text}") }
    }

    /// Writes a table of data that the JSON document already contains; with JSON, nothing.
    pub(crate) fn table_of(
        &mut self,
        columns: &[&str],
        rows: impl Iterator<Item = Vec<String>>,
    ) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        let mut table = self.list(columns);
        for cells in rows {
            table.row(&(), |()| cells)?;
        }
        table.end().map(|_rows| ())
    }

    /// Begins a list, written as JSON lines or as a table. Columns whose names begin with `#` contain numbers.
    pub(crate) fn list<'b>(&'b mut self, columns: &'b [&'b str]) -> Table<'b, 'a> {
        Table { output: self, columns, widths: Vec::new(), buffered: Vec::new(), rows: 0 }
    }
}

/// A table being written. Its first rows are buffered until the column widths are known.
pub(crate) struct Table<'b, 'a> {
    output: &'b mut Output<'a>,
    columns: &'b [&'b str],
    widths: Vec<usize>,
    buffered: Vec<Vec<String>>,
    rows: u64,
}

impl Table<'_, '_> {
    /// Adds one item, as JSON or as cells.
    pub(crate) fn row<T: Serialize>(
        &mut self,
        item: &T,
        cells: impl FnOnce(&T) -> Vec<String>,
    ) -> io::Result<()> {
        self.rows += 1;
        if self.output.json {
            return self.output.json_line(item);
        }
        let cells = cells(item);
        if !self.widths.is_empty() {
            return self.write(&cells);
        }
        self.buffered.push(cells);
        if self.buffered.len() == MEASURED_ROWS { self.begin() } else { Ok(()) }
    }

    /// Writes the buffered rows, and returns the number of all rows.
    pub(crate) fn end(mut self) -> io::Result<u64> {
        if !self.buffered.is_empty() {
            self.begin()?;
        }
        Ok(self.rows)
    }

    fn begin(&mut self) -> io::Result<()> {
        let titles: Vec<_> =
            self.columns.iter().map(|it| it.trim_start_matches('#').to_owned()).collect();
        let rows = std::mem::take(&mut self.buffered);
        let width = |column: usize| {
            let cells = rows.iter().chain([&titles]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        self.widths = (0..self.columns.len()).map(width).collect();
        self.write(&titles)?;
        rows.iter().try_for_each(|row| self.write(row))
    }

    fn write(&mut self, cells: &[String]) -> io::Result<()> {
        let last = cells.len().saturating_sub(1);
        for (column, cell) in cells.iter().enumerate() {
            let width = self.widths.get(column).copied().unwrap_or(0);
            let is_number = self.columns.get(column).is_some_and(|name| name.starts_with('#'));
            match (is_number, column == last) {
                (true, _) => write!(self.output.out, "{cell:>width$}")?,
                // The last cell needs no padding.
                (false, true) => write!(self.output.out, "{cell}")?,
                (false, false) => write!(self.output.out, "{cell:<width$}")?,
            }
            if column != last {
                write!(self.output.out, "  ")?;
            }
        }
        writeln!(self.output.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: bool, rows: usize) -> String {
        let mut out = Vec::new();
        let mut output = Output::new(json, &mut out);
        let mut table = output.list(&["NAME", "#COUNT", "REST"]);
        for row in 0..rows {
            table
                .row(&row, |row| vec![format!("n{row}"), row.to_string(), "x y".to_owned()])
                .unwrap();
        }
        assert_eq!(table.end().unwrap(), rows as u64);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_aligned() {
        assert_eq!(written(false, 2), "NAME  COUNT  REST\nn0        0  x y\nn1        1  x y\n");
        assert_eq!(written(false, 0), "");
        assert_eq!(written(true, 2), "0\n1\n");
    }

    #[test]
    fn a_long_table_is_written_while_rows_arrive() {
        let long = written(false, 1_000);
        assert_eq!(long.lines().count(), 1_001);
        assert!(long.ends_with("n999    999  x y\n"), "{}", &long[long.len() - 40..]);
    }
}
