//! Past states, histories and differences of aggregates and views, and the rule that time never
//! goes back within a stream.

mod disorder;
mod diverging;
mod failing;
mod moments;
mod removed;
mod retention;
mod scene;
mod searching;
mod stepping;
mod time;
mod views;
mod writers;
