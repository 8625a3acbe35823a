//! `siprec trace`: captures for people to look at, and for others to be shown.

pub mod anonymise;
pub mod tls;
