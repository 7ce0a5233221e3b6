//! Maps with keys of every kind, and sets.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::shape::family;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Currency {
    Eur,
    Usd,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    Shelf(u8),
    Room { name: String },
    Nowhere,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Number(u64);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Loose {
    Number(u8),
    Text(String),
}

/// A key that is written as a text and must have a certain form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sku(String);

impl TryFrom<String> for Sku {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_one = text.len() == 7 && text.as_bytes()[3] == b'-';
        if is_one { Ok(Self(text)) } else { Err(format!("{text:?} is no article")) }
    }
}

impl From<Sku> for String {
    fn from(sku: Sku) -> Self {
        sku.0
    }
}

/// A hash map, in no order.
#[derive(Clone, Serialize, Deserialize)]
pub struct Hashed(HashMap<String, Vec<u32>>);

impl fmt::Debug for Hashed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().collect::<BTreeMap<_, _>>().fmt(out)
    }
}

/// A hash set, in no order.
#[derive(Clone, Serialize, Deserialize)]
pub struct HashedSet(HashSet<String>);

impl fmt::Debug for HashedSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().collect::<BTreeSet<_>>().fmt(out)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Flat {
    id: u32,
    #[serde(flatten)]
    more: BTreeMap<String, u8>,
}

fn two<K: Ord, V: Default>(one: K, other: K) -> Vec<BTreeMap<K, V>> {
    vec![BTreeMap::new(), BTreeMap::from([(one, V::default()), (other, V::default())])]
}

family! { Maps {
    ByText(BTreeMap<String, u8>) by [Bincode, Json, MessagePack]: |random| two(random.text(), String::new());
    ByNumber(BTreeMap<u32, String>) by [Bincode, Json, MessagePack]: |random| two(random.bits() as u32, 0);
    BySigned(BTreeMap<i64, ()>) by [Bincode, Json, MessagePack]: |random| two(random.bits() as i64, i64::MIN);
    ByWide(BTreeMap<u128, u8>) by [Bincode, Json, MessagePack]: |random| two(random.wide(), u128::MAX);
    ByBool(BTreeMap<bool, u8>) by [Bincode, Json, MessagePack]: |_random| two(true, false);
    ByLetter(BTreeMap<char, u8>) by [Bincode, Json, MessagePack]: |random| two(random.letter(), '\0');
    ByUnit(BTreeMap<(), u8>) by [Bincode, MessagePack]: |_random| two((), ());
    ByEnum(BTreeMap<Currency, i64>) by [Bincode, Json, MessagePack]: |_random| two(Currency::Eur, Currency::Usd);
    ByEnumWithContent(BTreeMap<Place, u8>) by [Bincode, MessagePack]: |random| vec![
        BTreeMap::from([(Place::Nowhere, 1)]),
        BTreeMap::from([(Place::Shelf(1), 1), (Place::Room { name: random.text() }, 2)]),
    ];
    ByNewtype(BTreeMap<Number, u8>) by [Bincode, Json, MessagePack]: |random| two(Number(random.bits()), Number(0));
    ByLoose(BTreeMap<Loose, u8>) by [MessagePack]: |_random| vec![
        BTreeMap::from([(Loose::Text("x".to_owned()), 1)]),
        BTreeMap::from([(Loose::Number(1), 1), (Loose::Text("1".to_owned()), 2)]),
    ];
    ByPair(BTreeMap<(u8, String), u8>) by [Bincode, MessagePack]: |random| two((1, random.text()), (0, String::new()));
    ByOption(BTreeMap<Option<u8>, u8>) by [Bincode, MessagePack]: |_random| two(None, Some(1));
    ByNestedOption(BTreeMap<Option<Option<u8>>, u8>) by [Bincode]: |_random| two(None, Some(None));
    ByBytes(BTreeMap<Vec<u8>, u8>) by [Bincode, MessagePack]: |random| two(random.bytes(), vec![]);
    BySku(BTreeMap<Sku, u8>) by [Bincode, Json, MessagePack]: |_random| two(Sku("ABC-123".to_owned()), Sku("ABD-000".to_owned()));
    BadSku(Sku) by []: |_random| vec![Sku("no article".to_owned())];
    Hashed(Hashed) by [Bincode, Json, MessagePack]: |random| vec![
        Hashed(HashMap::new()),
        Hashed((0..40).map(|number| (random.text(), vec![number])).collect()),
    ];
    HashedSet(HashedSet) by [Bincode, Json, MessagePack]: |random| vec![
        HashedSet(HashSet::new()),
        HashedSet((0..40).map(|_| random.text()).collect()),
    ];
    Set(BTreeSet<(u8, char)>) by [Bincode, Json, MessagePack]: |random| vec![
        BTreeSet::new(),
        BTreeSet::from([(1, random.letter()), (2, 'b')]),
    ];
    SetOfSets(BTreeSet<BTreeSet<Option<u8>>>) by [Bincode, Json, MessagePack]: |_random| vec![
        BTreeSet::from([BTreeSet::new(), BTreeSet::from([None, Some(1)])]),
    ];
    Heap(Vec<BinaryHeap<u8>>) by [Bincode, Json, MessagePack]: |random| vec![
        vec![random.bytes().into_iter().collect(), BinaryHeap::new()],
    ];
    Lists((VecDeque<u8>, LinkedList<String>)) by [Bincode, Json, MessagePack]: |random| vec![
        (random.bytes().into(), LinkedList::from([random.text()])),
    ];
    Flattened(Flat) by [Json, MessagePack]: |random| vec![
        Flat { id: 1, more: BTreeMap::new() },
        Flat { id: 2, more: BTreeMap::from([(random.text(), 1), ("x".to_owned(), 2)]) },
    ];
    FlattenedOver(Flat) by []: |_random| vec![Flat { id: 1, more: BTreeMap::from([("id".to_owned(), 2)]) }];
} }
