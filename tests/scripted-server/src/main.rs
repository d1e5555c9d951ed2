//! The scripted server as a program: driven over HTTP, its log on stdout.

fn main() {}
