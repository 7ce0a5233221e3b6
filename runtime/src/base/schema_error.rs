//! [`SchemaError`]: names and schema versions of an aggregate type that do not fit together. [`HostError`]: why a
//! type is not hosted.

use thiserror::Error;

/// Names and schema versions of the events of an aggregate type that do not fit together. Found before any
/// event is handled; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// A handler takes events of a name that no variant has, so it would never receive any. Correct the name.
    #[error("{aggregate:?} has no event type `{event_type}`; it has {}", listed(names))]
    UnknownEventType {
        /// The aggregate type.
        aggregate: &'static str,
        /// The name.
        event_type: String,
        /// The names of its variants.
        names: Vec<String>,
    },
    /// Two variants have the same name, or one has an alias that is the name of another one. The first of them
    /// would read the events of both. Give each a name of its own.
    #[error("two variants of the events of {aggregate:?} have the name or alias `{event_type}`")]
    SharedName {
        /// The aggregate type.
        aggregate: &'static str,
        /// The name.
        event_type: String,
    },
    /// An upcaster returns an event of a name that no variant has. Correct the name.
    #[error(
        "the upcaster of `{event_type}`, schema version {schema_version}, leads to `{to}`, but {aggregate:?} \
         has no event type of this name; it has {}",
        listed(names)
    )]
    UpcasterLeadsNowhere {
        /// The aggregate type.
        aggregate: &'static str,
        /// The event type that the upcaster reads.
        event_type: String,
        /// The schema version that it reads.
        schema_version: u32,
        /// The name that it returns.
        to: String,
        /// The names of its variants.
        names: Vec<String>,
    },
    /// An upcaster returns a schema version that is not today's, and that no other upcaster reads. Return
    /// another version, raise `schema_version` of the event type, or add an upcaster.
    #[error(
        "the upcaster of `{event_type}`, schema version {schema_version}, of {aggregate:?} leads to `{to}`, \
         schema version {to_version}; today it has schema version {current}, and no upcaster reads version \
         {to_version}"
    )]
    UpcasterEndsTooEarly {
        /// The aggregate type.
        aggregate: &'static str,
        /// The event type that the upcaster reads.
        event_type: String,
        /// The schema version that it reads.
        schema_version: u32,
        /// The name that it returns.
        to: String,
        /// The schema version that it returns.
        to_version: u32,
        /// The schema version of that event type today.
        current: u32,
    },
    /// No upcaster reads an older schema version of an event type. Add one, or, if no event was ever stored
    /// with it, declare that with [`Upcasters::never_stored`](crate::schema::Upcasters::never_stored).
    #[error(
        "`{event_type}` of {aggregate:?} has schema version {current} today, and no upcaster reads version \
         {missing}; if it was never stored, declare it with `never_stored`"
    )]
    MissingUpcaster {
        /// The aggregate type.
        aggregate: &'static str,
        /// The event type.
        event_type: String,
        /// The first schema version that nothing reads.
        missing: u32,
        /// Its schema version today.
        current: u32,
    },
}

/// Why an aggregate type is not hosted. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HostError {
    /// Another Rust type is hosted under the same [`Aggregate::TYPE`](crate::Aggregate::TYPE). Give one of
    /// them another name.
    #[error("two aggregate types have the name {0:?}")]
    NameTaken(&'static str),
    /// One of its [timers](crate::Hosting::timer) has a name that is not allowed or not its own, there are too many, or the
    /// type was hosted before without this timer.
    #[error("the timer {timer:?} of {aggregate:?}: {why}")]
    Timer {
        /// The aggregate type.
        aggregate: &'static str,
        /// The name of the timer.
        timer: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Its event types, schema versions and upcasters do not fit together.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => {
            let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            quoted.join(", ")
        }
    }
}
