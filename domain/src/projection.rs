//! The `Projection` trait: how a view is built from events.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Aggregate, Envelope};

/// Builds a view from the events of one aggregate type. A view may follow several types: implement
/// this trait once for each.
///
/// A projection is pure, like [`Aggregate::apply`]: it reads no clock and does no I/O, so that the
/// same events always produce the same view, and a rebuild is correct.
///
/// ```
/// use std::collections::BTreeMap;
///
/// # mod actuarius { pub use actuarius_domain::*; pub mod projection { pub use actuarius_domain::*; } }
/// use actuarius::projection::Projection;
/// use actuarius::{Aggregate, Envelope};
/// # use actuarius::Context;
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
    message = "`{Self}` is not a projection of the events of `{A}`",
    note = "implement `Projection<{A}>` for it"
)]
pub trait Projection<A: Aggregate>: Send + 'static {
    /// Folds one event into the view. Events arrive in the order of their positions, each once.
    ///
    /// # Panics
    /// It must not panic. If it does, the projection halts before that event, its health reports the
    /// halt, and the view stays as it was.
    fn project(&mut self, envelope: &Envelope<A>);
}

/// A view in memory, which starts empty and can be saved and loaded. Implemented for all types that
/// qualify.
pub trait ReadModel: Default + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Default + Serialize + DeserializeOwned + Send + Sync + 'static> ReadModel for T {}
