//! Trees and lists of many levels.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::shape::family;

/// A list in which each element holds the next one.
#[derive(Clone, Serialize, Deserialize)]
pub struct Chain(Option<Box<Chain>>);

impl Chain {
    fn of(levels: usize) -> Self {
        (1..levels).fold(Self(None), |inner, _| Self(Some(Box::new(inner))))
    }
}

impl fmt::Debug for Chain {
    /// Writes the number of levels, without recursion.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut levels, mut inner) = (1, &self.0);
        while let Some(next) = inner {
            (levels, inner) = (levels + 1, &next.0);
        }
        write!(out, "{levels} levels")
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Tree {
    Leaf(u8),
    Node { left: Box<Tree>, right: Box<Tree> },
}

fn tree(levels: u32) -> Tree {
    match levels.checked_sub(1) {
        None => Tree::Leaf(7),
        Some(below) => Tree::Node { left: Box::new(tree(below)), right: Box::new(Tree::Leaf(1)) },
    }
}

fn lists(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

family! { Deep {
    Chain(Chain) by [Bincode, Json, MessagePack]: |random| [1, 2, 20, 1 + random.below(30) as usize].map(Chain::of).into();
    DeepChain(Chain) by []: |_random| [100, 120, 130, 200, 600, 1_000].map(Chain::of).into();
    Tree(Tree) by [Bincode, Json, MessagePack]: |_random| [0, 1, 5, 15].map(tree).into();
    DeepTree(Tree) by []: |_random| [60, 100, 130, 300].map(tree).into();
    Lists(Value) by [Json, MessagePack]: |_random| [1, 40].map(lists).into();
    DeepLists(Value) by []: |_random| [120, 130, 400].map(lists).into();
} }
