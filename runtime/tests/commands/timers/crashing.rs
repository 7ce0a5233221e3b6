//! A crash at each commit, also between the command and the note that it was delivered.

use std::future::IntoFuture;

use actuarius::health::Status;
use actuarius::store::fault::Failure;

use super::*;

const FAILURES: [Failure; 3] = [Failure::Unwritten, Failure::HalfWritten, Failure::Unacknowledged];

/// Sets a timer that is due, and crashes at the `nth` commit. Returns whether the command that sets it was
/// acknowledged, and whether there was a crash.
async fn crash(
    contents: &Arc<Contents>,
    answer: Answer,
    nth: u64,
    failure: Failure,
) -> (bool, bool) {
    let desk = hosted(contents, 10, 0).await;
    desk.send("a", Command::Answer(answer)).await;
    desk.faults.fail_commit(nth, failure);
    let is_set = desk.reminders.execute("a", Command::Idle(Some(10))).await.is_ok();
    let has_crashed = || matches!(desk.runtime.health().status, Status::Poisoned(_));
    let is_over = || is_set && last_note(contents) == flags_after(answer);
    until(async || has_crashed() || is_over()).await;
    // A commit that failed has poisoned the store by the time that the next one is answered.
    let crashed = desk.reminders.execute("z", Command::Bill(None)).await.is_err();
    desk.leave(contents).await;
    (is_set, crashed)
}

/// The flags of the only note: 1 it is armed, 2 a time was delivered.
fn last_note(contents: &Arc<Contents>) -> Option<u8> {
    let notes = memory::reopen(contents).reader.notes(b"timers/", None, 2).unwrap();
    notes.first().map(|note| note.value[1])
}

fn flags_after(answer: Answer) -> Option<u8> {
    match answer {
        Answer::Keep => Some(2),
        Answer::Again(_) => Some(3),
        _ => None,
    }
}

async fn hosted(contents: &Arc<Contents>, micros: i64, remembered: usize) -> Desk {
    let hosting = Hosting::default().remembered_commands(remembered);
    Desk::with(contents, micros, |made| both(hosting, made)).await
}

/// The command was carried out again if the crash came before the note, and the ids of commands were not remembered.
#[tokio::test]
async fn a_crash_at_any_commit_neither_loses_nor_repeats_a_timer() {
    for answer in [Answer::Clear, Answer::Keep, Answer::Again(1_000)] {
        for failure in FAILURES {
            for nth in 1.. {
                let told = format!("{answer:?} {failure:?} at commit {nth}");
                let contents = Arc::default();
                let (is_set, has_crashed) = crash(&contents, answer, nth, failure).await;
                let desk = hosted(&contents, 20, 0).await;
                let stored = |it: &Reminder| it.idle.is_some() || !it.came.is_empty();
                let is_stored = desk.reminders.query("a", stored).await.unwrap();
                assert!(is_stored || !is_set, "{told}");
                let is_again = matches!(answer, Answer::Again(_)) && is_stored;
                let expected = usize::from(is_stored);
                until(async || desk.came("a").await.len() >= expected).await;
                desk.settle(usize::from(is_again)).await;
                let came = desk.came("a").await;
                assert_eq!(came.len(), expected, "{told}: {came:?}");
                desk.shut_down(&contents).await;
                let desk = hosted(&contents, 30, 0).await;
                desk.pass(30, usize::from(is_again)).await;
                assert_eq!(desk.came("a").await, came, "{told}");
                desk.shut_down(&contents).await;
                if !has_crashed {
                    assert!(nth > 2, "there was nothing to crash");
                    break;
                }
            }
        }
    }
}

/// A timer must be durable with the events that set it: a note that came after them would be lost with the power.
#[tokio::test]
async fn no_note_is_later_than_the_events_that_need_it() {
    for failure in FAILURES {
        for earlier in [None, Some(1_000)] {
            let contents = Arc::default();
            let desk = Desk::on(&contents, 0).await;
            desk.send("a", Command::Idle(earlier)).await;
            desk.faults.fail_commit(1, failure);
            desk.reminders.execute("a", Command::Idle(Some(10))).await.unwrap_err();
            desk.leave(&contents).await;
            let desk = Desk::on(&contents, 10).await;
            // It may have come already.
            let stored = |it: &Reminder| it.idle == Some(10) || !it.came.is_empty();
            let is_stored = desk.reminders.query("a", stored).await.unwrap();
            until(async || desk.came("a").await.is_empty() != is_stored).await;
            desk.settle(usize::from(!is_stored && earlier.is_some())).await;
            assert_eq!(desk.came("a").await.len(), usize::from(is_stored), "{failure:?}");
        }
    }
}

/// The last state of a turn alone decided which timers were stored. A power cut may leave the first commits of a turn
/// alone, and then the timer of the first command was lost, although a retry of that command was answered as done.
#[tokio::test]
async fn the_timer_of_each_command_of_a_turn_is_stored_with_it() {
    for later in [None, Some(1_000)] {
        let contents = Arc::default();
        let desk = Desk::on(&contents, 0).await;
        let hold = desk.faults.hold();
        let mut sent = vec![];
        let mut send = |command| {
            sent.push(tokio::spawn(desk.reminders.execute("a", command).into_future()));
        };
        send(Command::Bill(None));
        let hold = crate::common::until_held(hold).await;
        // These two wait for the commit of the first one, and are one turn.
        send(Command::Idle(Some(10)));
        until(async || desk.runtime.health().pending == 2).await;
        send(Command::Idle(later));
        until(async || desk.runtime.health().pending == 3).await;
        hold.release();
        for command in sent {
            command.await.unwrap().unwrap();
        }
        let notes = memory::reopen(&contents).reader.notes(b"timers/", None, 2).unwrap();
        assert_eq!(notes.len(), 1);
        assert_eq!(notes[0].value[2..10], 10_i64.to_le_bytes(), "the time of the first command");
        desk.pass(10, usize::from(later.is_some())).await;
        assert_eq!(desk.came("a").await, []);
    }
}
