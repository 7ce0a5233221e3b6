//! Compensation undoes commands in reverse order, one after the other, each once. An undo that is
//! refused waits for an operator.

use std::sync::Arc;
use std::time::Duration;

use actuarius::Timestamp;
use actuarius::saga::InstanceStatus;
use actuarius::store::fault::Failure;

use crate::puppet::{Do, Said, Script};
use crate::till::{
    LONG, NOON, Show, TillCommand, compensate, compensated, put, put_for_now, stuck,
};

/// Puts 1, 2 and 3 into a till one after the other, each with its compensation.
fn three(till: &str) -> Script {
    Script::of([put_for_now(till, 1)])
        .at_answer([put_for_now(till, 2)])
        .at_answer([put_for_now(till, 3)])
}

/// Puts 1 into "a" and 2 into "b", each with its compensation.
async fn one_and_two(show: &Show, id: &str) {
    let script = Script::of([put_for_now("a", 1)]).at_answer([put_for_now("b", 2)]);
    show.tell(Said::start(id, "begin").follow(script)).await;
    show.until_heard(id, "2 b accepted").await;
}

#[tokio::test]
async fn undos_are_sent_in_the_reverse_order_one_at_a_time_and_each_once() {
    let show = Show::new().await;
    let script = three("a").at_answer([compensate("enough")]);
    show.say(Said::start("t", "begin").follow(script)).await;
    assert_eq!(show.end_of("t").await, compensated("enough"));
    assert_eq!(show.put("a").await, [1, 2, 3, -3, -2, -1]);
    let steps = show.puppets.history("t", 0).await.unwrap();
    let undone = steps.iter().filter(|step| {
        assert!(step.effects.len() <= 1, "one at a time: {:?}", step.effects);
        step.effects.iter().any(|effect| effect.contains("undo"))
    });
    assert_eq!((undone.count(), steps.len()), (3, 7));
}

#[tokio::test]
async fn concurrent_commands_are_undone_in_the_reverse_order_of_their_answers() {
    let show = Show::new().await;
    let all = (1..=20).map(|amount| put_for_now("a", amount));
    let script = (1..20).fold(Script::of(all), |script, _| script.at_answer([]));
    show.say(Said::start("t", "begin").follow(script.at_answer([compensate("enough")]))).await;
    assert_eq!(show.end_of("t").await, compensated("enough"));
    let heard = show.heard("t").await;
    let answers = heard.iter().filter_map(|heard| heard.strip_suffix(" a accepted"));
    let mut undos: Vec<i64> = answers.map(|amount| -amount.parse::<i64>().unwrap()).collect();
    undos.reverse();
    assert_eq!(show.put("a").await[20..], undos);
}

#[tokio::test]
async fn a_refused_undo_waits_for_an_operator_and_is_tried_again() {
    let contents = Arc::default();
    let show = Show::on(&contents).await;
    one_and_two(&show, "t").await;
    show.till(TillCommand::Shut, "b").await;
    show.say(Said::proceed("t", "no").doing([compensate("enough")])).await;
    let shown = show.until("t", |shown| shown.status.is_in_trouble()).await;
    assert_eq!((shown.status, shown.commands_under_way), (stuck("shut"), 0));
    // It blocks the instance again, because nothing was fixed.
    show.puppets.retry("t").await.unwrap();
    show.until("t", |shown| shown.status == stuck("shut") && shown.steps == 7).await;
    show.shut_down().await;

    let show = Show::on(&contents).await;
    assert_eq!(show.puppets.status("t").await.unwrap().unwrap(), stuck("shut"));
    assert_eq!(show.puppets.counts().in_trouble, 1);
    show.till(TillCommand::Unlock, "b").await;
    show.puppets.retry("t").await.unwrap();
    assert_eq!(show.end_of("t").await, compensated("enough"));
    assert_eq!((show.put("a").await, show.put("b").await), (vec![1, -1], vec![2, -2]));
}

