//! A profile in the format of `go tool pprof`, from stacks of addresses.

use std::collections::BTreeMap;
use std::time::SystemTime;

use pprof::protos::{Function, Line, Location, Message as _, Profile, Sample, ValueType};

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) of: &'static str,
    pub(super) unit: &'static str,
}

/// Puts one together.
pub(super) struct Builder {
    profile: Profile,
    strings: BTreeMap<String, i64>,
    /// Locations by address; none for frames that are ours.
    known: BTreeMap<usize, Option<u64>>,
}

impl Builder {
    /// Of two values each, the second of which is shown first.
    pub(super) fn new(kinds: [Kind; 2], period: Kind, every: i64) -> Self {
        let mut new = Self { profile: Profile::default(), strings: BTreeMap::new(), known: BTreeMap::new() };
        // The first of its strings is empty.
        new.string("");
        new.profile.sample_type = kinds.into_iter().map(|kind| new.kind(kind)).collect();
        new.profile.default_sample_type = new.string(kinds[1].of);
        new.profile.period_type = Some(new.kind(period));
        new.profile.period = every;
        new
    }

    /// A stack, the innermost frame first, with its values.
    pub(super) fn sample(&mut self, frames: impl Iterator<Item = usize>, values: [i64; 2]) {
        let location_id = frames.filter_map(|address| self.location(address)).collect();
        self.profile.sample.push(Sample { location_id, value: values.to_vec(), ..Sample::default() });
    }

    /// Its octets.
    pub(super) fn finish(mut self, at: SystemTime) -> Vec<u8> {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.profile.time_nanos = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
        let mut strings: Vec<(String, i64)> = self.strings.into_iter().collect();
        strings.sort_unstable_by_key(|(_, place)| *place);
        self.profile.string_table = strings.into_iter().map(|(string, _)| string).collect();
        self.profile.encode_to_vec()
    }

    fn kind(&mut self, kind: Kind) -> ValueType {
        ValueType { ty: self.string(kind.of), unit: self.string(kind.unit) }
    }

    fn string(&mut self, text: &str) -> i64 {
        let next = i64::try_from(self.strings.len()).unwrap_or(i64::MAX);
        *self.strings.entry(text.to_owned()).or_insert(next)
    }

    fn location(&mut self, address: usize) -> Option<u64> {
        if let Some(known) = self.known.get(&address) {
            return *known;
        }
        let mut calls = Vec::new();
        backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
            let name = symbol.name().map_or_else(|| format!("{address:#x}"), |name| format!("{name:#}"));
            let file = symbol.filename().map(|file| file.display().to_string()).unwrap_or_default();
            calls.push((name, file, i64::from(symbol.lineno().unwrap_or(0))));
        });
        if calls.is_empty() {
            calls.push((format!("{address:#x}"), String::new(), 0));
        }
        // How a sample was taken is of no interest.
        let is_ours = |(name, _, _): &(String, String, i64)| {
            name.contains("profiling::heap::") || name.starts_with("backtrace::") || name.starts_with("__rustc::__rust")
        };
        calls.retain(|call| !is_ours(call));
        let id = (!calls.is_empty()).then(|| self.profile.location.len() as u64 + 1);
        if let Some(id) = id {
            let line = calls.into_iter().map(|call| self.line(call)).collect();
            self.profile.location.push(Location { id, address: address as u64, line, ..Location::default() });
        }
        self.known.insert(address, id);
        id
    }

    fn line(&mut self, (name, file, line): (String, String, i64)) -> Line {
        let (name, filename) = (self.string(&name), self.string(&file));
        let known = self.profile.function.iter().find(|known| known.name == name && known.filename == filename);
        let function_id = known.map(|known| known.id).unwrap_or_else(|| {
            let id = self.profile.function.len() as u64 + 1;
            self.profile.function.push(Function { id, name, system_name: name, filename, ..Function::default() });
            id
        });
        Line { function_id, line }
    }
}
