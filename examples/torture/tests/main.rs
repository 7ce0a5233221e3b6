//! `kill -9` at random moments: acknowledged writes, followers and sagas must keep their promises.

mod common;
mod follow;
mod kill;
mod transfers;
