//! A walk through a value: what was summed so far, and why it may end early.

use std::fmt;

use serde::ser;

use super::super::nesting::{CONTAINER, Nesting};
use super::super::sum::Sum;

pub(super) struct Walk<'a> {
    pub(super) sum: Sum,
    pub(super) nesting: &'a Nesting,
    pub(super) is_json: bool,
}

/// Why a walk ended early.
#[derive(Debug)]
pub(super) struct Ended(Box<str>);

impl fmt::Display for Ended {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Ended {}

impl ser::Error for Ended {
    #[cold]
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self(reason.to_string().into())
    }
}

pub(super) type Result<T = (), E = Ended> = std::result::Result<T, E>;

impl Walk<'_> {
    #[inline]
    pub(super) fn enter(&self, levels: u32) -> Result {
        self.nesting.enter(levels).map_err(ser::Error::custom)
    }

    /// Adds a value without parts that may be read as one with parts.
    #[inline]
    pub(super) fn empty(&mut self, kind: u64, index: u32) -> Result {
        self.enter(CONTAINER)?;
        self.nesting.leave(CONTAINER);
        self.sum.add(kind, index.into());
        Ok(())
    }

    #[inline]
    pub(super) fn finite(&self, is_finite: bool) -> Result {
        match is_finite || !self.is_json {
            true => Ok(()),
            false => Err(ser::Error::custom("JSON has no NaN and no infinity, use MessagePack")),
        }
    }

    /// Most texts are not known while this is compiled.
    #[inline(never)]
    pub(super) fn text(&mut self, kind: u64, bytes: &[u8]) {
        self.sum.add_bytes(kind, bytes);
    }
}
