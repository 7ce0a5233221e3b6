//! The record shop: its rules, views and states of the past, and the program on the sample.

mod customer;
mod past;
mod program;
mod sample;
mod views;
