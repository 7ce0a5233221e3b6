//! What was: states of the past, histories, differences, and the rule of time they rest on.

mod diverging;
mod failing;
mod moments;
mod removed;
mod retention;
mod scene;
mod stepping;
mod time;
mod views;
mod writers;
