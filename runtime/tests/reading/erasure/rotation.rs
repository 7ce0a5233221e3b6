//! Replacing the master key, and opening a store with a wrong one.

use std::time::Duration;

use actuarius::erasure::keys::{FileMasterKeys, KeyError, MasterKeyError, MasterKeyId};
use actuarius::{OpenError, Runtime};

use super::customers::{CODECS, Customer, Place, hosting, register, subject};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_key_is_replaced_at_run_time_and_the_old_one_opens_nothing_more() {
    let place = Place::new();
    let runtime = place.open().await;
    let customers = runtime.host_with::<Customer>(hosting(CODECS[0]));
    let ada = register(&customers, "ada").await;
    let bob = register(&customers, "bob").await;
    drop(customers);
    assert!(runtime.shutdown(LONG).await.is_clean());
    drop(runtime);
    let old = std::fs::read(place.data.join("keys/keys")).unwrap();

    place.master().add("second").unwrap();
    let runtime = place.open().await;
    let customers = runtime.host_with::<Customer>(hosting(CODECS[0]));
    let keys = runtime.keys().unwrap();
    let rotating = tokio::task::spawn_blocking(move || keys.rotate());
    let eve = register(&customers, "eve").await;
    assert_eq!(rotating.await.unwrap(), Ok(2));
    let _ = runtime.forget(subject("bob")).await.unwrap();
    drop(customers);
    assert!(runtime.shutdown(LONG).await.is_clean());
    drop(runtime);

    let first = MasterKeyId::new("first").unwrap();
    place.master().remove(&first).unwrap();
    let runtime = place.open().await;
    let customers = runtime.host_with::<Customer>(hosting(CODECS[0]));
    for (id, name) in [("ada", &ada), ("eve", &eve)] {
        assert_eq!(customers.query(id, |it| it.name.clone()).await.unwrap().get(), Some(name));
    }
    assert!(customers.query("bob", |it| it.name.is_erased()).await.unwrap());
    drop(customers);
    assert!(runtime.shutdown(LONG).await.is_clean());
    drop(runtime);

    // An old copy of the key file is useless without the destroyed master key.
    std::fs::write(place.data.join("keys/keys"), old).unwrap();
    let opened = place.builder().open(&place.data).await;
    let Err(OpenError::Keys { source: KeyError::Master(error), .. }) = opened else { panic!() };
    assert_eq!(error, MasterKeyError::Unknown { id: first });
    assert!(!place.says(&bob) && !place.says(&ada));
}

#[tokio::test]
async fn a_wrong_master_key_is_reported_before_anything_is_changed() {
    let place = Place::new();
    let runtime = place.open().await;
    register(&runtime.host::<Customer>(), "ada").await;
    assert!(runtime.shutdown(LONG).await.is_clean());
    drop(runtime);
    let other = FileMasterKeys::generate(place.data.join("other"), "first").unwrap();
    let opened = Runtime::builder().personal_data(other).open(&place.data).await;
    let Err(OpenError::Keys { source, .. }) = opened else { panic!("it is another key") };
    let id = MasterKeyId::new("first").unwrap();
    assert_eq!(source, KeyError::Master(MasterKeyError::Wrong { id }));
    assert!(place.builder().open(&place.data).await.is_ok());
}
