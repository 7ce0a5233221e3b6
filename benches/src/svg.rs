//! The results as a self-contained SVG picture.

use std::fmt::Write;

use crate::row::Row;
use crate::table::{footnote, number};

const WIDTH: usize = 920;
const LEFT: usize = 130;
const BAR: usize = 16;
const LONGEST: f64 = 560.0;
const OURS: &str = "#2f6f9f";
const PLAIN: &str = "#b9c4cc";

/// Draws the rows: bars for rates beside the plain log, text for the other figures.
#[must_use]
pub fn render(rows: &[Row]) -> String {
    let mut picture = Picture { text: String::new(), down: 58 };
    picture.legend();
    let rates = |row: &Row| [row.commands_per_second, row.baseline_commands_per_second];
    let most = rows.iter().flat_map(rates).flatten().fold(1.0, f64::max);
    for row in rows {
        picture.row(row, LONGEST / most);
    }
    if let Some(row) = rows.first() {
        let machine = &row.machine;
        let text = format!(
            "{} cores, {}, {}, Linux {}",
            machine.cores, machine.cpu, machine.disk, machine.kernel
        );
        picture.text(12, "small", &text);
        picture.down += 20;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\"><style>.small{{font-size:10px;\
         fill:#666}}.name{{font-weight:600}}</style><rect width=\"100%\" height=\"100%\" \
         fill=\"#fff\"/>{}</svg>",
        picture.down, picture.text
    )
}

struct Picture {
    text: String,
    down: usize,
}

impl Picture {
    fn legend(&mut self) {
        for (across, color, what) in
            [(12, OURS, "Actuarius"), (112, PLAIN, "plain log, one fdatasync per group")]
        {
            let _ = write!(
                self.text,
                "<rect x=\"{across}\" y=\"16\" width=\"12\" height=\"12\" fill=\"{color}\"/>\
                 <text x=\"{}\" y=\"27\">{what}</text>",
                across + 18
            );
        }
    }

    fn row(&mut self, row: &Row, scale: f64) {
        self.text(12, "name", &row.scenario);
        if let Some(ours) = row.commands_per_second {
            self.bar(OURS, ours * scale, &format!("{}/s", number(ours)));
        }
        if let Some(plain) = row.baseline_commands_per_second {
            let ratio = row.ratio.map_or_else(String::new, |it| format!(", ratio {}", number(it)));
            self.bar(PLAIN, plain * scale, &format!("{}/s{ratio}", number(plain)));
        }
        let mut details = String::new();
        if let Some(figure) = row.figure.filter(|_| row.figure_is != "commands/s") {
            let _ = write!(details, "{} {}", number(figure), row.figure_is);
        }
        if let (Some(half), Some(most)) = (row.p50_us, row.p99_us) {
            let gap = if details.is_empty() { "" } else { ", " };
            let _ = write!(details, "{gap}p50 {} µs, p99 {} µs", number(half), number(most));
        }
        self.text(LEFT, "", &details);
        self.down += 16;
        for line in wrapped(&footnote(row), 125) {
            self.text(LEFT, "small", &line);
            self.down += 14;
        }
        self.down += 18;
    }

    fn bar(&mut self, color: &str, long: f64, label: &str) {
        let top = self.down - 12;
        let _ = write!(
            self.text,
            "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{long:.0}\" height=\"{BAR}\" fill=\"{color}\"/>"
        );
        self.text(LEFT + long as usize + 6, "", label);
        self.down += BAR + 4;
    }

    fn text(&mut self, across: usize, class: &str, text: &str) {
        let (down, text) = (self.down, escaped(text));
        let _ =
            write!(self.text, "<text x=\"{across}\" y=\"{down}\" class=\"{class}\">{text}</text>");
    }
}

/// Wraps a text into lines of about `width` characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].len() + word.len() >= width {
            lines.push(word.to_owned());
        } else {
            let gap = if lines[last].is_empty() { "" } else { " " };
            lines[last] += &format!("{gap}{word}");
        }
    }
    lines
}

/// Escapes markup.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_names_figures_and_workload() {
        let mut row = Row { scenario: "a<b".to_owned(), ratio: Some(0.5), ..Row::default() };
        row.commands_per_second = Some(1_000.0);
        row.baseline_commands_per_second = Some(2_000.0);
        row.workload.durability = "answered after fdatasync".to_owned();
        let picture = render(&[row]);
        for part in ["a&lt;b", "1,000/s", "2,000/s, ratio 0.50", "answered after fdatasync"] {
            assert!(picture.contains(part), "{part} in {picture}");
        }
    }

    #[test]
    fn long_lines_are_wrapped() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
    }
}
