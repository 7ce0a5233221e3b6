//! A copy of a store with personal data knows its key file.

use std::path::Path;

use actuarius::erasure::keys::{KeyError, Keys};
use actuarius::error::BoxError;
use actuarius::store::copy::{self, Selection};
use actuarius::store::{CommitView, Reader, Store, export, ignore_progress, migrate, sled};
use actuarius::{OpenError, Runtime};

use super::customers::{Customer, Place, register};

type Copies = fn(&dyn Reader, &mut Store);

fn through_an_export(from: &dyn Reader, to: &mut Store) {
    let mut lines = Vec::new();
    export::write(from, &mut lines, &Selection::all(), &mut ignore_progress).unwrap();
    export::read(&lines[..], to, &mut ignore_progress).unwrap();
}

fn through_a_copy(from: &dyn Reader, to: &mut Store) {
    copy::run(from, to, &Selection::all(), &mut ignore_progress).unwrap();
}

fn keep(_: &CommitView<'_>, out: &mut migrate::Rewrite) -> Result<(), BoxError> {
    out.keep();
    Ok(())
}

fn through_a_migration(from: &dyn Reader, to: &mut Store) {
    migrate::run(from, to, &mut keep, &mut ignore_progress).unwrap();
}

/// The copy was opened before its keys were copied, too. It made a new key file, and refused the right one for
/// good.
#[tokio::test]
async fn a_copy_that_is_opened_before_its_keys_are_copied_names_the_missing_key_file() {
    for copies in [through_an_export as Copies, through_a_copy, through_a_migration] {
        let (place, other) = (Place::new(), tempfile::tempdir().unwrap());
        let runtime = place.open().await;
        let name = register(&runtime.host::<Customer>(), "ada").await;
        let target = other.path().join("copy");
        let mut store = sled::open(&target).unwrap();
        copies(&*runtime.reader().unwrap(), &mut store);
        drop(store);
        let expected = runtime.keys().unwrap().identity();
        assert!(runtime.shutdown(std::time::Duration::from_secs(60)).await.is_clean());
        drop(runtime);

        let early = place.builder().open(&target).await;
        let Err(OpenError::Keys { source: KeyError::OtherFile { expected: named, .. }, .. }) =
            early
        else {
            panic!("its keys are missing")
        };
        assert_eq!(named, expected);
        assert!(!Keys::exist_in(target.join("keys")), "no new file is made");

        copy_files(&place.data.join("keys"), &target.join("keys"));
        let runtime: Runtime = place.builder().open(&target).await.unwrap();
        let customers = runtime.host::<Customer>();
        let read = customers.query("ada", |it| it.name.clone()).await.unwrap();
        assert_eq!(read.get(), Some(&name));
    }
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
