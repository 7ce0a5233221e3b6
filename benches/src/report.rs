//! The results as a report in one self-contained file: an HTML page or an SVG picture.

use std::path::Path;

use crate::Result;
use crate::row::Row;
use crate::svg::{self, escaped};
use crate::table;

/// Writes a report of the kind that the file name's extension selects.
///
/// # Errors
/// The extension is neither `.html` nor `.svg`, or the file cannot be written.
pub fn write(rows: &[Row], path: &Path) -> Result<()> {
    let text = match path.extension().and_then(|ending| ending.to_str()) {
        Some("svg") => svg::render(rows),
        Some("html") => page(rows),
        _ => return Err("the name of a report must end in .html or .svg".into()),
    };
    Ok(std::fs::write(path, text)?)
}

fn page(rows: &[Row]) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Actuarius, measured\
         </title><style>body{{font-family:system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
         padding:0 1rem}}pre{{overflow-x:auto;font-size:.75rem}}</style><h1>Actuarius, measured\
         </h1><p>Each rate stands beside that of a plain append-only log with one fdatasync per \
         group, driven by the same clients in turns in the same run. The ratio is the median of \
         the rounds.</p>{}<pre>{}</pre></html>\n",
        svg::render(rows),
        escaped(&table::render(rows))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_pages_or_pictures() {
        let directory = tempfile::tempdir().unwrap();
        let rows = [Row::default()];
        for (name, start) in [("a.html", "<!doctype html>"), ("a.svg", "<svg ")] {
            let path = directory.path().join(name);
            write(&rows, &path).unwrap();
            assert!(std::fs::read_to_string(path).unwrap().starts_with(start));
        }
        assert!(write(&rows, &directory.path().join("a.png")).is_err());
    }
}
