//! Modes of files as rpm's posix library writes and reads them: octal, `rwxr-x---`, `u+x,go=r`.
//!
//! Rules: rpm's own (rpmio/modemuncher), with their oddities: `=` replaces the whole mode, sticky bits have no letter.

const LETTERS: [(u8, u16); 9] = [
    (b'r', 0o400),
    (b'w', 0o200),
    (b'x', 0o100),
    (b'r', 0o040),
    (b'w', 0o020),
    (b'x', 0o010),
    (b'r', 0o004),
    (b'w', 0o002),
    (b'x', 0o001),
];
const SET_UID: u16 = 0o4000;
const SET_GID: u16 = 0o2000;

/// Nine letters.
pub(super) fn show(mode: u16) -> String {
    let letter = |(letter, bit): &(u8, u16)| if mode & bit != 0 { *letter } else { b'-' };
    let mut letters: Vec<u8> = LETTERS.iter().map(letter).collect();
    for (place, set, runs) in [(2, SET_UID, 0o100), (5, SET_GID, 0o010)] {
        if mode & set != 0
            && let Some(letter) = letters.get_mut(place)
        {
            *letter = if mode & runs != 0 { b's' } else { b'S' };
        }
    }
    letters.into_iter().map(char::from).collect()
}

/// The mode that `text` makes of `mode`; nothing if it says none.
pub(super) fn change(mode: u16, text: &[u8]) -> Option<u16> {
    match text.first()? {
        b'r' | b'-' => letters(mode, text),
        b'0'..=b'7' => octal(text),
        _ => clauses(mode, text),
    }
}

fn octal(text: &[u8]) -> Option<u16> {
    let value = u64::from_str_radix(std::str::from_utf8(text).ok()?, 8).ok()?;
    u16::try_from(value & 0o7777).ok()
}

/// Letters that say nothing at their place leave it as it is; so does what is missing.
fn letters(mode: u16, text: &[u8]) -> Option<u16> {
    let mut mode = mode & !(SET_UID | SET_GID);
    for (place, (given, (letter, bit))) in text.iter().zip(LETTERS).enumerate() {
        match given {
            b'-' => mode &= !bit,
            b's' if place == 2 => mode |= SET_UID | bit,
            b's' if place == 5 => mode |= SET_GID | bit,
            b's' => return None,
            given if *given == letter => mode |= bit,
            _ => {}
        }
    }
    Some(mode)
}

fn clauses(mut mode: u16, text: &[u8]) -> Option<u16> {
    let mut rest = text.iter().copied().peekable();
    loop {
        let mut who = 0;
        while let Some(letter) = rest.next_if(|letter| b"ugoa ".contains(letter)) {
            who |= match letter {
                b'u' => 0o4700,
                b'g' => 0o2070,
                b'o' => 0o1007,
                b'a' => 0o7777,
                _ => 0,
            };
        }
        let who = if who == 0 { 0o7777 } else { who };
        let how = rest.next().filter(|letter| b"+-=".contains(letter))?;
        let mut what = 0;
        while let Some(letter) = rest.next_if(|letter| b"rwxs ".contains(letter)) {
            what |= match letter {
                b'r' => 0o444,
                b'w' => 0o222,
                b'x' => 0o111,
                b's' => SET_UID | SET_GID,
                _ => 0,
            };
        }
        match how {
            _ if what == 0 => {}
            b'+' => mode |= what & who,
            b'-' => mode &= !(what & who),
            _ => mode = what & who,
        }
        match rest.next() {
            None => return Some(mode),
            Some(b',') => match rest.peek() {
                // What follows a comma may be written the other ways.
                Some(b'r' | b'-') => return letters(mode, &rest.collect::<Vec<u8>>()),
                Some(b'0'..=b'7') => return octal(&rest.collect::<Vec<u8>>()),
                _ => {}
            },
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_what_rpm_makes_of_them() {
        // `posix.chmod(…)` of rpm 4.18 on a mode of 0640.
        for (text, mode) in [
            ("755", 0o755),
            ("4755", 0o4755),
            ("0755", 0o755),
            ("77777", 0o7777),
            ("rwxr-x---", 0o750),
            ("rwsr-sr-x", 0o6755),
            ("a+r", 0o644),
            ("+x", 0o751),
            ("u=rw,go=", 0o600),
            ("-w", 0o240),
            ("ug+s", 0o6640),
            ("u+x, o+r", 0o744),
            ("rw", 0o640),
        ] {
            assert_eq!(change(0o640, text.as_bytes()), Some(mode), "{text}");
        }
        for text in ["", "8", "g=u", "u+x,g+t", "o+t", "X", "a+X", "07a", "rs-", "u+x;", "u+x,"] {
            assert_eq!(change(0o640, text.as_bytes()), None, "{text}");
        }
        assert_eq!((show(0o644), show(0o4755), show(0o6640), show(0o1777)), {
            ("rw-r--r--".into(), "rwsr-xr-x".into(), "rwSr-S---".into(), "rwxrwxrwx".into())
        });
    }
}
