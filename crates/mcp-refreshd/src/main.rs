#![forbid(unsafe_code)]
mod cli;
mod clock;
mod config;
mod exit;
mod instance;
mod nearest;
mod output;
mod paths;
mod platform;
mod words;
fn main() {}
