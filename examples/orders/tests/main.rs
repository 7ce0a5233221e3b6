//! The shop with orders: its rules, the saga of an order, the whole shop in memory, and the
//! program.

mod common;
mod fulfilment;
mod program;
mod rules;
mod shop;
