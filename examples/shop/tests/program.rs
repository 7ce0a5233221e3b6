//! Runs the program: its output, and its exit code and message when something is wrong.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn shop(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shop")).args(arguments).output().unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Returns the exit code and the only line on standard error.
fn complaint(output: &Output) -> (i32, String) {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    (output.status.code().unwrap(), text)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn two_runs_agree_and_the_second_writes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("below/shop");
    let first = printed(&shop(&["--data", text(&data)]));
    assert!(first.contains("0 purchases were there already, 6,919 written"), "{first}");
    let second = printed(&shop(&["--data", text(&data), "--clients", "7"]));
    assert!(second.contains("6,919 purchases were there already, 0 written"), "{second}");
    assert!(second.contains("months           0 events to replay"), "{second}");
    for report in [first, second] {
        assert_eq!(report.matches("16,479     244,091.94").count(), 6, "{report}");
        assert!(report.contains("reopened with 0, 0 and 0 events to replay"), "{report}");
        assert!(report.ends_with("All sums agree, to the cent.\n"), "{report}");
    }
}

/// Kills the program while it replays, while views catch up, and while it reopens.
#[test]
fn a_killed_run_is_finished_by_the_next_one() {
    let home = tempfile::tempdir().unwrap();
    for last_words in ["40 %", "outcome", "Views, ", "Best customers"] {
        let mut run = Command::new(env!("CARGO_BIN_EXE_shop"));
        run.args(["--data", text(home.path())]).stdout(Stdio::piped());
        let mut running = run.spawn().unwrap();
        let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains(last_words)), "{last_words}");
        running.kill().unwrap();
        running.wait().unwrap();
    }
    let report = printed(&shop(&["--data", text(home.path())]));
    assert!(report.ends_with("All sums agree, to the cent.\n"), "{report}");
}

#[test]
fn the_printed_query_works_on_the_tables_in_any_sqlite_tool() {
    let home = tempfile::tempdir().unwrap();
    let report = printed(&shop(&["--data", text(home.path())]));
    let tables = rusqlite::Connection::open(home.path().join("report.sqlite")).unwrap();
    let question = report.lines().find_map(|line| line.trim().strip_prefix("\"select"));
    let question = format!("select{}", question.unwrap().trim_end_matches('"'));
    let mut asked = tables.prepare(&question).unwrap();
    let mut rows = asked.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let columns = (0..5).map(|column| match row.get_ref(column).unwrap() {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            other => other.as_str().unwrap().to_owned(),
        });
        let row = columns.collect::<Vec<_>>().join("|");
        assert!(report.contains(&format!("\n  {row}\n")), "{row} in {report}");
    }
}

#[test]
fn another_file_on_the_same_directory_is_reported_as_a_difference() {
    let home = tempfile::tempdir().unwrap();
    let (file, data) = (home.path().join("one.txt"), home.path().join("shop"));
    std::fs::write(&file, "7 19970101 2 29.33\n7 19970102 1 1.00\n").unwrap();
    printed(&shop(&["--file", text(&file), "--data", text(&data)]));
    std::fs::write(&file, "7 19970101 2 29.34\n").unwrap();
    let (code, line) = complaint(&shop(&["--file", text(&file), "--data", text(&data)]));
    assert!(code == 1 && line.starts_with("shop: the sums differ."), "{code} {line}");
}

#[test]
fn a_missing_file_and_a_malformed_line_are_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("one.txt");
    let (code, line) = complaint(&shop(&["--file", text(&file)]));
    assert!(code == 2 && line.contains("one.txt cannot be read: "), "{code} {line}");
    std::fs::write(&file, "7 19970101 2 29.33\r\n7 19970101 2\r\n").unwrap();
    let (code, line) = complaint(&shop(&["--file", text(&file)]));
    assert!(code == 2 && line.contains("one.txt, line 2: expected customer"), "{code} {line}");
}

#[tokio::test]
async fn a_directory_in_use_is_named() {
    let home = tempfile::tempdir().unwrap();
    let open = actuarius::Runtime::open(home.path()).await.unwrap();
    let (code, line) = complaint(&shop(&["--data", text(home.path())]));
    assert!(code == 1 && line.contains("is in use"), "{code} {line}");
    drop(open);
}
