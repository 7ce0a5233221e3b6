//! Sample values that types are likely to accept, to see what comes after them.

/// Sample values of one kind: the usual ones, which are enough for most types, and after them those that are
/// only tried on a type that could not be seen completely with the usual ones.
pub(super) struct Samples<T: 'static> {
    all: &'static [T],
    usual: usize,
}

impl<T: Copy> Samples<T> {
    pub(super) const fn of(all: &'static [T], usual: usize) -> Self {
        Self { all, usual }
    }

    pub(super) fn count(&self, is_thorough: bool) -> usize {
        if is_thorough { self.all.len() } else { self.usual }
    }

    pub(super) fn get(&self, choice: usize) -> T {
        self.all[choice.min(self.all.len() - 1)]
    }
}

/// Texts in the formats that types check. The fingerprints of types depend on the usual ones, so these must
/// never change.
pub(super) const TEXTS: Samples<&str> = Samples::of(
    &[
        "a",
        "0",
        "",
        "1970-01-01",
        "1970-01-01T00:00:00Z",
        "00:00:00",
        "00000000-0000-0000-0000-000000000000",
        // From here on only for types that cannot be seen otherwise.
        "1",
        "10",
        "1.0",
        "1.0.0",
        "v1.0.0",
        "A",
        "AB",
        "ABC",
        "ABCD",
        "abc",
        "abcdefgh",
        "A1",
        "A-1",
        "AAA-000",
        "AAA-0000",
        "AA-000",
        "AA0000",
        "A00",
        "EUR",
        "DE",
        "en",
        "en-US",
        "UTC",
        "Europe/Berlin",
        "+00:00",
        "1970-01",
        "1970-01-01 00:00:00",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00:00+00:00",
        "1970-01-01T00:00:00.000Z",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "12:00",
        "P1D",
        "PT1S",
        "1s",
        "127.0.0.1",
        "::1",
        "127.0.0.1:80",
        "[::1]:80",
        "10.0.0.0/8",
        "00:00:00:00:00:00",
        "example.org",
        "a@example.org",
        "https://example.org/",
        "/a",
        "text/plain",
        "+4930123456",
        "DE89370400440532013000",
        "4111111111111111",
        "9783161484100",
        "00",
        "0x00",
        "#000000",
        "00000000",
        "0000000000000000",
        "00000000000000000000000000",
        "00000000000000000000000000000000",
        "0000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "AAAA",
        "AA==",
        "50%",
        "true",
        "null",
        "{}",
        "[]",
        "*",
        "a:b",
        "a/b",
        "a.b",
        "a_b",
        "a-b",
    ],
    7,
);

pub(super) const BYTES: Samples<&[u8]> = Samples::of(
    &[
        &[0; 16],
        &[],
        &[0; 32],
        &[0; 4],
        &[0; 8],
        &[0; 1],
        &[0; 2],
        &[0; 12],
        &[0; 20],
        &[0; 64],
        b"a",
        b"0",
    ],
    5,
);

pub(super) const CHARS: Samples<char> = Samples::of(&['a', '0', 'A', ' ', '-'], 2);

pub(super) const BOOLS: Samples<bool> = Samples::of(&[false, true], 2);

macro_rules! numbers {
    ($($name:ident $type:ty: $($number:literal)*;)*) => {
        $(pub(super) const $name: Samples<$type> = Samples::of(&[$($number),*], 2);)*
    };
}

numbers! {
    I8 i8: 1 0 2 3 5 7 10 12 16 18 32 50 64 99 100 -1;
    I16 i16: 1 0 2 3 5 7 10 12 16 18 32 50 64 99 100 1000 1970 2000 -1;
    I32 i32: 1 0 2 3 5 7 10 12 16 18 32 50 64 99 100 1000 1970 2000 10000 -1;
    I64 i64: 1 0 2 3 5 7 10 12 16 18 32 50 64 99 100 1000 1970 2000 10000 -1;
    I128 i128: 1 0 2 3 5 7 10 12 16 18 32 50 64 99 100 1000 1970 2000 10000 -1;
    U8 u8: 1 0 2 3 5 7 10 12 16 18 32 50 64 99 100;
    U16 u16: 1 0 2 3 5 7 10 12 16 18 32 50 64 99 100 1000 1970 2000;
    U32 u32: 1 0 2 3 5 7 10 12 16 18 32 50 64 99 100 1000 1970 2000 10000;
    U64 u64: 1 0 2 3 5 7 10 12 16 18 32 50 64 99 100 1000 1970 2000 10000;
    U128 u128: 1 0 2 3 5 7 10 12 16 18 32 50 64 99 100 1000 1970 2000 10000;
    F32 f32: 1.0 0.0 0.5 2.0 10.0 100.0 -1.0;
    F64 f64: 1.0 0.0 0.5 2.0 10.0 100.0 -1.0;
}
