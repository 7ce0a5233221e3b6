//! Keys of rows as ordered bytes.

use actuarius_domain::{Id, MAX_ID_BYTES, Position, Timestamp};
use uuid::Uuid;

/// A value that is encoded as bytes, for lookups. `str` implements it as `String` does, so that `get("alice")` works.
///
/// Three things must hold, or rows are found in the wrong place or not at all: the bytes are ordered like the values;
/// the bytes of no value are a prefix of those of another; and a value that is borrowed as another type (`String`
/// as `str`) has the same bytes there.
pub trait KeyBytes {
    /// Appends the bytes.
    fn write(&self, out: &mut Vec<u8>);
}

/// The longest key of a row: two ids, or one id of any characters and a few numbers.
pub(super) const ROW_KEY_BYTES_MAX: usize = 1_088;

const _: () = assert!(
    ROW_KEY_BYTES_MAX >= 2 * (MAX_ID_BYTES + END.len())
        && ROW_KEY_BYTES_MAX >= ZERO.len() * MAX_ID_BYTES + END.len() + 4 * size_of::<u64>()
);

/// A key, or a part of one. Implemented for texts, all integers of a fixed width, `bool`, UUIDs, ids, positions,
/// timestamps, pairs and triples of keys, and an `Option` of a key: `None` comes before all others.
///
/// The key of a row may have 1,088 bytes: two ids fit, or an id and some numbers. A text takes two bytes more than
/// its own, and one for each zero in it. A row with a longer key halts the view, because the key of a row cannot be
/// truncated: limit the length of texts from users before they become keys. Secondary keys may have any length.
///
/// Implement it for your own type with the existing ones:
///
/// ```
/// use actuarius::projection::{Key, KeyBytes};
///
/// #[derive(Clone)]
/// struct Shelf { room: String, number: u32 }
///
/// impl KeyBytes for Shelf {
///     fn write(&self, out: &mut Vec<u8>) {
///         self.room.write(out);
///         self.number.write(out);
///     }
/// }
///
/// impl Key for Shelf {
///     fn read(bytes: &mut &[u8]) -> Option<Self> {
///         Some(Self { room: String::read(bytes)?, number: u32::read(bytes)? })
///     }
/// }
/// ```
pub trait Key: KeyBytes + Clone + Send + Sync + 'static {
    /// Reads a key that was written from the front of `bytes`; `None` if it is something else.
    fn read(bytes: &mut &[u8]) -> Option<Self>;
}

/// A key that is a text, so that keys can be found by a prefix.
pub trait TextKey: Key {}

impl TextKey for String {}

impl<A: Send + Sync + ?Sized + 'static> TextKey for Id<A> {}

pub(crate) fn bytes(key: &(impl KeyBytes + ?Sized)) -> Vec<u8> {
    let mut out = Vec::new();
    key.write(&mut out);
    out
}

/// Reads a key that is all of `bytes`.
pub(super) fn whole<K: Key>(mut bytes: &[u8]) -> Option<K> {
    let key = K::read(&mut bytes)?;
    bytes.is_empty().then_some(key)
}

impl<T: KeyBytes + ?Sized> KeyBytes for &T {
    fn write(&self, out: &mut Vec<u8>) {
        (**self).write(out);
    }
}

macro_rules! numbers {
    ($($number:ty),*) => { $(
        /// Big-endian, so that bytes are ordered like numbers.
        impl KeyBytes for $number {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }

        impl Key for $number {
            fn read(bytes: &mut &[u8]) -> Option<Self> {
                let (number, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some(Self::from_be_bytes(*number))
            }
        }
    )* };
}

numbers!(u8, u16, u32, u64, u128);

/// Big-endian with the sign bit flipped, so that negative numbers are ordered before positive ones.
macro_rules! signed_numbers {
    ($($number:ty, $bits:ty;)*) => { through! { $(
        $number, $bits:
            |key: $number| key.cast_unsigned() ^ (1 << (<$bits>::BITS - 1)),
            |bits: $bits| (bits ^ (1 << (<$bits>::BITS - 1))).cast_signed();
    )* } };
}

/// Implements the key of a type through another one.
macro_rules! through {
    ($($key:ty, $inner:ty: $to:expr, $from:expr;)*) => { $(
        impl KeyBytes for $key {
            fn write(&self, out: &mut Vec<u8>) {
                let inner: $inner = $to(*self);
                inner.write(out);
            }
        }

        impl Key for $key {
            fn read(bytes: &mut &[u8]) -> Option<Self> {
                <$inner>::read(bytes).map($from)
            }
        }
    )* };
}

signed_numbers! { i8, u8; i16, u16; i32, u32; i64, u64; i128, u128; }

through! {
    Uuid, u128: |key: Uuid| key.as_u128(), Self::from_u128;
    Position, u64: Position::get, Self::new;
    Timestamp, i64: Timestamp::as_micros, Self::from_micros;
}

/// `None` is a zero, `Some` a one and its key.
impl<K: KeyBytes> KeyBytes for Option<K> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(key) = self {
            key.write(out);
        }
    }
}

impl<K: Key> Key for Option<K> {
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(if bool::read(bytes)? { Some(K::read(bytes)?) } else { None })
    }
}

impl KeyBytes for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Key for bool {
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match u8::read(bytes)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

/// A text ends with two zeros, which are ordered before any byte that could follow instead.
const END: [u8; 2] = [0, 0];
/// The encoding of a zero inside a text.
const ZERO: [u8; 2] = [0, 0xFF];

/// Appends the text without its end: the prefix of all texts that start with it.
pub(super) fn beginning(text: &str, out: &mut Vec<u8>) {
    for &byte in text.as_bytes() {
        match byte {
            0 => out.extend_from_slice(&ZERO),
            other => out.push(other),
        }
    }
}

impl KeyBytes for str {
    fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.len() + END.len());
        beginning(self, out);
        out.extend_from_slice(&END);
    }
}

impl KeyBytes for String {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_str().write(out);
    }
}

impl Key for String {
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let mut text = Vec::new();
        loop {
            let (&byte, rest) = bytes.split_first()?;
            *bytes = rest;
            if byte != 0 {
                text.push(byte);
                continue;
            }
            let (&second, rest) = bytes.split_first()?;
            *bytes = rest;
            match [byte, second] {
                END => return Self::from_utf8(text).ok(),
                ZERO => text.push(0),
                _ => return None,
            }
        }
    }
}

impl<A: ?Sized> KeyBytes for Id<A> {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_str().write(out);
    }
}

impl<A: Send + Sync + ?Sized + 'static> Key for Id<A> {
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Self::new(String::read(bytes)?).ok()
    }
}