#[tokio::test]
async fn a_skipped_undo_is_not_sent_and_the_others_are() {
    let show = Show::new().await;
    one_and_two(&show, "t").await;
    show.till(TillCommand::Shut, "b").await;
    show.say(Said::proceed("t", "no").doing([compensate("enough")])).await;
    show.until_in_trouble("t").await;
    show.puppets.skip("t").await.unwrap();
    assert_eq!(show.end_of("t").await, compensated("enough"));
    assert_eq!((show.put("a").await, show.put("b").await), (vec![1, -1], vec![2]));
    assert!(show.puppets.skip("t").await.is_err(), "it is not in trouble any more");
}

#[tokio::test]
async fn events_for_a_stuck_instance_are_ignored_and_not_parked() {
    let show = Show::new().await;
    one_and_two(&show, "t").await;
    show.till(TillCommand::Shut, "b").await;
    show.say(Said::proceed("t", "no").doing([compensate("enough")])).await;
    show.until_in_trouble("t").await;
    show.tell(Said::proceed("t", "late")).await;
    assert!(show.puppets.events().unwrap().parked().await.is_empty());
    show.puppets.skip("t").await.unwrap();
    show.end_of("t").await;
    assert!(!show.heard("t").await.contains(&"late".to_owned()));
}

#[tokio::test]
async fn a_cancelled_instance_undoes_everything_once() {
    let show = Show::new().await;
    one_and_two(&show, "t").await;
    assert!(!show.puppets.cancel("nobody", "enough").await.unwrap());
    assert!(show.puppets.cancel("t", "enough").await.unwrap());
    assert!(!show.puppets.cancel("t", "once more").await.unwrap());
    assert_eq!(show.end_of("t").await, compensated("enough"));
    assert!(!show.puppets.cancel("t", "too late").await.unwrap());
    assert_eq!((show.put("a").await, show.put("b").await), (vec![1, -1], vec![2, -2]));
}

#[tokio::test]
async fn compensation_waits_for_pending_answers_and_undoes_accepted_commands() {
    let show = Show::new().await;
    for number in 0..50 {
        let (id, till) = (format!("t-{number}"), format!("a-{number}"));
        let begin = Said::start(&id, "begin").doing([put_for_now(&till, 1)]);
        let no = Said::proceed(&id, "no").doing([compensate("enough")]);
        // Both events are in one commit, so that the second is handled while the command of the
        // first is pending.
        show.cues.execute("crier", vec![begin, no]).await.unwrap();
        assert_eq!(show.end_of(&id).await, compensated("enough"));
        assert_eq!(show.put(&till).await, [1, -1]);
    }
}

#[tokio::test]
async fn an_unsent_command_is_abandoned_and_never_executed() {
    let show = Show::new().await;
    show.tills.execute("b", TillCommand::Burst).await.unwrap_err();
    let script = Script::of([put_for_now("a", 1)]).at_answer([put_for_now("b", 2)]);
    show.say(Said::start("t", "begin").follow(script)).await;
    show.until_heard("t", "1 a accepted").await;
    show.puppets.cancel("t", "enough").await.unwrap();
    assert_eq!(show.end_of("t").await, compensated("enough"));
    assert!(show.tills.release("b").unwrap());
    show.till(TillCommand::Put(7), "b").await;
    assert_eq!((show.put("a").await, show.put("b").await), (vec![1, -1], vec![7]));
}

#[tokio::test]
async fn final_commands_are_sent_after_compensation_and_waited_for() {
    let show = Show::new().await;
    for (id, last) in [("t", "c"), ("u", "shut")] {
        show.till(TillCommand::Shut, "shut").await;
        let script = Script::of([put_for_now("a", 1)]);
        let script = script.at_answer([compensate("enough")]).at_last([put(last, 9)]);
        show.say(Said::start(id, "begin").follow(script)).await;
        assert_eq!(show.end_of(id).await, compensated("enough"));
        let heard = show.heard(id).await;
        assert_eq!(heard, ["begin", "1 a accepted", "compensated: enough"]);
    }
    assert_eq!((show.put("c").await, show.put("shut").await), (vec![9], vec![]));
}

