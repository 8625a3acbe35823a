//! siprec: a SIPREC session recording server and its operator's toolkit.

pub mod archive;
