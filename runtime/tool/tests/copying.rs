//! `backup`, `restore` and `verify`, and other commands on a backup.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actuarius::clock::ManualClock;
use actuarius::{Codec, Runtime, Timestamp};
use serde_json::{Value, json};

use crate::common::{Account, AccountEvent, actuarius, filled, json, two_accounts};

#[test]
fn a_backup_is_taken_in_runs_and_restored_to_any_position() {
    let all = tempfile::tempdir().unwrap();
    let path = |name: &str| all.path().join(name);
    let (data, saved) = (path("data"), path("saved"));
    two_accounts(&data, Codec::Json);
    let take = || json(&data, &["backup", saved.to_str().unwrap()]).fine().document();
    let first = take();
    assert_eq!((&first["run"], &first["events"]), (&json!(1), &json!(5)));
    filled(&data, Codec::Json, async |_, accounts| {
        accounts.execute("carol", vec![AccountEvent::Closed]).await.unwrap();
    });
    let second = take();
    assert_eq!((&second["run"], &second["events"]), (&json!(2), &json!(1)));
    let info = json(&saved, &["info"]).fine().document();
    assert_eq!(info["runs"].as_array().unwrap().len(), 2);
    assert!(actuarius(&saved, &["info"]).fine().out.contains("RUN  COMMITS"));

    let restore = |to: &Path, at: &[&str]| {
        let arguments = ["restore", saved.to_str().unwrap(), to.to_str().unwrap()];
        json(Path::new("nowhere"), &[&arguments[..], at].concat())
    };
    let whole = restore(&path("whole"), &[]).fine().document();
    assert_eq!(whole["end"], second["to"]);
    assert_eq!(json(&path("whole"), &["tail", "-n", "99"]).fine().json().len(), 6);
    restore(&path("part"), &["--at", "3"]).fine();
    assert_eq!(json(&path("part"), &["tail", "-n", "99"]).fine().json().len(), 3);
    restore(&path("never"), &["--at", "1999-01-01"]).fine();
    assert!(json(&path("never"), &["streams"]).fine().json().is_empty());
    assert_eq!(restore(&path("whole"), &[]).code, 2, "it is not empty");
    assert_eq!(restore(&path("ahead"), &["--at", "position:99"]).code, 2);
}

#[test]
fn a_backup_can_be_read_like_a_store_and_is_never_changed() {
    let all = tempfile::tempdir().unwrap();
    let (data, saved) = (all.path().join("data"), all.path().join("saved"));
    two_accounts(&data, Codec::MessagePack);
    actuarius(&data, &["backup", saved.to_str().unwrap()]).fine();
    let files = || fs::read_dir(&saved).unwrap().count();
    let before = files();
    for arguments in [
        &["streams"][..],
        &["tail"],
        &["show", "account/alice", "--at", "1"],
        &["history", "account/alice"],
        &["subscriptions"],
        &["sagas"],
    ] {
        let said = |directory| actuarius(directory, arguments).fine().out;
        assert_eq!(said(&saved), said(&data), "{arguments:?}");
    }
    let skip = actuarius(&saved, &["backup", all.path().join("other").to_str().unwrap()]);
    assert_eq!(skip.code, 2);
    assert!(skip.errors.contains("is a backup"), "{}", skip.errors);
    assert_eq!(files(), before);
}

#[test]
fn verify_accepts_an_intact_store_and_a_recorded_chain_end() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Json);
    let end = json(directory.path(), &["info"]).fine().document()["chain"].clone();
    filled(directory.path(), Codec::Json, async |_, accounts| {
        accounts.execute("carol", vec![AccountEvent::Closed]).await.unwrap();
    });
    let verify = |end: &str| json(directory.path(), &["verify", "--expect", end]);
    let verified = verify(end.as_str().unwrap()).fine().document();
    let counts = ["events", "commits", "streams"].map(|name| &verified[name]);
    assert_eq!(counts, [&json!(6), &json!(4), &json!(3)]);
    assert_eq!((&verified["whole"], &verified["findings"]), (&json!(true), &json!([])));
    let another = verify(&format!("5:{}", "0".repeat(64)));
    assert_eq!((another.code, &another.document()["whole"]), (1, &json!(false)));
    assert_eq!(another.document()["findings"][0]["place"], json!("log, position 5"));
    assert_eq!(verify("5").code, 2);
}

