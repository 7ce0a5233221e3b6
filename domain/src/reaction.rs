//! The `ReactsTo` trait: how a saga reacts to events.

use crate::{Aggregate, Correlation, Effects, Envelope, Saga};

/// How a saga reacts to the events of aggregates of the type `A`. Implement it once for each type
/// that the saga reacts to.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not react to the events of `{A}`",
    note = "implement `ReactsTo<{A}>` for it"
)]
pub trait ReactsTo<A: Aggregate>: Saga {
    /// Returns the instance that receives an event.
    ///
    /// It must return the same for the same event each time, also in a later release, and must not
    /// panic: an event that cannot be assigned to an instance is parked by itself, and later events of
    /// the same instance are delivered before it.
    fn correlate(event: &Envelope<A>) -> Correlation;

    /// Handles an event. An instance receives its events in the order of their positions, each once.
    ///
    /// # Panics
    /// It must not panic. If it does, it is retried; then this instance is quarantined with all its
    /// later events, and the other instances continue.
    fn react(&mut self, event: &Envelope<A>) -> Effects<Self>;
}
