//! Views of customers that copy personal values in clear text.

use std::collections::BTreeMap;

use actuarius::projection::{
    InMemory, Keyed, KeyedProjection, Projection, Rows, SecondaryKeys, View,
};
use actuarius::{Envelope, Personal, Runtime};
use serde::{Deserialize, Serialize};

use super::customers::{Customer, CustomerEvent};

/// The names of all customers, in memory.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Names(pub(crate) BTreeMap<String, String>);

impl Projection<Customer> for Names {
    fn project(&mut self, envelope: &Envelope<Customer>) {
        if let CustomerEvent::Registered { name } = &envelope.event {
            let name = name.get().cloned().unwrap_or_else(|| "erased".to_owned());
            self.0.insert(envelope.id.as_str().to_owned(), name);
        }
    }
}

/// A row for each customer, on disk.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Card {
    pub(crate) name: Personal<String>,
    pub(crate) greeting: String,
}

pub(crate) struct Cards;

impl View for Cards {
    type Key = String;
    type Row = Card;

    fn secondary(_: &String, row: &Card, keys: &mut SecondaryKeys) {
        keys.add("greeting", &row.greeting);
    }
}

impl KeyedProjection<Customer> for Cards {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Customer>) {
        if let CustomerEvent::Registered { name } = &envelope.event {
            let greeting = name.get().map_or("erased".to_owned(), |name| format!("dear {name}"));
            rows.put(envelope.id.as_str(), Card { name: name.clone(), greeting });
        }
    }
}

/// A row for each name, which is its key.
pub(crate) struct ByName;

impl View for ByName {
    type Key = String;
    type Row = String;
}

impl KeyedProjection<Customer> for ByName {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Customer>) {
        if let CustomerEvent::Registered { name } = &envelope.event
            && let Some(name) = name.get()
        {
            rows.put(name.as_str(), envelope.id.as_str().to_owned());
        }
    }
}

pub(crate) async fn names(runtime: &Runtime) -> InMemory<Names> {
    runtime.projection::<Names>("names").on::<Customer>().start().await.unwrap()
}

pub(crate) async fn cards(runtime: &Runtime) -> Keyed<Cards> {
    runtime.keyed::<Cards>("cards").on::<Customer>().start().await.unwrap()
}
