//! What storage targets have of a recording, against its receipt.

use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};
use siprec_core::render::Sidecar;

use super::mend;
use super::recording::Case;
use super::report::{Fault, Finding};
use crate::archive::outbox::Named;
use crate::archive::receipt::{Delivered, Receipt};
use crate::archive::recordings::hexadecimal;
use crate::archive::storage::{Content, StoreError, Target, TargetError, Verified, fetch};

/// Objects of a recording that are asked for at one time.
const AT_ONCE: usize = 8;

/// What became of an object.
#[derive(Debug)]
enum State {
    Whole,
    Missing,
    Damaged(String),
    /// Nobody knows: the target does not say.
    Unchecked(String),
}

/// Looks at each object that the receipt tells of. Targets that are set up no longer are nobody's to ask.
pub(super) fn look(case: &mut Case<'_>, _: &Sidecar) {
    let Some(receipt) = case.receipt.clone() else { return };
    let mut lacking = Vec::new();
    for delivery in &receipt.targets {
        let Some(named) = case.inspector.target(&delivery.target) else { continue };
        let deep = case.inspector.options.deep;
        let asked = delivery.files.iter().map(|known| ask(named, known, case.local.get(&known.name), deep));
        let states: Vec<State> =
            case.inspector.runtime.block_on(futures_util::stream::iter(asked).buffered(AT_ONCE).collect());
        for (known, state) in delivery.files.iter().zip(states) {
            let url = &known.url;
            let (fault, what) = match state {
                State::Whole => continue,
                State::Missing => (Fault::ObjectMissing, format!("{url} is gone")),
                State::Damaged(why) => (Fault::ObjectDamaged, format!("{url} {why}")),
                State::Unchecked(why) => {
                    let finding = Finding::new(Fault::ObjectUnchecked, format!("{url} cannot be looked at: {why}"));
                    case.take(finding, |_| anyhow::bail!("what a target has is not known while it does not answer"));
                    continue;
                }
            };
            lacking.push((named, known, Finding::new(fault, what)));
        }
    }
    if !lacking.is_empty() {
        // A server may have stored something else there since; then the receipt says so.
        let now = Receipt::read(&*case.inspector.options.disk, &case.sheet).ok().flatten();
        let says = |name: &str, known: &Delivered| now.as_ref()?.by(name).map(|there| there.files.contains(known));
        lacking.retain(|(named, known, _)| says(&named.name, known).unwrap_or(false));
    }
    // All are known before the first is stored anew: it may have to be fetched from one that has it.
    let unsound: Vec<(String, String)> =
        lacking.iter().map(|(named, known, _)| (named.name.clone(), known.name.clone())).collect();
    for (named, known, finding) in lacking {
        case.take(finding, |case| mend::object(case, named, known, &unsound));
    }
}

/// By length and checksum; by its content, if it is to be fetched.
async fn ask(named: &Named, known: &Delivered, local: Option<&Content>, deep: bool) -> State {
    let found = match named.target.look(&known.key).await {
        Ok(Some(found)) => found,
        Ok(None) => return State::Missing,
        Err(error) => return State::Unchecked(error.to_string()),
    };
    if found.bytes != known.bytes {
        return State::Damaged(format!("has {} bytes, {} were stored there", found.bytes, known.bytes));
    }
    if deep {
        return ask_all(&*named.target, known).await;
    }
    // The checksum is told from what lies here, and means the content only where it did when that was stored.
    let same = local.filter(|local| local.sha256.eq_ignore_ascii_case(&known.sha256));
    match (found.checksum, same) {
        (Some(checksum), Some(local)) if known.verified == Verified::Checksum && checksum != local.checksum => {
            State::Damaged("has another content: its checksum is not that of what was stored there".to_owned())
        }
        (Some(_) | None, Some(_) | None) => State::Whole,
    }
}

async fn ask_all(target: &dyn Target, known: &Delivered) -> State {
    let mut hash = Sha256::new();
    let fetched = fetch(target, &known.key, known.bytes, |octets| {
        hash.update(octets);
        Ok(())
    });
    match fetched.await {
        Ok(()) => {}
        Err(StoreError::Target(TargetError { what, .. })) => return State::Unchecked(what),
        Err(error) => return State::Damaged(error.to_string()),
    }
    let found = hexadecimal(&hash.finalize());
    if found.eq_ignore_ascii_case(&known.sha256) {
        return State::Whole;
    }
    State::Damaged(format!("has another content: SHA-256 {found}, {} was stored there", known.sha256))
}
