//! An instance whose code panics is quarantined with its later events. The others continue, and so
//! does the instance once it is fixed.

use std::sync::Arc;

use actuarius::saga::InstanceStatus;
use actuarius::store::memory::Contents;
use actuarius::subscription::Parked;

use crate::puppet::{Do, Said, Script, To, repair};
use crate::till::{LONG, NOON, Show, put};

fn panic(word: &str) -> Do {
    Do::Panic(word.to_owned())
}

impl Show {
    /// Returns the events that wait for an instance.
    async fn waiting(&self, id: &str) -> Vec<Parked> {
        self.puppets.events().unwrap().parked_of(id).await.events
    }

    /// Asserts that no event is parked and no instance is in trouble.
    async fn is_well(&self) -> bool {
        let parked = self.puppets.events().unwrap().parked().await;
        parked.is_empty() && self.puppets.counts().in_trouble == 0
    }

    async fn retry(&self, id: &str) {
        self.puppets.retry(id).await.unwrap();
        self.runtime.caught_up(LONG).await.unwrap();
    }

    async fn skip(&self, id: &str) {
        self.puppets.skip(id).await.unwrap();
        self.runtime.caught_up(LONG).await.unwrap();
    }

    /// Starts an instance that stops at an event that panics, with two more events after it.
    async fn poison(&self, word: &str) {
        self.tell(Said::start("t", "begin")).await;
        self.tell(Said::proceed("t", "bad").doing([panic(word)])).await;
        self.until_in_trouble("t").await;
        for word in ["one", "two"] {
            self.tell(Said::proceed("t", word)).await;
        }
    }
}

fn quarantined(status: &InstanceStatus, word: &str) -> bool {
    matches!(status, InstanceStatus::Quarantined { why } if why.contains(word))
}

#[tokio::test]
async fn one_poison_instance_among_thousands_blocks_no_other() {
    let many: u64 = if cfg!(debug_assertions) { 2_000 } else { 10_000 };
    let show = Show::new().await;
    for hundred in 0..many / 100 {
        let all = (0..100).map(|number| {
            let said = Said::start(&format!("t-{hundred}-{number}"), "begin");
            let is_poison = (hundred, number) == (3, 33);
            said.doing([if is_poison { panic("among thousands") } else { Do::Complete }])
        });
        show.cues.execute("crier", all.collect()).await.unwrap();
        show.hints
            .execute("crier", vec![Said::proceed("t-3-33", &hundred.to_string())])
            .await
            .unwrap();
    }
    show.runtime.caught_up(LONG).await.unwrap();
    while show.puppets.counts().completed < many - 1 {
        tokio::task::yield_now().await;
    }
    let status = show.until_in_trouble("t-3-33").await;
    assert!(quarantined(&status, "among thousands"), "{status}");
    let parked = show.waiting("t-3-33").await;
    assert!(parked.is_sorted_by_key(|parked| parked.position), "in order");
    // Events from before its start are ignored.
    assert_eq!(parked.len() as u64, 1 + many / 100 - 3);
    repair("among thousands");
    show.retry("t-3-33").await;
    let expected = (3..many / 100).map(|hundred| hundred.to_string());
    let expected: Vec<_> = ["begin".to_owned()].into_iter().chain(expected).collect();
    assert_eq!(show.heard("t-3-33").await, expected);
    assert!(show.is_well().await);
}

#[tokio::test]
async fn a_fixed_instance_receives_its_events_in_order_also_after_a_restart() {
    for is_killed in [false, true] {
        let (contents, word) = (Arc::default(), format!("repaired {is_killed}"));
        let show = Show::on(&contents).await;
        show.poison(&word).await;
        assert_eq!(show.waiting("t").await.len(), 3);
        let show = again(show, &contents, is_killed).await;
        let status = show.puppets.status("t").await.unwrap().unwrap();
        assert!(quarantined(&status, &word), "{status}");
        show.runtime.caught_up(LONG).await.unwrap();
        assert_eq!(show.waiting("t").await.len(), 3);
        show.tell(Said::proceed("t", "three")).await;
        assert_eq!(show.heard("t").await, ["begin"]);
        repair(&word);
        show.retry("t").await;
        assert_eq!(show.heard("t").await, ["begin", "bad", "one", "two", "three"]);
        assert!(show.is_well().await);
    }
}

async fn again(show: Show, contents: &Arc<Contents>, is_killed: bool) -> Show {
    if is_killed {
        show.kill(contents).await;
    } else {
        show.shut_down().await;
    }
    let show = Show::on(contents).await;
    show.runtime.caught_up(LONG).await.unwrap();
    show
}

#[tokio::test]
async fn a_failed_retry_quarantines_the_instance_again_with_all_its_events() {
    let show = Show::new().await;
    show.poison("in vain").await;
    show.puppets.retry("t").await.unwrap();
    let status = show.until_in_trouble("t").await;
    assert!(quarantined(&status, "in vain"), "{status}");
    assert_eq!((show.waiting("t").await.len(), show.heard("t").await.len()), (3, 1));
    repair("in vain");
    show.retry("t").await;
    assert_eq!(show.heard("t").await, ["begin", "bad", "one", "two"]);
}

