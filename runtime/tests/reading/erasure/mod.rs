//! Personal values are stored encrypted, and are unreadable once their subject is forgotten.

mod crawl;
mod customers;
mod forgetting;
mod handing;
mod rotation;
mod saga;
mod sealing;
mod views;
