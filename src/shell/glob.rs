//! Pathname expansion.

use super::fields::{Kind, Piece, joined, marked};
use super::file::Kind as FileKind;
use super::halt::Outcome;
use super::pattern::{Marked, Pattern};
use super::{Bytes, Shell, Stop, World, limits};

/// Whether anything in a field could be a pattern.
pub(super) fn is_pattern(field: &[Piece]) -> bool {
    let unquoted = field.iter().filter(|piece| piece.kind != Kind::Quoted);
    unquoted.flat_map(|piece| &piece.text).any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

impl Shell {
    /// The paths that a field matches, sorted; the field itself if there is none.
    pub(super) fn match_pathnames(
        &mut self,
        world: &mut dyn World,
        field: Vec<Piece>,
        fields: &mut Vec<Bytes>,
    ) -> Outcome<()> {
        let source: Vec<Marked> = field.iter().flat_map(marked).collect();
        let components: Vec<&[Marked]> = source.split(|(byte, _)| *byte == b'/').collect();
        let last = components.len().saturating_sub(1);
        let mut paths: Vec<Bytes> = vec![Bytes::new()];
        for (number, component) in components.into_iter().enumerate() {
            let pattern = Pattern::new(component);
            let mut next = Vec::new();
            for path in paths {
                match pattern.literal() {
                    Some(name) => {
                        let path = [path, name].concat();
                        // Whether it is there only matters once it is whole.
                        if number < last || self.exists(world, &path)? {
                            next.push(path);
                        }
                    }
                    None => self.matching(world, &path, &pattern, number < last, &mut next)?,
                }
            }
            if number < last {
                next.iter_mut().for_each(|path| path.push(b'/'));
            }
            if next.len() > limits::FIELDS {
                return Err(Stop::limit("pathnames that match").into());
            }
            paths = next;
        }
        if paths.is_empty() {
            fields.push(joined(field));
            return Ok(());
        }
        paths.sort();
        fields.extend(paths);
        Ok(())
    }

    fn exists(&mut self, world: &mut dyn World, path: &[u8]) -> Outcome<bool> {
        world.spend(1)?;
        let absolute = self.absolute(path);
        Ok(world.facts(&absolute, path.ends_with(b"/"))?.is_some())
    }

    fn matching(
        &mut self,
        world: &mut dyn World,
        directory: &[u8],
        pattern: &Pattern,
        directories: bool,
        found: &mut Vec<Bytes>,
    ) -> Outcome<()> {
        let absolute = self.absolute(if directory.is_empty() { b"." } else { directory });
        let Some(mut names) = world.names(&absolute)? else { return Ok(()) };
        if pattern.starts_with_dot() {
            names.extend([b".".to_vec(), b"..".to_vec()]);
        }
        world.spend(1 + names.len() as u64)?;
        for name in names {
            if name.starts_with(b".") && !pattern.starts_with_dot() || !pattern.matches(&name) {
                continue;
            }
            let path = [directory, &name].concat();
            if directories {
                let absolute = self.absolute(&path);
                let facts = world.facts(&absolute, true)?;
                if facts.is_none_or(|facts| facts.kind != FileKind::Directory) {
                    continue;
                }
            }
            found.push(path);
        }
        Ok(())
    }
}
