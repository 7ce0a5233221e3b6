//! What the errors of codecs say to do.

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Reading {
    Measured { celsius: f64 },
    Paid { method: Method },
    Named(Renamed),
    Split { cents: Amount },
    Placed(std::collections::BTreeMap<(u8, u8), u8>),
}

#[track_caller]
fn refusal(codec: Codec, event: &Reading) -> String {
    let refused = codec.encode_event_checked(event, &mut Vec::new());
    refused.expect_err("it is refused").to_string()
}

#[track_caller]
fn says(error: &str, words: &[&str]) {
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
}

/// A newcomer read "this codec has no NaN and no infinity", and learned neither which event nor which codec it was.
#[test]
fn what_json_cannot_write_names_the_event_and_another_codec() {
    let measured = Reading::Measured { celsius: f64::NAN };
    let placed = Reading::Placed([((1, 2), 3)].into());
    says(&refusal(Codec::Json, &measured), &["`Measured`", "Json", "NaN", "use MessagePack"]);
    says(&refusal(Codec::Json, &placed), &["`Placed`", "Json", "key", "use MessagePack"]);
    let refused =
        Codec::Json.encode_event(&measured, &mut Vec::new()).expect_err("NaN").to_string();
    says(&refused, &["`Measured`", "Json", "use MessagePack"]);
    let refused = Codec::Json.encode_checked(&[f32::INFINITY], &mut Vec::new());
    says(&refused.expect_err("infinity").to_string(), &["f32", "Json", "use MessagePack"]);
}

/// The only reason was `Serde(AnyNotSupported)` or `UnexpectedEnd`, which are words of bincode.
#[test]
fn what_bincode_does_not_read_back_names_other_codecs() {
    let skipped = Renamed { nick: None, name: "b".to_owned() };
    for event in [Reading::Paid { method: Method::Cash }, Reading::Named(skipped)] {
        let refused = refusal(Codec::Bincode, &event);
        says(&refused, &["use MessagePack or JSON", "serde skips", "tagged"]);
    }
}

/// A newcomer was led to `trust_codec`, as if the event had a `HashMap`: it was an untagged enum.
#[test]
fn another_value_names_all_its_usual_causes() {
    let refused = refusal(Codec::Json, &Reading::Split { cents: Amount::Total(7) });
    says(&refused, &["`Split`", "untagged variant", "unordered collection", "only if"]);
}

/// After a change of an event, an operator read `missing field`, without the way out.
#[test]
fn an_event_of_a_changed_type_names_the_ways_to_read_it() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    enum Later {
        Measured { kelvin: f64 },
    }
    for codec in ALL {
        let mut bytes = Vec::new();
        codec.encode_event(&Reading::Measured { celsius: 1.5 }, &mut bytes).expect("it is written");
        bytes.pop();
        let error = codec.decode_event::<Later>("Measured", &bytes).expect_err("it is cut short");
        says(&error.to_string(), &["schema version", "upcaster"]);
        let is_bincode = codec == Codec::Bincode;
        assert_eq!(error.to_string().contains("#[serde(alias)]"), !is_bincode, "{error}");
        let unknown = codec.decode_event::<Later>("Paid", &bytes).expect_err("it was removed");
        says(&unknown.to_string(), &["no event type `Paid`", "#[serde(alias)]", "upcaster"]);
    }
}

/// An upcaster that reads a tree of values cannot see everything that an event may hold. The book says what.
#[test]
fn a_tree_of_values_does_not_hold_every_number() {
    fn tree<T: Serialize>(codec: Codec, value: T) -> Option<String> {
        let mut bytes = Vec::new();
        codec.encode(&value, &mut bytes).expect("it is written");
        let tree: Result<serde_json::Value, _> = codec.decode(&bytes);
        tree.ok().map(|tree| tree.to_string())
    }
    assert_eq!(tree(Codec::MessagePack, [f64::NAN, f64::INFINITY]).as_deref(), Some("[null,null]"));
    assert_eq!(tree(Codec::MessagePack, 7_u128), None);
    assert_eq!(tree(Codec::Json, 7_u128).as_deref(), Some("7"));
    assert!(tree(Codec::Json, u128::MAX).is_some_and(|it| it.contains("e+38")));
    let keyed = HashMap::from([(7_u8, true)]);
    assert_eq!(tree(Codec::MessagePack, &keyed), None);
    assert_eq!(tree(Codec::Json, &keyed).as_deref(), Some(r#"{"7":true}"#));
}
