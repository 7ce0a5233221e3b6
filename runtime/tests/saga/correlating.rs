//! Every event reaches its instance exactly once, in the order of the log.

use std::sync::Arc;
use std::time::Duration;

use actuarius::Timestamp;
use actuarius::clock::ManualClock;
use actuarius::saga::InstanceStatus;
use actuarius::subscription::{Retry, Start};

use crate::puppet::{Do, Said, Script, To};
use crate::till::{LONG, NOON, Show, put};

fn start_or_proceed(id: &str, word: &str) -> Said {
    Said::to(To::StartOrProceed(id.to_owned()), word)
}

#[tokio::test]
async fn an_instance_is_started_once_and_only_by_a_starting_event() {
    let show = Show::new().await;
    show.tell(Said::proceed("t", "too soon")).await;
    assert_eq!(show.puppets.status("t").await.unwrap(), None);
    show.tell(Said::start("t", "begin")).await;
    show.tell(Said::start("t", "once more")).await;
    show.tell(Said::proceed("t", "go on")).await;
    show.tell(Said::to(To::Nobody, "nothing")).await;
    assert_eq!(show.heard("t").await, ["begin", "go on"]);
    assert_eq!(show.puppets.counts().live, 1);
}

#[tokio::test]
async fn an_event_that_may_start_or_proceed_does_one_of_both() {
    let show = Show::new().await;
    show.tell(start_or_proceed("t", "begin")).await;
    show.tell(start_or_proceed("t", "go on")).await;
    show.tell(Said::start("t", "once more")).await;
    assert_eq!(show.heard("t").await, ["begin", "go on"]);
}

#[tokio::test]
async fn an_ended_instance_receives_no_more_events_and_is_not_started_again() {
    let contents = Arc::default();
    let show = Show::on(&contents).await;
    for (id, end) in [("done", Do::Complete), ("failed", Do::Fail("no".to_owned()))] {
        show.tell(Said::start(id, "begin").known_as(id).doing([end])).await;
    }
    show.shut_down().await;
    let show = Show::on(&contents).await;
    for id in ["done", "failed"] {
        let all =
            [Said::start(id, "again"), Said::proceed(id, "late"), start_or_proceed(id, "late")];
        for said in all.into_iter().chain([Said::by(id, "by key")]) {
            show.tell(said).await;
        }
        assert_eq!(show.heard(id).await, ["begin"]);
    }
    assert!(show.puppets.events().unwrap().parked().await.is_empty());
    let again = show.puppets.begin("done", |puppet| puppet.follow(Script::default()));
    assert!(!again.await.unwrap());
}

#[tokio::test]
async fn an_instance_is_found_by_each_of_its_keys_also_after_a_restart() {
    for is_killed in [false, true] {
        let contents = Arc::default();
        let show = Show::on(&contents).await;
        show.tell(Said::start("t", "begin").known_as("one").known_as("two")).await;
        show.tell(Said::by("two", "more").known_as("three")).await;
        show.tell(Said::by("four", "unknown")).await;
        if is_killed {
            show.kill(&contents).await;
        } else {
            show.shut_down().await;
        }
        let show = Show::on(&contents).await;
        for key in ["three", "one", "four", "two"] {
            show.tell(Said::by(key, key)).await;
        }
        assert_eq!(show.heard("t").await, ["begin", "more", "three", "one", "two"]);
    }
}

#[tokio::test]
async fn an_event_by_key_is_handled_right_after_the_one_that_registers_the_key() {
    let show = Show::new().await;
    let (mut all, mut expected) = (Vec::new(), Vec::new());
    for number in 0..200 {
        let (id, key) = (format!("t-{number}"), format!("k-{number}"));
        all.push(Said::by(&key, "too soon"));
        all.push(Said::start(&id, "begin").known_as(&key));
        all.push(Said::by(&key, "one").known_as(&format!("{key}-too")));
        all.push(Said::by(&format!("{key}-too"), "two").doing([Do::Complete]));
        all.push(Said::by(&key, "late"));
        expected.push(id);
    }
    // Each event in a commit of its own, and many events in one commit.
    for said in all.split_off(500) {
        show.say(said).await;
    }
    show.cues.execute("crier", all).await.unwrap();
    show.runtime.caught_up(LONG).await.unwrap();
    for id in expected {
        assert_eq!(show.end_of(&id).await, InstanceStatus::Completed);
        assert_eq!(show.heard(&id).await, ["begin", "one", "two"], "{id}");
    }
}

