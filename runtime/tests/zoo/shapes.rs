//! The families of shapes, each with a test.

mod deep;
mod enums;
mod foreign;
mod lying;
mod maps;
mod numbers;
mod options;
mod structs;
mod texts;

use crate::living::check;

macro_rules! zoo {
    ($($test:ident: $family:ty;)*) => { $(
        #[tokio::test]
        async fn $test() {
            check::<$family>().await;
        }
    )* };
}

zoo! {
    enums_are_refused_or_come_back: enums::Enums;
    options_are_refused_or_come_back: options::Options;
    numbers_are_refused_or_come_back: numbers::Numbers;
    maps_and_sets_are_refused_or_come_back: maps::Maps;
    texts_and_bytes_are_refused_or_come_back: texts::Texts;
    structs_are_refused_or_come_back: structs::Structs;
    deep_values_are_refused_or_come_back: deep::Deep;
    types_of_other_crates_are_refused_or_come_back: foreign::Foreign;
    values_that_serialize_as_something_else_are_refused: lying::Lying;
}
