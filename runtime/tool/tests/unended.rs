//! A restore to before a deletion, of which the backup has neither the events nor the end.

use std::path::Path;

use actuarius::Codec;
use serde_json::json;

use crate::common::{AccountEvent, actuarius, filled, json, two_accounts};

/// A store was restored to before a deletion. The tool reported success, and the aggregate, whose events had been removed
/// before the first run, was found to be unusable by its users.
#[test]
fn a_restore_names_the_streams_that_it_has_neither_events_nor_end_of() {
    let all = tempfile::tempdir().unwrap();
    let path = |name: &str| all.path().join(name);
    let (data, saved, back) = (path("data"), path("saved"), path("back"));
    two_accounts(&data, Codec::Json);
    actuarius(&data, &["delete", "account/alice", "--yes", "--reusable"]).fine();
    actuarius(&data, &["backup", saved.to_str().unwrap()]).fine();
    let restore = |to: &Path, more: &[&str]| {
        let arguments = ["restore", saved.to_str().unwrap(), to.to_str().unwrap()];
        json(Path::new("nowhere"), &[&arguments[..], more].concat())
    };
    let whole = restore(&path("whole"), &[]).fine().document();
    assert_eq!((&whole["unended"], &whole["unended_first"]), (&json!(0), &json!([])));

    let restored = restore(&back, &["--at", "5"]);
    assert_eq!(restored.code, 1, "{restored:?}");
    let shown = restored.document();
    assert_eq!(shown["commits"], json!(3));
    assert_eq!(
        (&shown["unended"], &shown["unended_first"]),
        (&json!(1), &json!(["account/alice"]))
    );
    let to = path("text");
    let arguments =
        ["restore", saved.to_str().unwrap(), to.to_str().unwrap(), "--at", "position:5"];
    let text = actuarius(Path::new("nowhere"), &arguments);
    assert!(text.out.contains("account/alice") && text.out.contains("delete"), "{}", text.out);

    actuarius(&back, &["delete", "account/alice", "--yes", "--reusable"]).fine();
    filled(&back, Codec::Json, async |_, accounts| {
        accounts.execute("alice", vec![AccountEvent::Deposited(1)]).await.unwrap();
    });
}
