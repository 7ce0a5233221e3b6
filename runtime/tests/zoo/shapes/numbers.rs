//! Numbers of every width, floats of every kind, and addresses.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU8;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::shape::family;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Integers {
    a: (u8, u16, u32, u64, u128),
    b: (i8, i16, i32, i64, i128),
    c: NonZeroU8,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Price {
    amount: f64,
    share: Option<f32>,
}

family! { Numbers {
    Integers(Integers) by [Bincode, Json, MessagePack]: |random| vec![
        Integers {
            a: (u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX),
            b: (i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN),
            c: NonZeroU8::MAX,
        },
        Integers {
            a: (random.bits() as u8, random.bits() as u16, random.bits() as u32, random.number(), random.wide()),
            b: (-1, random.bits() as i16, random.bits() as i32, random.bits() as i64, -(random.wide() as i128 >> 1)),
            c: NonZeroU8::MIN,
        },
    ];
    Wide(u128) by [Bincode, Json, MessagePack]: |random| vec![
        0, 1, u128::from(u64::MAX), u128::from(u64::MAX) + 1, u128::MAX, random.wide(), random.wide(),
    ];
    WideSigned(i128) by [Bincode, Json, MessagePack]: |random| vec![
        i128::MIN, i128::from(i64::MIN), i128::from(i64::MIN) - 1, -1, i128::MAX, -(random.wide() as i128 >> 1),
    ];
    Float(f64) by [Bincode, Json, MessagePack]: |random| vec![
        0.0, -0.0, 1.0, 0.1, f64::MIN_POSITIVE, 5e-324, -2.225_073_858_507_201e-308, f64::MAX, f64::MIN, f64::EPSILON,
        1e21, 123_456_789_012_345_680.0, 9_007_199_254_740_993.0, 0.091_443_385_120_927_12, 9_922.038_899_943_705,
        random.float(), random.float(), random.float(), random.float(), random.below(1_000_000) as f64 / 100.0,
    ];
    NotANumber(f64) by [Bincode, MessagePack]: |_random| vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    Single(f32) by [Bincode, Json, MessagePack]: |random| vec![
        0.0, -0.0, 0.1, f32::MIN_POSITIVE, 1e-45, f32::MAX, f32::MIN, 16_777_217.0, random.float() as f32 as i32 as f32,
        f32::from_bits(random.bits() as u32 & 0x7F7F_FFFF), f32::from_bits(random.bits() as u32 & 0x7F7F_FFFF),
    ];
    NotASingle(f32) by [Bincode, MessagePack]: |_random| vec![f32::NAN, f32::INFINITY];
    Price(Price) by [Bincode, MessagePack]: |random| vec![
        Price { amount: random.float(), share: Some(0.3) },
        Price { amount: 0.3, share: Some(f32::NAN) },
        Price { amount: f64::NAN, share: None },
    ];
    MaybeFloat(Option<f64>) by [Bincode, MessagePack]: |_random| vec![None, Some(f64::NAN), Some(-0.0)];
    Address(IpAddr) by [Bincode, Json, MessagePack]: |random| vec![
        IpAddr::from([0, 0, 0, 0]),
        IpAddr::from([255, 255, 255, 255]),
        IpAddr::from([0u16, 0, 0, 0, 0, 0xFFFF, 0x7F00, 1]),
        IpAddr::from(random.wide().to_be_bytes()),
    ];
    Socket(SocketAddr) by [Bincode, Json, MessagePack]: |random| vec![
        SocketAddr::from(([127, 0, 0, 1], random.bits() as u16)),
        SocketAddr::from((random.wide().to_be_bytes(), 80)),
    ];
    Time(Duration) by [Bincode, Json, MessagePack]: |random| vec![
        Duration::ZERO,
        Duration::MAX,
        Duration::from_nanos(random.bits()),
    ];
    Moment(SystemTime) by [Bincode, Json, MessagePack]: |random| vec![
        SystemTime::UNIX_EPOCH,
        SystemTime::UNIX_EPOCH + Duration::from_nanos(random.bits()),
    ];
    Letter(char) by [Bincode, Json, MessagePack]: |random| vec![
        '\0', '\u{7f}', '\u{80}', '\u{d7ff}', '\u{e000}', '\u{10ffff}', random.letter(), random.letter(),
    ];
    Bool(bool) by [Bincode, Json, MessagePack]: |_random| vec![true, false];
} }
