//! Vendors: who made the SRC, and what its own names for a call are.
//!
//! ```text
//! message + document -> Evidence (fingerprints.rs) -> Profile: vendor, product, confidence, signs
//! message + snapshot -> CallIds  (correlation.rs)  -> field -> values, in one form for all vendors
//! ```
//! Both are tables: a vendor is a row, and nothing here or elsewhere is written for one alone. What comes out is for
//! people and for searching; no decision hangs on it.

mod correlation;
mod fingerprints;
mod forms;
mod profile;

pub use correlation::{CallIds, MAX_VALUES, is_searched, links};
pub(crate) use forms::avaya_ucid;
pub use forms::search_forms;
pub use profile::{Evidence, Profile};
pub(crate) use profile::{is_products, product_domain};
