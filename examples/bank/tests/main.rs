//! The bank: its rules, transfers, views and programs, what it has stored before, and the code in
//! the README.

mod fixtures;
mod programs;
mod readme;
mod rules;
mod transfer;
mod transfers;
mod views;
