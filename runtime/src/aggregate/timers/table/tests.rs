//! Tests of orders of events that cannot be arranged from outside.

use super::*;

/// A table with one timer of one aggregate, and a clock that is far ahead of its times.
struct One {
    table: Table,
    id: Arc<str>,
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

impl One {
    fn new() -> Self {
        Self { table: Table::default(), id: "a".into() }
    }

    fn says(&self, micros: impl Into<Option<i64>>) -> bool {
        let ignored = (|_: Timestamp| false, |_: Marks| ());
        self.table.says(&self.id, 0, micros.into().map(at), ignored)
    }

    fn take(&self) -> DueTimer {
        self.table.take_due(at(1_000)).expect("it is due")
    }

    /// Ends a delivery, and returns what the note says then.
    fn ended(&self, due: &DueTimer, ended: Ended) -> Option<Marks> {
        let mut note = None;
        let is_past = |at: Timestamp| at <= super::tests::at(1_000);
        self.table.ended(due, ended, (is_past, |marks| note = marks));
        note
    }

    /// Delivers a time that the state goes on to say.
    fn delivered(&self, micros: i64) {
        self.says(micros);
        let due = self.take();
        self.ended(&due, Ended::Delivered { again: true });
    }
}

fn marks(armed: impl Into<Option<i64>>, delivered: impl Into<Option<i64>>) -> Marks {
    Marks { armed: armed.into().map(at), delivered: delivered.into().map(at) }
}

/// Of the times that were said during a delivery only the earliest was kept. If that was one that had been delivered
/// before, it was left out, and the later ones with it: a time that was acknowledged never came.
#[test]
fn a_time_that_was_delivered_hides_no_later_one_that_was_said_after_it() {
    for ended in [Ended::NotDue, Ended::Delivered { again: false }] {
        let one = One::new();
        one.delivered(10);
        one.says(20);
        let due = one.take();
        one.says(10);
        one.says(60);
        let note = one.ended(&due, ended).expect("60 was said");
        match ended {
            Ended::NotDue => assert_eq!(note, marks(60, 10)),
            // 10 is not marked any more, so the history has to say that it was delivered.
            _ => assert_eq!(note, marks(10, 20)),
        }
    }
}

/// The aggregate came into being between the answer that it does not exist and the end of the delivery.
#[test]
fn what_a_new_aggregate_says_during_a_delivery_is_kept() {
    let one = One::new();
    one.says(10);
    let due = one.take();
    // The state of an aggregate that does not exist says the time as well.
    one.says(10);
    one.table.asks(&due);
    assert_eq!(one.ended(&due, Ended::Missing), None);
    one.says(10);
    let due = one.take();
    one.table.asks(&due);
    one.says(10);
    assert_eq!(one.ended(&due, Ended::Missing), Some(marks(10, None)));
}

/// An id was used again after its aggregate was deleted. A fixed time that the former one had been reminded of was
/// taken for delivered.
#[test]
fn a_time_that_was_delivered_comes_again_in_another_life_of_the_id() {
    let one = One::new();
    one.delivered(10);
    one.table.ends(&one.id, |_, _| ());
    one.says(10);
    let due = one.take();
    assert_eq!(due.at, ASK_NOW);
    one.says(10);
    assert_eq!(one.ended(&due, Ended::NotDue), Some(marks(10, None)));
}

#[test]
fn a_time_that_was_delivered_before_an_id_ended_during_a_delivery_comes_again() {
    let one = One::new();
    one.delivered(10);
    one.says(20);
    let due = one.take();
    one.table.ends(&one.id, |_, _| ());
    one.says(10);
    assert_eq!(one.ended(&due, Ended::NotDue), Some(marks(i64::MIN, None)));
}

/// A note that was read at the start, or that was armed for the past, was armed again as if its command could not have
/// been carried out.
#[test]
fn what_may_have_been_sent_is_remembered_until_it_is_delivered() {
    let one = One::new();
    one.table.load(one.id.clone(), 0, Marks::ASK_NOW);
    let due = one.take();
    one.says(10);
    one.ended(&due, Ended::NotDue);
    let due = one.take();
    assert!(due.at == at(10) && one.table.may_have_been_sent(&due));
    one.says(2_000);
    one.ended(&due, Ended::Delivered { again: false });
    let due = one.table.take_due(at(2_000)).expect("it is due");
    assert!(!one.table.may_have_been_sent(&due));
}

/// A time that was delivered came again after an earlier one, and its command was carried out a second time.
#[test]
fn a_later_time_in_the_past_is_looked_up_in_the_history_after_an_earlier_one() {
    let one = One::new();
    one.delivered(50);
    one.says(30);
    let due = one.take();
    one.table.fires(&due);
    one.says(50);
    assert_eq!(one.ended(&due, Ended::Delivered { again: false }), Some(marks(50, 30)));
    assert!(one.table.may_have_been_sent(&one.take()));
}

/// The aggregate was deleted in the turn in which its timer came. The mark went over to the next life of the id.
#[test]
fn a_time_that_came_just_before_the_end_comes_again_in_another_life_of_the_id() {
    let one = One::new();
    one.says(20);
    let due = one.take();
    one.table.fires(&due);
    one.table.ends(&one.id, |_, _| ());
    let note = one.ended(&due, Ended::Delivered { again: false });
    assert_eq!(note, Some(Marks::ASK_NOW));
    let due = one.take();
    one.says(20);
    assert_eq!(one.ended(&due, Ended::NotDue), Some(marks(20, None)));
}

/// The clock was set back while a timer failed. An earlier time that was said since waited for the later one.
#[test]
fn a_delivery_that_is_given_up_leaves_the_earliest_time() {
    let one = One::new();
    one.says(10);
    let due = one.take();
    one.says(6);
    one.table.put_back(&due);
    assert_eq!(one.ended(&due, Ended::NotDue), Some(marks(6, None)));
}
