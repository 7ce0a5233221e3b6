//! The callers: what they send, and how their answers are checked.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use actuarius_domain::{Aggregate, Context};
use serde::{Deserialize, Serialize};
use shuttle::future::block_on;
use shuttle::thread::JoinHandle;
use tokio::sync::oneshot::{self, Receiver};

use super::once_in;
use super::store::Store;
use super::world::World;
use crate::aggregate::request::{
    CommandReply, Operation, Options, Port, QueryClosure, Request, RequestKind,
};
use crate::base::error::Failure;
use crate::base::panics::Contained;

/// How many commands each caller sends.
const COMMANDS: usize = 3;

/// A command: the number that its caller has given it. Its event is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    pub(super) caller: usize,
    pub(super) number: usize,
    /// Whether the command has an event.
    pub(super) has_event: bool,
}

/// The aggregate. Its functions are not called, because turns are modelled.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Book;

impl Aggregate for Book {
    const TYPE: &'static str = "book";
    type Command = Ticket;
    type Event = Ticket;
    type Error = Infallible;

    fn decide(&self, ticket: Ticket, _: &Context) -> Result<Vec<Ticket>, Infallible> {
        Ok(vec![ticket])
    }

    fn apply(&mut self, _: &Ticket) {}
}

/// What a caller received. `None` if the request was dropped without an answer.
pub(super) type Answered = (Ticket, Option<CommandReply<Book>>);

/// Starts a caller, which returns the answers to the requests that it has not abandoned.
pub(super) fn start(caller: usize, world: &Arc<World>) -> JoinHandle<Vec<Answered>> {
    let world = world.clone();
    shuttle::thread::spawn(move || {
        let (mut answered, mut waiting, mut questions) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..COMMANDS {
            if once_in(4) {
                questions.push(ask(&world));
            }
            let ticket = Ticket { caller, number, has_event: !once_in(4) };
            let receiver = send(ticket, &world);
            match once_in(5) {
                true => drop(receiver),
                false => waiting.push((ticket, receiver)),
            }
            if once_in(2) {
                answered.extend(waiting.drain(..).map(wait));
            }
        }
        answered.extend(waiting.into_iter().map(wait));
        for question in questions {
            let answer = block_on(question);
            assert!(answer.is_ok() || world.store.has_failed_actor(), "a query has no answer");
        }
        answered
    })
}

fn ask(world: &Arc<World>) -> Receiver<Result<(), Failure>> {
    let (sender, receiver) = oneshot::channel();
    let port = Box::new(QueryClosure::new(|_: &Book| (), sender));
    let permit = world.hosted.engine.admission.enter().expect("far below the limit");
    world.send(Request { kind: RequestKind::Query(port), queued: Instant::now(), permit });
    receiver
}

fn send(ticket: Ticket, world: &Arc<World>) -> Receiver<CommandReply<Book>> {
    let (sender, receiver) = oneshot::channel();
    let options = Options { assumes_new: once_in(4), ..Options::default() };
    let operation = Operation::Decide(Contained::new(ticket));
    let kind = RequestKind::Execute { operation, options, port: Port::Receipt(sender) };
    let permit = world.hosted.engine.admission.enter().expect("far below the limit");
    world.send(Request { kind, queued: Instant::now(), permit });
    receiver
}

fn wait((ticket, receiver): (Ticket, Receiver<CommandReply<Book>>)) -> Answered {
    (ticket, block_on(receiver).ok())
}

/// Checks that the answers of all callers agree with what is stored.
pub(super) fn check(answered: &[Answered], store: &Store) {
    let stored = store.stored();
    for (ticket, answer) in answered {
        let is_stored = stored.contains(ticket);
        match answer {
            Some(Ok(receipt)) if ticket.has_event => {
                let version = usize::try_from(receipt.version.get()).expect("a small version");
                assert_eq!(stored.get(version - 1), Some(ticket), "stored at another version");
                assert_eq!(receipt.position.get(), receipt.version.get(), "{receipt:?}");
            }
            Some(Ok(_)) => {}
            Some(Err(why)) => assert!(!is_stored, "{ticket:?} is stored, and was answered: {why}"),
            None => {
                assert!(store.was_held_by_failed_actor(*ticket), "{ticket:?} has no answer");
                assert!(!is_stored, "{ticket:?} is stored and has no answer");
            }
        }
    }
    check_order(answered, &stored);
}

/// Checks that the commands of each caller were stored, once each, in the order in which it sent them, and that
/// a later answer shows a state that is not earlier.
fn check_order(answered: &[Answered], stored: &[Ticket]) {
    let mut next = [0; 3];
    for ticket in stored {
        assert!(ticket.number >= next[ticket.caller], "{ticket:?} is out of order in {stored:?}");
        next[ticket.caller] = ticket.number + 1;
    }
    let mut before: Option<(Ticket, u64)> = None;
    for (ticket, answer) in answered {
        let Some(Ok(receipt)) = answer else { continue };
        let version = receipt.version.get();
        if let Some((earlier, then)) = before.filter(|(it, _)| it.caller == ticket.caller) {
            assert!(then <= version, "{ticket:?} shows {version}, {earlier:?} showed {then}");
        }
        before = Some((*ticket, version));
    }
}
