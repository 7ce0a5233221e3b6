//! What is written about a person is sealed, and gone when that person is forgotten.

mod customers;
mod forgetting;
mod rotation;
mod saga;
mod sealing;
mod views;
