//! A saga finishes what it began or undoes it, each step exactly once, whatever fails in between.

mod bank;
mod walking;
