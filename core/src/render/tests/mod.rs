//! Whole calls through both passes: every click at its time, and the sheet telling what happened.

mod call;
mod clean;
mod codecs;
mod disorder;
mod faults;
mod late_keys;
mod people;
mod several;
mod signalling;
mod sound;
mod tails;
mod timeline;
mod untold;
