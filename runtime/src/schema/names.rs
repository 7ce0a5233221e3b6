//! Checks at the start that the names and schema versions of an aggregate type fit together.

use std::any::TypeId;
use std::collections::BTreeSet;
use std::sync::OnceLock;

use actuarius_domain::{Aggregate, Upcaster, Upcasters};
use dashmap::DashMap;

use super::decoding::upcasters;
use super::shape::{self, Node};
use crate::base::panics::guarded;
use crate::base::schema_error::SchemaError;

/// A name that no variant has. Only a catch-all variant takes it.
const NO_NAME: &str = "\u{1}no such event type";

/// The event types of an aggregate type.
#[derive(Clone)]
pub(crate) struct EventTypes {
    /// `None` if any name is possible, or the names are not known.
    names: Option<&'static [&'static str]>,
    /// A name that two variants have.
    shared: Option<&'static str>,
    accepts: fn(&str) -> bool,
}

impl EventTypes {
    pub(crate) fn of<A: Aggregate>() -> Self {
        let none = shape::variant::<A::Event>(NO_NAME);
        let shared = none.names.and_then(shared);
        let names = none.names.filter(|_| none.exists == Some(false));
        let accepts = |name: &str| shape::variant::<A::Event>(name).exists != Some(false);
        Self { names, shared, accepts }
    }

    /// Returns the names of all variants, if there are no others.
    pub(crate) fn names(&self) -> Option<&'static [&'static str]> {
        self.names
    }

    fn has(&self, name: &str) -> bool {
        let listed = |names: &'static [&'static str]| names.contains(&name);
        // A hand-written `Deserialize` may accept more names than it lists.
        self.names.is_none_or(|names| listed(names) || (self.accepts)(name))
    }

    fn list(&self) -> Vec<String> {
        self.names.unwrap_or_default().iter().map(|name| (*name).to_owned()).collect()
    }
}

/// Returns the first name that is listed twice.
fn shared(names: &'static [&'static str]) -> Option<&'static str> {
    let mut seen = BTreeSet::new();
    names.iter().copied().find(|name| !seen.insert(*name))
}

/// The results of [`check`], by aggregate type. They never change while a program runs.
static CHECKED: OnceLock<DashMap<TypeId, Result<(), SchemaError>, foldhash::fast::RandomState>> =
    OnceLock::new();

/// Checks the schema versions and the upcasters of an aggregate type.
///
/// # Errors
/// Returns the first [`SchemaError`].
pub(crate) fn check<A: Aggregate>() -> Result<(), SchemaError> {
    let checked = CHECKED.get_or_init(DashMap::default);
    let id = TypeId::of::<A>();
    if let Some(known) = checked.get(&id) {
        return known.clone();
    }
    // The user's code runs while no part of the map is locked.
    let result = Check::<A>::new().run();
    checked.insert(id, result.clone());
    result
}

/// Checks that a handler's filter names event types of an aggregate type.
///
/// # Errors
/// Returns [`SchemaError::UnknownEventType`] for the first one that no variant has.
pub(crate) fn check_filter<A: Aggregate>(filter: &BTreeSet<String>) -> Result<(), SchemaError> {
    let types = EventTypes::of::<A>();
    match filter.iter().find(|name| !types.has(name)) {
        None => Ok(()),
        Some(name) => Err(SchemaError::UnknownEventType {
            aggregate: A::TYPE,
            event_type: name.clone(),
            names: types.list(),
        }),
    }
}

/// Returns the names that an event type had before, according to the upcasters of its aggregate type.
pub(crate) fn former_names<A: Aggregate>(event_type: &str) -> Vec<String> {
    let upcasters = upcasters::<A>();
    let leads_to = |upcaster: &Upcaster, name: &str| {
        targets(upcaster).iter().any(|target| target.event_type.as_deref() == Some(name))
    };
    let (mut found, mut next) = (Vec::<String>::new(), vec![event_type.to_owned()]);
    while let Some(name) = next.pop() {
        for (former, version) in upcasters.names() {
            let upcaster = upcasters.find(former, version);
            let is_new = former != event_type && found.iter().all(|known| known != former);
            if is_new && upcaster.is_some_and(|upcaster| leads_to(upcaster, &name)) {
                found.push(former.to_owned());
                next.push(former.to_owned());
            }
        }
    }
    found
}