#[tokio::test]
async fn a_key_belongs_to_its_instance_until_the_instance_has_ended() {
    let contents = Arc::default();
    let show = Show::on(&contents).await;
    show.tell(Said::start("t", "begin").known_as("k")).await;
    show.tell(Said::start("u", "begin").known_as("k")).await;
    show.tell(Said::by("k", "one")).await;
    show.tell(Said::by("k", "two").doing([Do::Complete])).await;
    show.runtime.caught_up(LONG).await.unwrap();
    show.tell(Said::by("k", "nobody's")).await;
    show.tell(Said::proceed("u", "mine").known_as("k")).await;
    show.shut_down().await;
    let show = Show::on(&contents).await;
    show.tell(Said::by("k", "three")).await;
    assert_eq!(show.heard("t").await, ["begin", "one", "two"]);
    assert_eq!(show.heard("u").await, ["begin", "mine", "three"]);
}

#[tokio::test]
async fn an_instance_receives_events_of_all_types_in_the_order_of_the_log() {
    let show = Show::new().await;
    show.say(Said::start("t", "0").known_as("k")).await;
    let mut expected = vec!["0".to_owned()];
    for number in 1..300 {
        let word = number.to_string();
        let said = match number % 3 {
            0 => Said::by("k", &word),
            1 => Said::proceed("t", &word),
            _ => start_or_proceed("t", &word),
        };
        let crier = format!("crier-{}", number % 7);
        if number % 2 == 0 {
            show.cues.execute(crier, vec![said]).await.unwrap();
        } else {
            show.hints.execute(crier, vec![said]).await.unwrap();
        }
        expected.push(word);
    }
    show.runtime.caught_up(LONG).await.unwrap();
    assert_eq!(show.heard("t").await, expected);
}

#[tokio::test]
async fn events_repeated_after_a_crash_are_handled_once() {
    let contents = Arc::default();
    for life in 0..5 {
        let show = Show::on(&contents).await;
        for number in 0..20 {
            let word = format!("{life}-{number}");
            let said = start_or_proceed(&format!("t-{}", number % 3), &word);
            show.tell(said.doing([put("a", 20 * life + number)])).await;
        }
        show.until_heard("t-1", &format!("{life}-19")).await;
        // The checkpoint may lag far behind.
        show.kill(&contents).await;
    }
    let show = Show::on(&contents).await;
    show.runtime.caught_up(LONG).await.unwrap();
    for id in ["t-0", "t-1", "t-2"] {
        show.until(id, |shown| shown.commands_under_way == 0).await;
        let heard = show.heard(id).await;
        let mut words: Vec<_> = heard.iter().filter(|heard| heard.contains('-')).collect();
        let all = words.len();
        words.dedup();
        assert_eq!(words.len(), all, "{id}");
    }
    let mut amounts = show.put("a").await;
    amounts.sort_unstable();
    assert_eq!(amounts, (0..100).collect::<Vec<i64>>());
}

#[tokio::test]
async fn an_invalid_instance_name_affects_no_other_instance() {
    let show = Show::new().await;
    let name = "n".repeat(actuarius::schema::MAX_ID_BYTES + 1);
    show.tell(Said::start(&name, "begin")).await;
    show.tell(Said::start("t", "begin")).await;
    assert_eq!(show.heard("t").await, ["begin"]);
}

/// After a crash, an event that begins an instance is received again. Each attempt assumed that the instance is new, the
/// store refused that, and the next attempt came after a wait: if the instance left memory meanwhile, the saga stood
/// still, and nothing showed why.
#[tokio::test]
async fn a_repeated_start_of_an_instance_that_is_not_in_memory_is_passed_without_a_wait() {
    let contents = Arc::default();
    let show = Show::on(&contents).await;
    show.tell(Said::start("t", "begin")).await;
    show.shut_down().await;
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(NOON)));
    let hours = Retry::default().waits(Duration::from_secs(3_600), Duration::from_secs(3_600));
    let show = Show::with(&contents, clock, hours).await;
    show.puppets.events().unwrap().reset(Start::Beginning).await.unwrap();
    show.tell(Said::proceed("t", "go on")).await;
    assert_eq!(show.heard("t").await, ["begin", "go on"]);
}
