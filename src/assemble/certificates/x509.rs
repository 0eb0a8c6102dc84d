//! X.509 certificates as far as a trust store looks into them, and DER: RFC 5280, X.690.

const BASIC_CONSTRAINTS: &[u8] = b"\x55\x1d\x13";

/// An element of DER.
pub(super) fn encoded(tag: u8, contents: &[u8]) -> Vec<u8> {
    let digits = contents.len().to_be_bytes();
    let length = match u8::try_from(contents.len()) {
        Ok(short) if short < 0x80 => vec![short],
        _ => {
            let digits = &digits[digits.iter().take_while(|digit| **digit == 0).count()..];
            let count = u8::try_from(digits.len()).expect("a length has eight bytes at most");
            [[0x80 | count].as_slice(), digits].concat()
        }
    };
    [[tag].as_slice(), &length, contents].concat()
}

/// An element of DER: its tag, its contents, itself as a whole, and what follows.
pub(super) type Element<'a> = (u8, &'a [u8], &'a [u8], &'a [u8]);

pub(super) fn element(der: &[u8]) -> Option<Element<'_>> {
    let (tag, first) = (*der.first()?, usize::from(*der.get(1)?));
    let (header, length) = match first {
        0..=0x7f => (2, first),
        0x81..=0x84 => {
            let count = first - 0x80;
            let digits = der.get(2..2 + count)?;
            (2 + count, digits.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte)))
        }
        _ => return None,
    };
    let end = header.checked_add(length)?;
    Some((tag, der.get(header..end)?, &der[..end], &der[end..]))
}

pub(super) fn elements(mut der: &[u8]) -> Vec<(u8, &[u8], &[u8])> {
    let mut list = Vec::new();
    while let Some((tag, contents, whole, rest)) = element(der) {
        list.push((tag, contents, whole));
        der = rest;
    }
    list
}

/// The value of an `Extension`: what its octet string holds.
pub(super) fn extension_value(der: &[u8]) -> Option<&[u8]> {
    let (_, extension, _, _) = element(der)?;
    elements(extension).into_iter().find(|(tag, _, _)| *tag == 0x04).map(|(_, value, _)| value)
}

pub(super) fn key_purposes(value: &[u8]) -> Vec<Vec<u8>> {
    element(value).map(|(_, list, _, _)| identifiers(list)).unwrap_or_default()
}

pub(super) fn identifiers(list: &[u8]) -> Vec<Vec<u8>> {
    elements(list)
        .into_iter()
        .filter(|(tag, _, _)| *tag == 0x06)
        .map(|(_, identifier, _)| identifier.to_vec())
        .collect()
}

/// What matters here of an X.509 certificate.
pub(super) struct Certificate<'a> {
    first_version: bool,
    issuer: &'a [u8],
    subject: &'a [u8],
    pub(super) public_key: &'a [u8],
    extensions: Vec<&'a [u8]>,
}

impl<'a> Certificate<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Option<Certificate<'a>> {
        let (_, certificate, _, _) = element(der)?;
        let (0x30, body, _, _) = element(certificate)? else { return None };
        let mut fields = elements(body).into_iter().peekable();
        let first_version = fields.next_if(|(tag, _, _)| *tag == 0xa0).is_none();
        let _serial = fields.next()?;
        let _algorithm = fields.next()?;
        let (_, _, issuer) = fields.next()?;
        let _validity = fields.next()?;
        let (_, _, subject) = fields.next()?;
        let (_, _, public_key) = fields.next()?;
        let list = fields.find(|(tag, _, _)| *tag == 0xa3).and_then(|(_, contents, _)| element(contents));
        let list = list.map(|(_, list, _, _)| elements(list)).unwrap_or_default();
        let extensions = list.into_iter().map(|(_, _, whole)| whole).collect();
        Some(Certificate { first_version, issuer, subject, public_key, extensions })
    }

    /// The name that it is called by: common name, unit, organization, whichever it has first.
    pub(super) fn label(&self) -> Option<String> {
        let (_, names, _, _) = element(self.subject)?;
        let pair = |(_, set, _): (u8, &'a [u8], &[u8])| -> Option<(&'a [u8], &'a [u8])> {
            let (_, pair, _, _) = element(set)?;
            let (_, kind, _, value) = element(pair)?;
            Some((kind, element(value)?.1))
        };
        let pairs: Vec<_> = elements(names).into_iter().filter_map(pair).collect();
        let found = |kind: &[u8]| pairs.iter().find(|(known, _)| *known == kind).map(|(_, value)| *value);
        let value = found(b"\x55\x04\x03").or_else(|| found(b"\x55\x04\x0b")).or_else(|| found(b"\x55\x04\x0a"))?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    pub(super) fn extension(&self, identifier: &[u8]) -> Option<&'a [u8]> {
        let named = |extension: &&&[u8]| {
            let contents = element(extension).map(|(_, contents, _, _)| contents);
            contents.and_then(element).is_some_and(|(_, name, _, _)| name == identifier)
        };
        extension_value(self.extensions.iter().find(named)?)
    }

    /// Its constraints say so; the first version of X.509 had none, and a certificate that signed itself is one there.
    pub(super) fn is_authority(&self) -> bool {
        match self.extension(BASIC_CONSTRAINTS) {
            Some(value) => {
                let first = element(value).and_then(|(_, contents, _, _)| element(contents));
                first
                    .is_some_and(|(tag, contents, _, _)| tag == 0x01 && contents.first().is_some_and(|byte| *byte != 0))
            }
            None => self.first_version && self.issuer == self.subject,
        }
    }
}
