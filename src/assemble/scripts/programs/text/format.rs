//! Numbers as C's printf writes them.

/// `%e`: so many digits behind the point, and an exponent of two digits or more.
pub(super) fn exponent(value: f64, precision: usize, upper: bool) -> String {
    let text = format!("{value:.precision$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}{}{sign}{:02}", if upper { 'E' } else { 'e' }, power.abs())
}

/// `%g`: so many digits in all, zeros at the end only if they are wanted.
pub(super) fn general(value: f64, precision: usize, zeros: bool, upper: bool) -> String {
    let precision = precision.max(1);
    let text = format!("{value:.0$e}", precision - 1);
    let power: i32 = text.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0);
    let most = i32::try_from(precision).unwrap_or(i32::MAX);
    let (digits, rest) = if power < -4 || power >= most {
        let written = exponent(value, precision - 1, upper);
        let at = written.find(['e', 'E']).unwrap_or(written.len());
        (written[..at].to_owned(), written[at..].to_owned())
    } else {
        let behind = usize::try_from(most - 1 - power).unwrap_or(0);
        (format!("{value:.behind$}"), String::new())
    };
    let digits = match digits.contains('.') && !zeros {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits,
    };
    digits + &rest
}

/// What stands between `%` and the letter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) left: bool,
    pub(super) plus: bool,
    pub(super) space: bool,
    pub(super) alternate: bool,
    pub(super) zeros: bool,
    pub(super) width: usize,
    pub(super) precision: Option<usize>,
}

impl Layout {
    /// A number, of which `digits` have no sign, in its columns.
    pub(super) fn number(&self, negative: bool, prefix: &str, digits: &str, zeros: bool) -> String {
        let sign = match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            (false, false, false) => "",
        };
        let used = sign.len() + prefix.len() + digits.len();
        let missing = self.width.saturating_sub(used);
        match (self.left, zeros) {
            (true, _) => format!("{sign}{prefix}{digits}{}", " ".repeat(missing)),
            (false, true) => format!("{sign}{prefix}{}{digits}", "0".repeat(missing)),
            (false, false) => format!("{}{sign}{prefix}{digits}", " ".repeat(missing)),
        }
    }

    /// `%d`, `%o`, `%x` and their kin: digits, at least as many as the precision says.
    pub(super) fn integer(&self, negative: bool, prefix: &str, digits: &str) -> String {
        match self.precision {
            None => self.number(negative, prefix, digits, self.zeros),
            Some(0) if digits == "0" => self.number(negative, prefix, "", false),
            Some(precision) => self.number(negative, prefix, &format!("{digits:0>precision$}"), false),
        }
    }

    /// `%e`, `%f`, `%g`.
    pub(super) fn float(&self, value: f64, letter: u8) -> String {
        let upper = letter.is_ascii_uppercase();
        let magnitude = value.abs();
        if !value.is_finite() {
            let name = if value.is_nan() { "nan" } else { "inf" };
            let name = if upper { name.to_uppercase() } else { name.to_owned() };
            return self.number(value.is_sign_negative(), "", &name, false);
        }
        let precision = self.precision.unwrap_or(6);
        let digits = match letter.to_ascii_lowercase() {
            b'e' => exponent(magnitude, precision, upper),
            b'f' => format!("{magnitude:.precision$}"),
            _ => general(magnitude, precision, self.alternate, upper),
        };
        self.number(value.is_sign_negative(), "", &digits, self.zeros)
    }

    /// Bytes in their columns, no more than the precision says.
    pub(super) fn text(&self, text: &[u8]) -> Vec<u8> {
        let text = text.get(..self.precision.unwrap_or(text.len())).unwrap_or(text);
        let missing = vec![b' '; self.width.saturating_sub(text.len())];
        if self.left { [text, &missing].concat() } else { [&missing, text].concat() }
    }
}