struct Check<A> {
    upcasters: &'static Upcasters,
    types: EventTypes,
    aggregate: std::marker::PhantomData<fn() -> A>,
}

impl<A: Aggregate> Check<A> {
    fn new() -> Self {
        let (upcasters, types) = (upcasters::<A>(), EventTypes::of::<A>());
        Self { upcasters, types, aggregate: std::marker::PhantomData }
    }

    fn run(&self) -> Result<(), SchemaError> {
        if let Some(name) = self.types.shared {
            let event_type = name.to_owned();
            return Err(SchemaError::SharedName { aggregate: A::TYPE, event_type });
        }
        for name in self.types.names.unwrap_or_default() {
            self.check_versions(name)?;
        }
        for (name, version) in self.upcasters.names() {
            if let Some(upcaster) = self.upcasters.find(name, version) {
                for target in targets(upcaster) {
                    self.check_target((name, version), target)?;
                }
            }
        }
        Ok(())
    }

    /// Returns the current schema version of an event type. If the user's code panics, there is nothing to
    /// compare with; the panic is reported when the first event is written.
    fn current(name: &str) -> Option<u32> {
        guarded(|| A::schema_version(name)).ok()
    }

    fn check_versions(&self, name: &str) -> Result<(), SchemaError> {
        let Some(current) = Self::current(name) else { return Ok(()) };
        let Some(missing) = self.upcasters.first_unread(name, current) else { return Ok(()) };
        let event_type = name.to_owned();
        Err(SchemaError::MissingUpcaster { aggregate: A::TYPE, event_type, missing, current })
    }

    fn check_target(&self, from: (&str, u32), target: Target) -> Result<(), SchemaError> {
        let (event_type, schema_version) = (from.0.to_owned(), from.1);
        let to = target.event_type.unwrap_or_else(|| event_type.clone());
        let to_version = target.schema_version;
        if self.upcasters.find(&to, to_version).is_some() {
            return Ok(());
        }
        if !self.types.has(&to) {
            let names = self.types.list();
            return Err(SchemaError::UpcasterLeadsNowhere {
                aggregate: A::TYPE,
                event_type,
                schema_version,
                to,
                names,
            });
        }
        match Self::current(&to) {
            Some(current) if current != to_version => Err(SchemaError::UpcasterEndsTooEarly {
                aggregate: A::TYPE,
                event_type,
                schema_version,
                to,
                to_version,
                current,
            }),
            _ => Ok(()),
        }
    }
}

/// An event that an upcaster returns.
#[derive(Clone, PartialEq)]
struct Target {
    /// `None` if it is unchanged.
    event_type: Option<String>,
    schema_version: u32,
}

/// Returns the events that an upcaster returns for sample content, as far as that is known. Names and versions
/// that depend on the content are left out.
fn targets(upcaster: &Upcaster) -> Vec<Target> {
    let found = std::cell::RefCell::new(None::<Vec<Target>>);
    let read = |node: Node<'_>| {
        let mut content = <dyn erased_serde::Deserializer<'_>>::erase(node);
        let Ok(recast) = upcaster.recast(&mut content) else { return false };
        let events = recast.into_events().into_iter().map(|event| Target {
            event_type: event.event_type.map(Into::into),
            schema_version: event.schema_version,
        });
        let events: Vec<_> = events.collect();
        found.borrow_mut().get_or_insert(events);
        true
    };
    shape::read_samples(0, &read);
    let first = found.take().unwrap_or_default();
    shape::read_samples(1, &read);
    let other = found.take().unwrap_or_default();
    first.into_iter().filter(|target| other.contains(target)).collect()
}
