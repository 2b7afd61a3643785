//! Fetching from a server that misbehaves.

mod archives;
mod data_sets;
mod files;
mod server;
