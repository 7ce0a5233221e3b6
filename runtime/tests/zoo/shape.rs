//! `Shape`: a family of serde shapes with their values.

use std::fmt::Debug;

use actuarius::Codec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::random::Random;

pub const ALL: [Codec; 3] = [Codec::Bincode, Codec::Json, Codec::MessagePack];

/// A family of shapes: an enum with one variant for each shape.
pub trait Shape: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Returns values of each shape: those at the edges, and random ones.
    fn values(random: &mut Random) -> Vec<Self>;

    /// Returns the name of the value's shape.
    fn kind(&self) -> &'static str;

    /// Returns the codecs that bear every value of each shape. Each other codec refuses one of its values at least.
    fn borne_by() -> Vec<(&'static str, Vec<Codec>)>;

    /// Whether two values are the same, down to the sign of a zero.
    fn same(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

/// Declares a family. Each line is a shape: its name, its type, the codecs that bear every value, and the values.
macro_rules! family {
    ($family:ident { $($kind:ident($type:ty) by [$($codec:ident),*]: |$random:ident| $values:expr;)* }) => {
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
        pub enum $family {
            $($kind($type),)*
        }

        impl $crate::shape::Shape for $family {
            fn values(random: &mut $crate::random::Random) -> Vec<Self> {
                let mut all = Vec::new();
                $({
                    let $random = &mut *random;
                    let values: Vec<$type> = $values;
                    all.extend(values.into_iter().map(Self::$kind));
                })*
                all
            }

            fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => stringify!($kind),)*
                }
            }

            fn borne_by() -> Vec<(&'static str, Vec<actuarius::Codec>)> {
                vec![$((stringify!($kind), vec![$(actuarius::Codec::$codec),*]),)*]
            }
        }
    };
}

pub(crate) use family;

/// Returns all values of a family: always the same ones for one seed.
pub fn values<S: Shape>(seed: u64) -> Vec<S> {
    S::values(&mut Random::new(seed))
}

/// Names values by their indexes, so that they can be made again from an event that every codec bears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picks {
    pub seed: u64,
    pub indexes: Vec<usize>,
}

/// Returns the values with these indexes.
pub fn picked<S: Shape>(picks: &Picks) -> Vec<S> {
    let all = values::<S>(picks.seed);
    picks.indexes.iter().map(|index| all[*index].clone()).collect()
}

pub fn same<S: Shape>(one: &[S], other: &[S]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.same(other))
}
