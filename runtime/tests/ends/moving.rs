//! A process that changes its directory after it has opened a store at a relative path.

use std::env;
use std::path::Path;
use std::process::Command as Process;
use std::time::Duration;

use actuarius::Runtime;
use actuarius::erasure::keys::FileMasterKeys;
use actuarius::operations::ArchivePart;
use actuarius::store::backup;
use actuarius::store::{ignore_progress, sled};

use crate::common::{Command, Ledger, Sum};

/// Set in the child process, which has a current directory of its own.
const CHILD: &str = "ACTUARIUS_TEST_MOVING";

/// Archiving after a change of the directory moved the events into a folder of the new directory and poisoned the
/// store, and opened from the first directory, the history was not there. Views and keys were made there, too.
#[test]
fn a_relative_path_means_the_same_directory_until_the_end() {
    let directory = tempfile::tempdir().unwrap();
    if env::var_os(CHILD).is_some() {
        return move_around();
    }
    for folder in ["first", "second"] {
        std::fs::create_dir(directory.path().join(folder)).unwrap();
    }
    let child = Process::new(env::current_exe().unwrap())
        .args(["--exact", "moving::a_relative_path_means_the_same_directory_until_the_end"])
        .env(CHILD, "1")
        .current_dir(directory.path().join("first"))
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    let names = |folder: &str| {
        let entries = std::fs::read_dir(directory.path().join(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("second"), Vec::<std::ffi::OsString>::new());
    assert_eq!(names("first"), ["backup", "data", "master"]);
    for folder in ["archive", "keys", "store", "views"] {
        assert!(directory.path().join("first/data").join(folder).is_dir(), "{folder}");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn move_around() {
    let master = || FileMasterKeys::open_or_generate("master", "first").unwrap();
    let open = |master| Runtime::builder().personal_data(master).open("data");
    let keys = master();
    let runtime = open(keys).await.unwrap();
    let backup = runtime.backup("backup");
    env::set_current_dir("../second").unwrap();
    let ledgers = runtime.host::<Ledger>();
    for _ in 0..5 {
        ledgers.execute("alice", Command::Add(1)).await.unwrap();
    }
    let sum = runtime.projection::<Sum>("sum").on::<Ledger>().start().await.unwrap();
    sum.wait_for(runtime.head()).await.unwrap();
    assert_eq!(ledgers.archive("alice", ArchivePart::Whole).await.unwrap().events, 5);
    backup.await.unwrap();
    let _ = runtime.forget("bob").await.unwrap();
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    drop((runtime, ledgers, sum));

    env::set_current_dir("../first").unwrap();
    let runtime = open(master()).await.unwrap();
    let total = runtime.host::<Ledger>().query("alice", |it| it.total).await.unwrap();
    assert_eq!(total, 5);
    assert_eq!(backup::verify("backup", &mut ignore_progress).unwrap().len(), 1);
    assert!(Path::new("data").is_dir());
    drop(runtime);
    sled::compact("data", |_, _| {}).unwrap();
}
