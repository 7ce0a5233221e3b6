//! What is written about a person is sealed, and gone when that person is forgotten.

#[path = "../common/mod.rs"]
mod common;

mod customers;
mod forgetting;
mod rotation;
mod saga;
mod sealing;
mod views;
