//! Personal values are stored encrypted, and are unreadable once their subject is forgotten.

mod copied;
mod crawl;
mod customers;
mod forgetting;
mod handing;
mod quoted;
mod rotation;
mod saga;
mod sealing;
mod views;
mod walking;
