//! What became of objects that a target was to erase: how many went, and what its provider keeps of them all the same.

use std::fmt;

use siprec_core::time::Wall;

/// What became of all objects under a key, or of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removed {
    /// Objects that were there, each version counted.
    pub objects: u32,
    /// What is kept of them there.
    pub kept: Kept,
}

impl Removed {
    /// So many objects, of which nothing is kept.
    pub fn whole(objects: u32) -> Self {
        Self { objects, kept: Kept::default() }
    }

    /// Takes in what became of more objects.
    pub fn add(&mut self, more: Self) {
        self.objects = self.objects.saturating_add(more.objects);
        let Kept { copies, until, unknown } = more.kept;
        self.kept.copies = self.kept.copies.saturating_add(copies);
        self.kept.until = self.kept.until.max(until);
        self.kept.unknown = self.kept.unknown.take().or(unknown);
    }
}

/// Copies of deleted objects that a provider keeps for a while, and that nobody but it can remove: soft delete.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// How many.
    pub copies: u32,
    /// When the last of them goes, where the provider says so.
    pub until: Option<Wall>,
    /// Why it cannot be told whether there are any.
    pub unknown: Option<String>,
}

impl Kept {
    /// Whether nothing is kept, as far as can be told, and it can be told.
    pub fn is_nothing(&self) -> bool {
        self.copies == 0 && self.unknown.is_none()
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.copies > 0 {
            let copies = if self.copies == 1 { "copy" } else { "copies" };
            write!(f, "soft delete keeps {} deleted {copies}", self.copies)?;
            if let Some(until) = self.until {
                write!(f, ", the last until {}", until.rfc3339())?;
            }
            f.write_str(
                ": who may restore can read them until then; turn soft delete off there for what is erased next",
            )?;
        }
        match &self.unknown {
            Some(why) if self.copies > 0 => write!(f, "; there may be more: {why}"),
            Some(why) => write!(f, "it cannot be told whether soft delete keeps copies: {why}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_all_objects_is_kept_until_the_last_goes() {
        let kept = |copies, until: Option<i64>| Kept { copies, until: until.map(Wall), unknown: None };
        let mut all = Removed::whole(3);
        assert!(all.kept.is_nothing());
        all.add(Removed { objects: 2, kept: kept(2, Some(86_400_000_000_000)) });
        all.add(Removed { objects: 1, kept: kept(1, None) });
        all.add(Removed { objects: 1, kept: Kept { unknown: Some("HTTP 403".into()), ..kept(0, Some(1)) } });
        assert_eq!((all.objects, all.kept.copies, all.kept.until), (7, 3, Some(Wall(86_400_000_000_000))));
        let words = all.kept.to_string();
        assert!(words.starts_with("soft delete keeps 3 deleted copies, the last until 1970-01-02T00:00:00"), "{words}");
        assert!(words.ends_with("there may be more: HTTP 403"), "{words}");
        let unknown = Kept { unknown: Some("HTTP 403".into()), ..Kept::default() };
        assert!(!unknown.is_nothing());
        assert_eq!(unknown.to_string(), "it cannot be told whether soft delete keeps copies: HTTP 403");
    }
}
