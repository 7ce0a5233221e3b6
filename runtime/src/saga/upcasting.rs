//! Upcasts the steps of older releases: their state as the saga defines, the rest unchanged.

use std::fmt;
use std::sync::Arc;

use actuarius_domain::{Content, Recast, STEPPED, Upcaster, Upcasters};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::stored::Step;

/// Returns upcasters of whole steps made of the upcasters `of_states` of the states in them.
pub(super) fn upcasters(of_states: Upcasters) -> Upcasters {
    let of_states = Arc::new(of_states);
    let none = Upcasters::new().never_stored_as_in(&of_states);
    of_states.names().fold(none, |upcasters, (name, version)| {
        let of_states = of_states.clone();
        let name = name.to_owned();
        upcasters.upcast_with(name.clone(), version, move |step| {
            match of_states.find(&name, version) {
                Some(upcaster) => StepBefore(upcaster).deserialize(step),
                None => Err(Error::custom("there is no such upcaster")),
            }
        })
    })
}

/// A step with the state of the current release.
#[derive(Serialize)]
struct StepNow {
    saga: Content,
    step: Step,
}

/// Reads a step and upcasts its state.
struct StepBefore<'a>(&'a Upcaster);

const FIELDS: &[&str] = &["saga", "step"];

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Field {
    Saga,
    Step,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for StepBefore<'_> {
    type Value = Recast;

    fn deserialize<D: Deserializer<'de>>(self, step: D) -> Result<Recast, D::Error> {
        step.deserialize_struct(STEPPED, FIELDS, self)
    }
}

impl<'de> Visitor<'de> for StepBefore<'_> {
    type Value = Recast;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a step of a saga")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<Recast, A::Error> {
        let saga = fields.next_element_seed(StateBefore(self.0))?;
        let saga = saga.ok_or_else(|| A::Error::missing_field("saga"))?;
        let step = fields.next_element()?.ok_or_else(|| A::Error::missing_field("step"))?;
        with_state(saga, step)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Recast, A::Error> {
        let (mut saga, mut step) = (None, None);
        while let Some(field) = fields.next_key()? {
            match field {
                Field::Saga => saga = Some(fields.next_value_seed(StateBefore(self.0))?),
                Field::Step => step = Some(fields.next_value()?),
                Field::Other => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        let saga = saga.ok_or_else(|| A::Error::missing_field("saga"))?;
        with_state(saga, step.ok_or_else(|| A::Error::missing_field("step"))?)
    }
}

/// Reads the state of a step.
struct StateBefore<'a>(&'a Upcaster);

impl<'de> DeserializeSeed<'de> for StateBefore<'_> {
    type Value = Recast;

    fn deserialize<D: Deserializer<'de>>(self, state: D) -> Result<Recast, D::Error> {
        let mut state = <dyn erased_serde::Deserializer<'_>>::erase(state);
        self.0.recast(&mut state).map_err(D::Error::custom)
    }
}

fn with_state<E: Error>(state: Recast, step: Step) -> Result<Recast, E> {
    let mut states = state.into_events();
    match (states.pop(), states.is_empty()) {
        (Some(only), true) if only.event_type.is_none() => {
            let unread = || E::custom("an upcaster of steps must return the current state");
            let saga = only.content.ok_or_else(unread)?;
            Ok(Recast::to(only.schema_version, StepNow { saga, step }))
        }
        _ => Err(E::custom("an upcaster of steps must return exactly one state")),
    }
}
