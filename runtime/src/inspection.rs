//! What is durable of subscriptions and of sagas, looked at without starting them: for tools that work on
//! a store no runtime has open.
//!
//! A store that is open in a runtime shows these through [`Subscription`](crate::Subscription) and
//! [`Sagas`](crate::Sagas), where also what is not durable yet is known.
//!
//! ```
//! use actuarius::inspection;
//! use actuarius::persistence::memory;
//!
//! let store = memory::open();
//! assert!(inspection::subscriptions(&*store.reader)?.is_empty());
//! # Ok::<(), actuarius::ReadError>(())
//! ```

pub use crate::saga::{SagaBoards, saga_steps};
pub use crate::subscription::{
    NotSkipped, StoredSubscription, parked, parked_of, skip_parked, subscriptions,
};
