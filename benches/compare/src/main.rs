//! The same bank on Actuarius and on its peers.

fn main() {}
