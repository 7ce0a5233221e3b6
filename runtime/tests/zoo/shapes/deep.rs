//! Trees and lists of many levels.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::shape::family;

/// A list in which each element holds the next one.
#[derive(Clone, Serialize, Deserialize)]
pub struct Chain {
    next: Option<Box<Chain>>,
}

impl Chain {
    fn of(levels: usize) -> Self {
        let last = Self { next: None };
        (1..levels).fold(last, |inner, _| Self { next: Some(Box::new(inner)) })
    }
}

impl fmt::Debug for Chain {
    /// Writes the number of levels, without recursion.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut levels, mut inner) = (1, &self.next);
        while let Some(next) = inner {
            (levels, inner) = (levels + 1, &next.next);
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
    (0..levels).fold(json!(1), |inner, _| Value::Array(vec![inner]))
}

family! { Deep {
    Chain(Chain) by [Bincode, Json, MessagePack]: |random| [1, 2, 20, 1 + random.below(30) as usize].map(Chain::of).into();
    LongChain(Chain) by []: |_random| [100, 120, 130, 200, 600, 1_000].map(Chain::of).into();
    Tree(Tree) by [Bincode, Json, MessagePack]: |_random| [0, 1, 5, 15].map(tree).into();
    HighTree(Tree) by []: |_random| [60, 100, 130, 300].map(tree).into();
    Lists(Value) by [Json, MessagePack]: |_random| [1, 40].map(lists).into();
    ManyLists(Value) by []: |_random| [120, 130, 400].map(lists).into();
} }
