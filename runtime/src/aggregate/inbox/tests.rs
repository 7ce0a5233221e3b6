//! Tests of single steps of the inbox, in orders that once went wrong, and of all steps in random schedules.

pub(super) mod schedules;

use std::convert::Infallible;
use std::task::{Context, Waker};
use std::time::Instant;

use actuarius_domain::StreamId;
use actuarius_persistence::Deletion;
use tokio::sync::oneshot::{self, Receiver};

use super::super::request::{CommandReply, Operation, Options, Port, QueryClosure, RequestKind};
use super::*;
use crate::base::error::QuarantineReason;
use crate::commit::admission::Admission;

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Book;

impl Aggregate for Book {
    const TYPE: &'static str = "book";
    type Command = ();
    type Event = ();
    type Error = Infallible;

    fn decide(&self, (): (), _: &actuarius_domain::Context) -> Result<Vec<()>, Infallible> {
        Ok(Vec::new())
    }

    fn apply(&mut self, (): &()) {}
}

/// An aggregate that was restarted, or released from quarantine, is listed twice among those in memory. It was
/// counted as leaving once for each entry and left once, so from then on more aggregates stayed in memory
/// than the limit allows.
#[test]
fn an_aggregate_is_counted_once_however_often_it_is_chosen_for_eviction() {
    let (slot, epoch) = resident();
    assert_eq!(slot.evict(), Eviction::Leaving);
    assert_eq!(slot.evict(), Eviction::Unloaded);
    assert!(slot.end_eviction(epoch));
    assert!(!slot.end_eviction(epoch));
}

/// An aggregate was chosen for eviction after its actor had failed and before it was restarted. Nobody ended this
/// eviction, so it was counted as leaving until it was loaded again.
#[test]
fn an_aggregate_is_not_chosen_for_eviction_when_its_actor_has_ended() {
    let (slot, epoch) = resident();
    assert!(!slot.end_eviction(epoch));
    assert_eq!(slot.evict(), Eviction::Busy);
    let (request, _reply) = request();
    assert!(matches!(slot.push(request, 9, || {}), Pushed::Queued));
    assert!(slot.is_in_service(epoch));
    let failed = slot.actor_ended(epoch).expect("it was in service");
    assert_eq!(failed.start, Some(epoch + 1));
}

/// An aggregate was quarantined while its state was rebuilt, and released. The rebuild then failed, and closed
/// the slot although the next incarnation was at work there: its requests were refused, and a third
/// incarnation could decide beside it.
#[test]
fn a_recovery_that_fails_late_does_not_end_the_next_incarnation() {
    let (slot, earlier) = resident();
    assert!(slot.quarantine(Arc::new(quarantine()), || ()).is_empty());
    assert!(slot.release(|| ()));
    let (request, _reply) = request();
    let Pushed::Start(epoch) = slot.push(request, 9, || {}) else { panic!("nothing is started") };
    assert!(slot.set_resident(epoch));

    let refused = slot.recovery_failed(earlier, || panic!("it is removed from the directory"));
    assert!(refused.is_empty());
    assert!(slot.is_in_service(epoch));
    assert_eq!(take_work(&slot, epoch), 1);
}

/// An aggregate was unloaded just before its supervisor, which was late, quarantined it. So a slot that was no
/// longer in the directory could be released, and served the requests of callers that had looked it up before,
/// while others were served from the next slot.
#[test]
fn a_slot_that_was_closed_is_not_quarantined_any_more() {
    let (slot, _) = resident();
    assert!(slot.try_close(|| ()));
    assert!(slot.quarantine(Arc::new(quarantine()), || panic!("it is listed")).is_empty());
    assert!(!slot.release(|| ()));
    slot.forget(|| panic!("a later slot is removed"));
    let (request, _reply) = request();
    assert!(matches!(slot.push(request, 9, || {}), Pushed::Closed(_)));
}

/// While 64 MiB of appends waited for a slow disk, an idle aggregate that had nothing to write answered no query,
/// was not unloaded, and kept the clear text of a forgotten subject.
#[test]
fn without_room_for_appends_queries_are_answered_and_idle_aggregates_leave() {
    let (slot, epoch) = resident();
    let mut context = Context::from_waker(Waker::noop());
    let mut poll = || slot.poll_work(epoch, false, &mut context);
    let push = |request| assert!(matches!(slot.push(request, 9, || {}), Pushed::Queued));
    push(query());
    push(query());
    push(request().0);
    push(query());
    let Poll::Ready(Bell::Work(work)) = poll() else { panic!("the queries are not handed out") };
    assert_eq!(work.requests.len(), 2, "and not the one after the command");
    assert_eq!(slot.end_turn(TurnOutcome::Nothing), None);
    assert!(matches!(poll(), Poll::Ready(Bell::NoRoom)));
    assert_eq!(take_work(&slot, epoch), 2, "in order, once there is room");
    assert_eq!(slot.end_turn(TurnOutcome::Nothing), None);

    assert_eq!(slot.evict(), Eviction::Leaving);
    let Poll::Ready(Bell::Work(work)) = poll() else { panic!("it does not leave") };
    assert!(work.leaving && work.requests.is_empty());
}

fn query() -> Request<Book> {
    let port = Box::new(QueryClosure::new(|_: &Book| (), oneshot::channel().0));
    let permit = Admission::new(9).enter().expect("below the limit");
    Request { kind: RequestKind::Query(port), queued: Instant::now(), permit }
}

/// Returns a slot with an incarnation that waits for the bell.
fn resident() -> (Slot<Book>, Epoch) {
    let slot = Slot::new(StreamId::new("book", "1").expect("a valid id"));
    let (request, _reply) = request();
    let Pushed::Start(epoch) = slot.push(request, 9, || {}) else { panic!("nothing is started") };
    assert!(slot.set_resident(epoch));
    assert_eq!(take_work(&slot, epoch), 1);
    assert_eq!(slot.end_turn(TurnOutcome::Nothing), None);
    (slot, epoch)
}

/// Takes the work that was announced, and returns how many requests there are.
fn take_work(slot: &Slot<Book>, epoch: Epoch) -> usize {
    match slot.poll_work(epoch, true, &mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Bell::Work(work)) => work.requests.len(),
        _ => panic!("there is no work"),
    }
}

fn request() -> (Request<Book>, Receiver<CommandReply<Book>>) {
    let (sender, reply) = oneshot::channel();
    let operation = Operation::Delete(Deletion { reusable: true });
    let (options, port) = (Options::default(), Port::Receipt(sender));
    let permit = Admission::new(9).enter().expect("below the limit");
    let kind = RequestKind::Execute { operation, options, port };
    (Request { kind, queued: Instant::now(), permit }, reply)
}

fn quarantine() -> Quarantine {
    let (aggregate, id, version) = (Book::TYPE, "1".into(), actuarius_domain::Version::NONE);
    let reason = QuarantineReason::KeepsFailing(3);
    Quarantine { aggregate, id, version, position: None, reason }
}