#[tokio::test]
async fn a_skipped_event_is_not_handled_and_later_ones_are() {
    let show = Show::new().await;
    show.poison("skipped").await;
    show.skip("t").await;
    assert_eq!(show.heard("t").await, ["begin", "one", "two"]);
    assert!(show.is_well().await);
    show.tell(Said::proceed("t", "three").doing([Do::Complete])).await;
    assert_eq!(show.end_of("t").await, InstanceStatus::Completed);
}

#[tokio::test]
async fn a_panic_at_the_first_event_waits_and_skipping_it_fails_the_instance() {
    for skips in [false, true] {
        let (contents, word) = (Arc::default(), format!("first {skips}"));
        let show = Show::on(&contents).await;
        show.tell(Said::start("t", "begin").doing([panic(&word)])).await;
        show.until_in_trouble("t").await;
        show.tell(Said::proceed("t", "one")).await;
        let show = again(show, &contents, skips).await;
        assert_eq!((show.heard("t").await, show.puppets.counts().in_trouble), (vec![], 1));
        if skips {
            show.skip("t").await;
            let ended = show.end_of("t").await;
            assert!(matches!(ended, InstanceStatus::Failed { .. }), "{ended}");
            assert!(show.heard("t").await.is_empty());
        } else {
            repair(&word);
            show.retry("t").await;
            assert_eq!(show.heard("t").await, ["begin", "one"]);
        }
        assert!(show.is_well().await);
    }
}

#[tokio::test]
async fn a_panic_at_an_answer_does_not_send_the_command_again() {
    for skips in [false, true] {
        let (contents, word) = (Arc::default(), format!("answered {skips}"));
        let show = Show::on(&contents).await;
        let script = Script::of([put("a", 1)]).at_answer([panic(&word)]);
        show.tell(Said::start("t", "begin").follow(script)).await;
        let status = show.until_in_trouble("t").await;
        assert!(quarantined(&status, &word), "{status}");
        show.tell(Said::proceed("t", "one")).await;
        let show = again(show, &contents, skips).await;
        assert_eq!(
            (show.heard("t").await, show.waiting("t").await.len()),
            (vec!["begin".to_owned()], 1)
        );
        if skips {
            show.skip("t").await;
        } else {
            repair(&word);
            show.retry("t").await;
        }
        show.until("t", |shown| shown.commands_under_way == 0).await;
        show.until_heard("t", "one").await;
        let mut heard = show.heard("t").await;
        heard.sort();
        let all = ["1 a accepted", "begin", "one"];
        assert_eq!(heard, all[usize::from(skips)..]);
        assert_eq!(show.put("a").await, [1]);
        assert!(show.is_well().await);
    }
}

#[tokio::test]
async fn a_panic_at_a_deadline_waits_for_an_operator() {
    for skips in [false, true] {
        let (contents, word) = (Arc::default(), format!("due {skips}"));
        let show = Show::on(&contents).await;
        let remind = Do::RemindAt(NOON - 1, "soon".to_owned());
        let script = Script::of([remind]).at_due("soon", [panic(&word)]);
        show.tell(Said::start("t", "begin").follow(script)).await;
        show.until_in_trouble("t").await;
        show.tell(Said::proceed("t", "one")).await;
        let show = again(show, &contents, skips).await;
        assert_eq!(
            (show.heard("t").await, show.waiting("t").await.len()),
            (vec!["begin".to_owned()], 1)
        );
        if skips {
            show.skip("t").await;
        } else {
            repair(&word);
            show.retry("t").await;
            show.until_heard("t", "due soon").await;
        }
        show.until("t", |shown| shown.next_deadline.is_none()).await;
        show.until_heard("t", "one").await;
        let mut heard = show.heard("t").await;
        heard.sort();
        assert_eq!(
            heard,
            if skips { vec!["begin", "one"] } else { vec!["begin", "due soon", "one"] }
        );
        assert!(show.is_well().await);
    }
}

#[tokio::test]
async fn a_panic_during_correlation_blocks_no_other_instance() {
    let show = Show::new().await;
    show.tell(Said::to(To::Panic("whose".to_owned(), "t".to_owned()), "begin")).await;
    show.tell(Said::start("u", "begin").doing([Do::Complete])).await;
    assert_eq!(show.end_of("u").await, InstanceStatus::Completed);
    let events = show.puppets.events().unwrap();
    assert_eq!(events.parked().await.len(), 1);
    repair("whose");
    assert_eq!(events.retry_parked("cue/crier").await.unwrap(), 1);
    assert_eq!(show.heard("t").await, ["begin"]);
    assert!(show.is_well().await);
}

#[tokio::test]
async fn retry_and_skip_of_a_healthy_instance_are_refused() {
    let show = Show::new().await;
    show.tell(Said::start("t", "begin")).await;
    for id in ["t", "nobody"] {
        assert!(show.puppets.retry(id).await.is_err());
        assert!(show.puppets.skip(id).await.is_err());
    }
    assert_eq!(show.runtime.head().get(), 2);
}