#[test]
fn damage_in_a_store_and_in_a_backup_is_found() {
    let all = tempfile::tempdir().unwrap();
    let (data, saved) = (all.path().join("data"), all.path().join("saved"));
    two_accounts(&data, Codec::Json);
    actuarius(&data, &["backup", saved.to_str().unwrap()]).fine();
    assert_eq!(json(&saved, &["verify"]).fine().json().len(), 1);
    let end = json(&data, &["info"]).fine().document()["chain"].clone();
    let proved = json(&saved, &["verify", "--expect", end.as_str().unwrap()]).fine().document();
    assert_eq!(proved["events"], json!(5));

    let segment = fs::read_dir(&saved).unwrap().map(|it| it.unwrap().path());
    let segment = segment.into_iter().find(|it| it.to_string_lossy().ends_with("000001.seg"));
    flip(&segment.unwrap(), 200);
    let found = actuarius(&saved, &["verify"]);
    assert_eq!(found.code, 1, "{}", found.errors);

    // An offset within the text of the first event.
    let db = data.join("store/log/db");
    let place = fs::read(&db).unwrap().windows(5).position(|it| it == b"Alice");
    flip(&db, place.unwrap() as u64);
    let found = json(&data, &["verify"]);
    assert_eq!(found.code, 1, "{found:?}");
}

fn flip(path: &Path, at: u64) {
    let mut byte = [fs::read(path).unwrap()[at as usize]];
    byte[0] ^= 1;
    let mut file = fs::File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&byte).unwrap();
}

#[test]
fn json_output_is_one_document_per_item() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Json);
    for arguments in [&["info"][..], &["verify"], &["show", "account/bob"]] {
        let out = json(directory.path(), arguments).fine().out;
        assert!(matches!(serde_json::from_str(&out).unwrap(), Value::Object(_)), "{out}");
    }
}

/// The clock showed the year 2099 for one command. A restore to a later day left out everything after that
/// command and reported success.
#[test]
fn a_restore_to_a_time_names_commits_that_are_out_of_order_and_asks() {
    let all = tempfile::tempdir().unwrap();
    let (data, saved) = (all.path().join("data"), all.path().join("saved"));
    let day = |number: u64| Timestamp::default().plus(Duration::from_secs(86_400) * number as u32);
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio.block_on(async {
        let clock = Arc::new(ManualClock::at(day(0)));
        let runtime = Runtime::builder().clock(clock.clone()).open(&data).await.unwrap();
        let accounts = runtime.host::<Account>();
        for (id, number) in ["a", "b", "c", "d", "e", "f"].into_iter().zip([1, 2, 47_481, 3, 4, 9])
        {
            clock.set(day(number));
            accounts.execute(id, vec![AccountEvent::Deposited(1)]).await.unwrap();
        }
        assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    });
    actuarius(&data, &["backup", saved.to_str().unwrap()]).fine();
    let restore = |to: &Path, more: &[&str]| {
        let arguments =
            ["restore", saved.to_str().unwrap(), to.to_str().unwrap(), "--at", "1970-01-07"];
        json(Path::new("nowhere"), &[&arguments[..], more].concat())
    };
    let asked = restore(&all.path().join("asked"), &[]);
    assert_eq!(asked.code, 2);
    for part in ["3 at 2099-12-31T", "4 at 1970-01-04T", "5 at 1970-01-05T", "--out-of-order"] {
        assert!(asked.errors.contains(part), "{part}: {}", asked.errors);
    }
    for (what, commits) in [("include", 5), ("exclude", 2)] {
        let restored = restore(&all.path().join(what), &["--out-of-order", what]).fine().document();
        assert_eq!(restored["commits"], json!(commits), "{what}");
    }
    let arguments = ["restore", "a", "b", "--out-of-order", "include"];
    assert_eq!(json(Path::new("nowhere"), &arguments).code, 2, "it needs a time");
}
