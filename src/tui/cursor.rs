//! Where one is in a list, and which part of it is seen.

/// A place in a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The row that is chosen.
    pub(super) at: usize,
    /// The first row that is seen.
    pub(super) top: usize,
}

impl Cursor {
    /// Moves as a key says; whether the key says so. `page`: rows that are seen.
    pub(super) fn key(&mut self, key: &str, count: usize, page: usize) -> bool {
        let half = isize::try_from(page / 2).unwrap_or(1).max(1);
        let whole = isize::try_from(page).unwrap_or(1).max(1);
        match key {
            "j" | "down" => self.go(1, count),
            "k" | "up" => self.go(-1, count),
            "ctrl-d" => self.go(half, count),
            "ctrl-u" => self.go(-half, count),
            "pagedown" | "ctrl-f" => self.go(whole, count),
            "pageup" | "ctrl-b" => self.go(-whole, count),
            "g" | "home" => self.at = 0,
            "G" | "end" => self.at = count.saturating_sub(1),
            _ => return false,
        }
        true
    }

    /// Moves by so many rows, as far as there are any.
    pub(super) fn go(&mut self, rows: isize, count: usize) {
        self.at = self.at.saturating_add_signed(rows).min(count.saturating_sub(1));
    }

    /// Keeps the chosen row within what is seen, and both within the list.
    pub(super) fn fit(&mut self, count: usize, page: usize) {
        let page = page.max(1);
        self.at = self.at.min(count.saturating_sub(1));
        self.top = self.top.min(count.saturating_sub(page)).min(self.at);
        if self.at >= self.top + page {
            self.top = self.at + 1 - page;
        }
    }
}

/// A line that is typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Typed(pub(super) String);

impl Typed {
    /// Takes a key; whether it was one of typing.
    pub(super) fn key(&mut self, key: &str) -> bool {
        let mut chars = key.chars();
        match key {
            "backspace" | "ctrl-h" => drop(self.0.pop()),
            "ctrl-u" => self.0.clear(),
            "ctrl-w" => {
                let kept = self.0.trim_end();
                self.0.truncate(kept.rfind(' ').map_or(0, |at| at + 1));
            }
            _ => match (chars.next(), chars.next()) {
                (Some(char), None) if !char.is_control() => self.0.push(char),
                _ => return false,
            },
        }
        true
    }

    /// Takes what was pasted.
    pub(super) fn paste(&mut self, text: &str) {
        self.0.extend(text.chars().filter(|char| !char.is_control()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_stays_in_its_list_and_in_sight() {
        let mut cursor = Cursor::default();
        for (key, at, top) in [
            ("G", 99, 90),
            ("k", 98, 90),
            ("ctrl-u", 93, 90),
            ("ctrl-u", 88, 88),
            ("g", 0, 0),
            ("up", 0, 0),
            ("pagedown", 10, 1),
            ("j", 11, 2),
        ] {
            assert!(cursor.key(key, 100, 10));
            cursor.fit(100, 10);
            assert_eq!((cursor.at, cursor.top), (at, top), "{key}");
        }
        cursor.fit(3, 10);
        assert_eq!((cursor.at, cursor.top), (2, 0));
        cursor.fit(0, 10);
        assert_eq!((cursor.at, cursor.top), (0, 0));
        assert!(!cursor.key("x", 3, 10));
    }

    #[test]
    fn a_line_is_typed_and_mended() {
        let mut typed = Typed::default();
        "alice bob".chars().for_each(|char| assert!(typed.key(&char.to_string())));
        assert!(typed.key("ctrl-w") && typed.0 == "alice ");
        assert!(typed.key("backspace") && typed.0 == "alice");
        assert!(!typed.key("enter") && !typed.key("ctrl-z"));
        typed.paste(" \u{1b}[31mx\n");
        assert_eq!(typed.0, "alice [31mx");
        assert!(typed.key("ctrl-u") && typed.0.is_empty());
    }
}
