//! Feeds decoders of stored bytes with mutated inputs, and checks that none panics or allocates without a bound.

use std::thread;

use crate::test_rng::TestRng;

/// How many inputs each decoder gets, unless the environment variable `ACTUARIUS_MUTATIONS` gives another number.
const INPUTS: u64 = 20_000;

/// Returns the peak of the bytes that `work` allocates on this thread.
pub type Peak = fn(work: &mut dyn FnMut()) -> u64;

/// Repairs what a decoder checks before it looks at the content.
type Reseal<'a> = dyn Fn(&mut Vec<u8>) + 'a;

/// A decoder under test: valid inputs, and what it may allocate.
pub struct Mutations<'a> {
    name: &'a str,
    samples: Vec<Vec<u8>>,
    reseal: Box<Reseal<'a>>,
    fixed: u64,
    per_byte: u64,
}

impl<'a> Mutations<'a> {
    /// Names a decoder, and gives it valid inputs. It may allocate 64 KiB and 64 bytes for each byte of its input.
    #[must_use]
    pub fn of(name: &'a str, samples: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let samples: Vec<_> = samples.into_iter().collect();
        assert!(!samples.is_empty(), "{name}: a sample");
        Self { name, samples, reseal: Box::new(|_| ()), fixed: 64 * 1024, per_byte: 64 }
    }

    /// Corrects the checksum of two thirds of the mutated inputs, so that they reach what is after it.
    #[must_use]
    pub fn resealed(mut self, reseal: impl Fn(&mut Vec<u8>) + 'a) -> Self {
        self.reseal = Box::new(reseal);
        self
    }

    /// Sets what the decoder may allocate: `fixed` bytes, and `per_byte` for each byte of its input.
    #[must_use]
    pub fn may_allocate(mut self, fixed: u64, per_byte: u64) -> Self {
        (self.fixed, self.per_byte) = (fixed, per_byte);
        self
    }

    /// Runs the decoder on the samples and on mutations of them.
    ///
    /// # Panics
    /// If it panics or allocates too much. The input is printed.
    pub fn run(&self, peak: Peak, mut decode: impl FnMut(&[u8])) {
        let mut rng = TestRng::new(u64::from(crc32c::crc32c(self.name.as_bytes())));
        // What is allocated once for the whole process does not count.
        self.samples.iter().for_each(|sample| decode(sample));
        for number in 0..inputs() {
            let mut input = self.mutated(&mut rng);
            if rng.below(3) > 0 {
                (self.reseal)(&mut input);
            }
            let shown = Shown { name: self.name, number, input: &input };
            let bytes = peak(&mut || decode(&input));
            let most = self.fixed + self.per_byte * input.len() as u64;
            assert!(bytes <= most, "{}: {bytes} bytes, at most {most} are allowed", self.name);
            drop(shown);
        }
    }

    fn mutated(&self, rng: &mut TestRng) -> Vec<u8> {
        let mut input = self.pick(rng).to_vec();
        for _ in 0..=rng.below(3) {
            self.mutate(&mut input, rng);
        }
        input
    }

    fn pick(&self, rng: &mut TestRng) -> &[u8] {
        &self.samples[rng.below(self.samples.len() as u64) as usize]
    }

    fn mutate(&self, input: &mut Vec<u8>, rng: &mut TestRng) {
        let at = place(input.len() + 1, rng);
        let end = (at + 1 + place(12, rng)).min(input.len());
        let inside = at < input.len();
        match rng.below(9) {
            0 if inside => input[at] ^= 1 << rng.below(8),
            1 if inside => input[at] = [0, 1, 0x7f, 0x80, 0xff][place(5, rng)],
            2 if inside => input[at..end].iter_mut().for_each(|it| *it = rng.next_u64() as u8),
            3 if inside => drop(input.drain(at..end)),
            4 if inside => input.extend_from_within(at..end),
            5 => input.truncate(at),
            6 => drop(input.splice(at..at, random(rng))),
            7 => overwrite(input, at, &number(rng)),
            _ => {
                let other = self.pick(rng);
                let from = place(other.len() + 1, rng);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
}

/// Corrects the checksum of a marker file, if it still has the line of one.
pub fn reseal_marker(text: &mut Vec<u8>) {
    let whole = String::from_utf8_lossy(text).into_owned();
    if let Some(end) = whole.rfind("checksum ") {
        *text = crate::files::marker::sealed(&whole[..end]).into_bytes();
    }
}

fn inputs() -> u64 {
    let named = std::env::var("ACTUARIUS_MUTATIONS").ok();
    named.map_or(INPUTS, |text| text.parse().expect("ACTUARIUS_MUTATIONS is a number"))
}

fn place(end: usize, rng: &mut TestRng) -> usize {
    rng.below(end as u64) as usize
}

fn random(rng: &mut TestRng) -> Vec<u8> {
    (0..=rng.below(9)).map(|_| rng.next_u64() as u8).collect()
}

/// Returns a large number as some format writes it: little-endian, big-endian, or as a varint.
fn number(rng: &mut TestRng) -> Vec<u8> {
    let number = u64::MAX >> rng.below(64);
    match rng.below(5) {
        0 => number.to_le_bytes().to_vec(),
        1 => number.to_be_bytes().to_vec(),
        2 => (number as u32).to_le_bytes().to_vec(),
        3 => (number as u32).to_be_bytes().to_vec(),
        _ => {
            let mut out = Vec::new();
            crate::wire::put_varint(&mut out, number);
            out
        }
    }
}

fn overwrite(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = (at + bytes.len()).min(input.len());
    input.splice(at..end, bytes.iter().copied());
}

/// Prints the input if the decoder panics.
struct Shown<'a> {
    name: &'a str,
    number: u64,
    input: &'a [u8],
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}, input {}: {:02x?}", self.name, self.number, self.input);
        }
    }
}
