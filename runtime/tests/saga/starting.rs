//! A saga that cannot do what its events ask for is refused at its start, and a refused start leaves nothing behind.

use std::sync::Arc;

use actuarius::clock::ManualClock;
use actuarius::error::StartError;
use actuarius::saga::{InstanceStatus, SagaBuilder};
use actuarius::store::memory::{self, Contents};
use actuarius::{Runtime, Timestamp};

use crate::puppet::{Cue, Do, Puppet, Said};
use crate::till::{LONG, NOON, Show, Till, put};

async fn runtime(contents: &Arc<Contents>, micros: i64) -> Runtime {
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(NOON + micros)));
    Runtime::builder().clock(clock).on_store(memory::reopen(contents)).await.unwrap()
}

fn puppets(runtime: &Runtime) -> SagaBuilder<Puppet> {
    runtime.saga::<Puppet>().reacts_to::<Cue>()
}

fn expect_nothing_runs(runtime: &Runtime) {
    let all = runtime.health().followers;
    let left: Vec<_> = all.iter().filter(|it| it.name.starts_with("saga.")).collect();
    assert!(left.is_empty(), "{left:?}");
}

async fn refused(saga: SagaBuilder<Puppet>) -> StartError {
    match saga.start().await {
        Ok(_) => panic!("it has started"),
        Err(error) => error,
    }
}

/// A saga was started without `sends_to`. Each of its instances was quarantined as soon as it sent a command, with the
/// reason, but durably and in production.
#[tokio::test]
async fn a_saga_that_reacts_to_events_and_names_no_targets_is_refused() {
    let runtime = runtime(&Arc::default(), 0).await;
    let why = refused(puppets(&runtime)).await;
    assert!(matches!(&why, StartError::NoTargets(name) if name == "puppet"), "{why}");
    expect_nothing_runs(&runtime);
    let watching = puppets(&runtime).sends_nothing().start().await.unwrap();
    watching.stop().await;
    let tills = runtime.host::<Till>();
    let puppets = puppets(&runtime).sends_to(&tills).start().await.unwrap();
    let begins = Said::start("t", "begin").doing([put("a", 1), Do::Complete]);
    runtime.host::<Cue>().execute("crier", vec![begins]).await.unwrap();
    assert_eq!(puppets.end_of("t").await.unwrap(), InstanceStatus::Completed);
}

/// A release did not send to an aggregate type any more, and forgot that instances of the release before still had
/// commands for it.
#[tokio::test]
async fn a_target_that_a_live_instance_needs_is_not_forgotten() {
    for needs in [Do::PutAt(NOON + 10, "a".to_owned(), 1), Do::PutForNow("a".to_owned(), 1)] {
        let contents = Arc::default();
        let show = Show::on(&contents).await;
        show.tell(Said::start("over", "begin").doing([put("b", 1), Do::Complete])).await;
        show.tell(Said::start("t", "begin").doing([needs.clone()])).await;
        show.puppets.caught_up(LONG).await.unwrap();
        show.shut_down().await;
        let runtime = runtime(&contents, 10).await;
        let why = refused(puppets(&runtime).sends_nothing()).await;
        let StartError::MissingTarget { name, aggregate, instance } = &why else { panic!("{why}") };
        assert_eq!((&**name, &**aggregate, &**instance), ("puppet", "till", "t"));
        expect_nothing_runs(&runtime);
        let tills = runtime.host::<Till>();
        let puppets = puppets(&runtime).sends_to(&tills).start().await.unwrap();
        puppets.caught_up(LONG).await.unwrap();
        let amounts = tills.query("a", |till| till.amounts.clone()).await.unwrap();
        assert_eq!(amounts, [1], "{needs:?}");
    }
}

/// The subscription of a saga could not be started. The rest of the saga ran, its deadlines came, and a second attempt
/// found the name taken.
#[tokio::test]
async fn a_start_that_fails_leaves_nothing_running_and_no_name_taken() {
    let contents = Arc::default();
    let show = Show::on(&contents).await;
    show.tell(Said::start("t", "begin").doing([Do::PutAt(NOON + 10, "a".to_owned(), 1)])).await;
    show.shut_down().await;
    let runtime = runtime(&contents, 10).await;
    let tills = runtime.host::<Till>();
    let name = "saga.puppet.events";
    let other = runtime.projection::<Nothing>(name).on::<Till>().start().await.unwrap();
    let why = refused(puppets(&runtime).sends_to(&tills)).await;
    assert!(matches!(&why, StartError::NameTaken(taken) if taken == name), "{why}");
    other.stop().await;
    expect_nothing_runs(&runtime);
    assert_eq!(tills.query("a", |till| till.amounts.len()).await.unwrap(), 0);
    let puppets = puppets(&runtime).sends_to(&tills).start().await.unwrap();
    puppets.caught_up(LONG).await.unwrap();
    assert_eq!(tills.query("a", |till| till.amounts.clone()).await.unwrap(), [1]);
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Nothing;

impl actuarius::projection::Projection<Till> for Nothing {
    fn project(&mut self, _: &actuarius::Envelope<Till>) {}
}