#[tokio::test]
async fn a_completed_or_failed_saga_is_not_undone() {
    let show = Show::new().await;
    let ends = [Do::Complete, Do::Fail("no".to_owned())];
    for (number, end) in ends.into_iter().enumerate() {
        let (id, till) = (format!("t-{number}"), format!("a-{number}"));
        show.say(Said::start(&id, "begin").follow(three(&till).at_answer([end]))).await;
        let ended = show.end_of(&id).await;
        assert!(!matches!(ended, InstanceStatus::Compensated { .. }), "{ended}");
        assert!(!show.puppets.cancel(&id, "enough").await.unwrap());
        assert_eq!(show.put(&till).await, [1, 2, 3]);
    }
}

#[tokio::test]
async fn commands_sent_with_the_end_are_executed_and_their_answers_recorded() {
    let show = Show::new().await;
    show.say(Said::start("t", "begin").doing([put_for_now("a", 1), Do::Complete])).await;
    assert_eq!(show.end_of("t").await, InstanceStatus::Completed);
    assert_eq!((show.put("a").await, show.heard("t").await), (vec![1], vec!["begin".to_owned()]));
}

#[tokio::test]
async fn an_instance_without_commands_is_compensated_immediately() {
    let show = Show::new().await;
    show.say(Said::start("t", "begin").doing([compensate("enough")])).await;
    assert_eq!(show.end_of("t").await, compensated("enough"));
    assert_eq!(show.heard("t").await, ["begin", "compensated: enough"]);
    assert_eq!(show.puppets.history("t", 0).await.unwrap().len(), 1);
}

/// A saga that decided to go on when it was cancelled lost what it had decided: the commands, the deadlines, and its
/// new state.
#[tokio::test]
async fn a_saga_that_continues_after_a_cancel_keeps_what_it_decided() {
    let show = Show::new().await;
    let later = Do::RemindAt(NOON + 10, "later".to_owned());
    let script = Script { at_cancel: vec![put("a", 2), later], ..Script::of([put("a", 1)]) };
    let script = script.at_due("later", [Do::Complete]);
    show.tell(Said::start("t", "begin").follow(script)).await;
    assert!(!show.puppets.cancel("t", "enough").await.unwrap(), "it continues");
    show.until_heard("t", "2 a accepted").await;
    assert_eq!(show.put("a").await, [1, 2]);
    show.clock.set(Timestamp::from_micros(NOON + 10));
    assert_eq!(show.end_of("t").await, InstanceStatus::Completed);
    assert!(show.heard("t").await.contains(&"cancelled: enough".to_owned()));
}

/// A saga gave up and sent a last command with that. The command was carried out, unless its first attempt failed or
/// the process ended before: then it was dropped.
#[tokio::test]
async fn a_command_sent_with_a_compensation_is_carried_out_also_after_a_crash() {
    for nth in 1..=4 {
        let contents = Arc::default();
        let show = Show::on(&contents).await;
        let event = Said::start("t", "begin").doing([compensate("no"), put("a", 1)]);
        show.faults.fail_commit(nth, Failure::Unwritten);
        let is_stored = show.cues.execute("crier", vec![event]).await.is_ok();
        let _ = show.runtime.caught_up(Duration::from_millis(50)).await;
        show.leave(&contents).await;
        let show = Show::on(&contents).await;
        show.runtime.caught_up(LONG).await.unwrap();
        if is_stored {
            assert_eq!(show.end_of("t").await, compensated("no"));
            assert_eq!(show.put("a").await, [1], "{nth}");
        }
    }
}
