//! A history that was begun before a subject was forgotten.

use actuarius::Version;

use super::customers::{Customer, CustomerCommand, CustomerEvent, Place, register, subject};

/// A page that shows a history step by step was begun before the erasure. The steps after it showed the clear text: the
/// state had been computed before.
#[tokio::test]
async fn a_history_that_was_begun_shows_no_clear_text_after_its_subject_is_forgotten() {
    for begins_at in [1, 2] {
        let place = Place::new();
        let runtime = place.open().await;
        let customers = runtime.host::<Customer>();
        let name = register(&customers, "ada").await;
        for _ in 0..3 {
            customers.execute("ada", CustomerCommand::Order).await.unwrap();
        }
        let mut history = customers.history("ada").from(Version::new(begins_at));
        let first = history.next().await.unwrap().unwrap();
        assert_eq!(first.state.name.get(), Some(&name));
        assert!(runtime.forget(subject("ada")).await.unwrap().is_complete());
        let mut versions = Vec::new();
        while let Some(step) = history.next().await.unwrap() {
            let CustomerEvent::Ordered(address, _) = &step.envelope.event else {
                panic!("{:?}", step.envelope.event)
            };
            assert_eq!((address.get(), step.state.name.get()), (None, None));
            assert_eq!(step.state.greeting, "dear customer");
            let version = step.envelope.header.version.get();
            assert_eq!(u64::from(step.state.orders), version - 1, "each event counts once");
            versions.push(version);
        }
        assert_eq!(versions, (begins_at + 1..5).collect::<Vec<_>>());
    }
}
