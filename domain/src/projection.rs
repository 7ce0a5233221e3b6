use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Aggregate, Envelope};

/// What a view makes of the events of one aggregate type. A view may follow several types: implement
/// this once for each.
///
/// A projection is pure, like [`Aggregate::apply`]: it reads no clock and does no I/O, so that the
/// same events always make the same view, and a rebuild is right.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use actuarius_domain::{Aggregate, Envelope, Projection};
/// # use actuarius_domain::Context;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Account;
/// # #[derive(Serialize, Deserialize)]
/// # enum AccountEvent { Deposited(i64), Withdrawn(i64) }
/// # impl Aggregate for Account {
/// #     const TYPE: &'static str = "account";
/// #     type Command = ();
/// #     type Event = AccountEvent;
/// #     type Error = std::convert::Infallible;
/// #     fn decide(&self, (): (), _: &Context) -> Result<Vec<AccountEvent>, Self::Error> { Ok(vec![]) }
/// #     fn apply(&mut self, _: &AccountEvent) {}
/// # }
/// #[derive(Default, Serialize, Deserialize)]
/// struct Balances(BTreeMap<String, i64>);
///
/// impl Projection<Account> for Balances {
///     fn project(&mut self, envelope: &Envelope<Account>) {
///         let balance = self.0.entry(envelope.id.to_string()).or_default();
///         match envelope.event {
///             AccountEvent::Deposited(cents) => *balance += cents,
///             AccountEvent::Withdrawn(cents) => *balance -= cents,
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what it makes of the events of `{A}`",
    note = "implement `Projection<{A}>` for it"
)]
pub trait Projection<A: Aggregate>: Send + 'static {
    /// Folds one event into the view. Events come in the order of their positions, each once.
    ///
    /// # Panics
    /// It must not. If it does, the projection halts before that event, visibly, with the view as
    /// it was.
    fn project(&mut self, envelope: &Envelope<A>);
}

/// What a view held in memory can do: begin empty, be saved and come back. Implemented for all types
/// that qualify.
pub trait ReadModel: Default + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Default + Serialize + DeserializeOwned + Send + Sync + 'static> ReadModel for T {}
