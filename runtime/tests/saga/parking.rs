//! Events parked for a quarantined instance are handled later, whatever happens to the instance.

use std::sync::Arc;
use std::time::Duration;

use actuarius::store::fault::Failure;

use crate::puppet::{Do, Said, Script, repair};
use crate::till::{LONG, Show, put};

fn panic(word: &str) -> Do {
    Do::Panic(word.to_owned())
}

impl Show {
    async fn parked(&self) -> usize {
        self.puppets.events().unwrap().parked().await.len()
    }

    async fn until_none_parked(&self) {
        while self.parked().await > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn an_event_by_a_key_waits_for_the_parked_event_that_registers_the_key() {
    let show = Show::new().await;
    let script = Script::of([put("a", 1)]).at_answer([panic("by key")]);
    show.tell(Said::start("t", "begin").follow(script)).await;
    show.until_in_trouble("t").await;
    show.tell(Said::proceed("t", "one").known_as("k")).await;
    show.tell(Said::by("k", "two")).await;
    repair("by key");
    show.puppets.retry("t").await.unwrap();
    show.runtime.caught_up(LONG).await.unwrap();
    show.until_heard("t", "one").await;
    show.until_heard("t", "1 a accepted").await;
    assert_eq!(show.heard("t").await.len(), 4, "{:?}", show.heard("t").await);
}

#[tokio::test]
async fn an_event_by_a_key_waits_for_the_parked_event_after_a_restart_too() {
    let contents = Arc::default();
    let show = Show::on(&contents).await;
    show.tell(Said::start("t", "begin")).await;
    show.tell(Said::proceed("t", "bad").doing([panic("restarted")])).await;
    show.until_in_trouble("t").await;
    show.tell(Said::proceed("t", "one").known_as("k")).await;
    show.shut_down().await;
    let show = Show::on(&contents).await;
    show.tell(Said::by("k", "two")).await;
    repair("restarted");
    show.puppets.retry("t").await.unwrap();
    show.runtime.caught_up(LONG).await.unwrap();
    show.until_heard("t", "one").await;
    assert_eq!(show.heard("t").await, ["begin", "bad", "one", "two"]);
}

#[tokio::test]
async fn a_key_is_known_after_a_restart_if_its_event_was_read_with_the_poison_event() {
    let contents = Arc::default();
    let show = Show::on(&contents).await;
    show.tell(Said::start("t", "begin")).await;
    let bad = Said::proceed("t", "bad").doing([panic("together")]);
    let one = Said::proceed("t", "one").known_as("k");
    show.cues.execute("crier", vec![bad, one]).await.unwrap();
    show.until_in_trouble("t").await;
    show.shut_down().await;
    let show = Show::on(&contents).await;
    show.tell(Said::by("k", "two")).await;
    repair("together");
    show.puppets.retry("t").await.unwrap();
    show.runtime.caught_up(LONG).await.unwrap();
    show.until_heard("t", "one").await;
    assert_eq!(show.heard("t").await, ["begin", "bad", "one", "two"]);
}

/// Publishes each event once, over several runs.
async fn say_once(show: &Show, all: &[Vec<Said>]) {
    for (number, said) in all.iter().enumerate() {
        let command = show.cues.execute("crier", said.clone());
        let _ = command.command_id(format!("said {number}")).await;
    }
}

#[tokio::test]
async fn no_event_by_a_key_is_lost_in_a_crash_at_any_commit() {
    for failure in [Failure::Unwritten, Failure::HalfWritten, Failure::Unacknowledged] {
        for (nth, is_together) in (1..=12).flat_map(|nth| [(nth, false), (nth, true)]) {
            let (contents, word) = (Arc::default(), format!("{failure:?} {nth} {is_together}"));
            let begin = Said::start("t", "begin");
            let bad = Said::proceed("t", "bad").doing([panic(&word)]);
            let one = Said::proceed("t", "one").known_as("k");
            let all = match is_together {
                true => vec![vec![begin], vec![bad, one]],
                false => vec![vec![begin], vec![bad], vec![one]],
            };
            let show = Show::on(&contents).await;
            show.faults.fail_commit(nth, failure);
            say_once(&show, &all).await;
            let _ = show.runtime.caught_up(Duration::from_millis(20)).await;
            show.leave(&contents).await;
            let show = Show::on(&contents).await;
            say_once(&show, &all).await;
            show.until_in_trouble("t").await;
            show.tell(Said::by("k", "two")).await;
            repair(&word);
            show.puppets.retry("t").await.unwrap();
            show.until_heard("t", "one").await;
            show.until_none_parked().await;
            assert_eq!(show.heard("t").await, ["begin", "bad", "one", "two"], "{word}");
        }
    }
}

#[tokio::test]
async fn events_by_a_key_do_not_stay_parked_if_their_instance_ends_on_retry() {
    let show = Show::new().await;
    show.tell(Said::start("t", "begin").known_as("k")).await;
    show.tell(Said::proceed("t", "bad").doing([panic("ends"), Do::Complete])).await;
    show.until_in_trouble("t").await;
    show.tell(Said::by("k", "one")).await;
    show.tell(Said::proceed("t", "two")).await;
    repair("ends");
    show.puppets.retry("t").await.unwrap();
    show.end_of("t").await;
    assert_eq!(show.parked().await, 0);
}

#[tokio::test]
async fn cancelling_a_quarantined_instance_leaves_no_events_parked() {
    let show = Show::new().await;
    show.tell(Said::start("t", "begin")).await;
    show.tell(Said::proceed("t", "bad").doing([panic("cancelled")])).await;
    show.until_in_trouble("t").await;
    show.tell(Said::proceed("t", "one")).await;
    assert!(show.puppets.cancel("t", "enough").await.unwrap());
    show.end_of("t").await;
    assert_eq!(show.parked().await, 0);
}

#[tokio::test]
async fn an_interrupted_retry_can_be_repeated_after_a_restart() {
    for nth in 1..=4 {
        let (contents, word) = (Arc::default(), format!("cut {nth}"));
        let show = Show::on(&contents).await;
        show.tell(Said::start("t", "begin")).await;
        show.tell(Said::proceed("t", "bad").doing([panic(&word)])).await;
        show.until_in_trouble("t").await;
        show.tell(Said::proceed("t", "one")).await;
        show.shut_down().await;
        repair(&word);
        let show = Show::on(&contents).await;
        show.faults.fail_commit(nth, Failure::Unwritten);
        let _ = show.puppets.retry("t").await;
        show.leave(&contents).await;
        let show = Show::on(&contents).await;
        // It may continue by itself by now.
        let _ = show.puppets.retry("t").await;
        show.until_heard("t", "one").await;
        assert_eq!(show.heard("t").await, ["begin", "bad", "one"], "{nth}");
        show.until_none_parked().await;
    }
}
