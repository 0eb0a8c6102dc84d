//! Bash's arrays: by number only. The first element is the variable's own value too.

use std::collections::BTreeMap;

use super::halt::Outcome;
use super::syntax::{Assignment, Value, Word};
use super::{Bytes, Shell, Stop, World, limits};

/// Elements of `name=(…)` with the index that is written before some of them.
pub(super) type Elements = Vec<(Option<i64>, Bytes)>;

impl Shell {
    pub(super) fn array_values(&self, name: &[u8]) -> Vec<Bytes> {
        match self.arrays.get(name) {
            Some(array) => array.values().cloned().collect(),
            None => self.get(name).cloned().into_iter().collect(),
        }
    }

    pub(super) fn element(&self, name: &[u8], index: i64) -> Option<Bytes> {
        match self.arrays.get(name) {
            Some(array) => array.get(&from_end(array, index)).cloned(),
            None if index == 0 => self.get(name).cloned(),
            None => None,
        }
    }

    /// The array of that name, made from the plain value if there is one.
    fn array(&mut self, name: &[u8]) -> &mut BTreeMap<i64, Bytes> {
        let plain = self.get(name).cloned();
        self.arrays.entry(name.to_vec()).or_insert_with(|| plain.map(|value| (0, value)).into_iter().collect())
    }

    pub(super) fn assign_element(
        &mut self,
        world: &mut dyn World,
        name: &[u8],
        index: i64,
        value: Bytes,
        append: bool,
    ) -> Outcome<()> {
        let array = self.array(name);
        let index = from_end(array, index);
        if index < 0 {
            return self.fail(world, "bad array subscript");
        }
        let mut whole = if append { array.get(&index).cloned().unwrap_or_default() } else { Bytes::new() };
        whole.extend(value);
        if array.len() >= limits::FIELDS {
            return Err(Stop::limit("elements of an array").into());
        }
        if index == 0 {
            return self.assign(world, name, whole);
        }
        array.insert(index, whole);
        self.variables.entry(name.to_vec()).or_default();
        Ok(())
    }

    pub(super) fn assign_array(
        &mut self,
        world: &mut dyn World,
        name: &[u8],
        elements: Elements,
        append: bool,
    ) -> Outcome<()> {
        let mut array = if append { self.array(name).clone() } else { BTreeMap::new() };
        let mut next = array.keys().last().map_or(0, |last| last.saturating_add(1));
        for (index, value) in elements {
            let index = index.unwrap_or(next);
            array.insert(index, value);
            next = index.saturating_add(1);
        }
        let first = array.get(&0).cloned();
        self.arrays.insert(name.to_vec(), array);
        match first {
            Some(first) => self.assign(world, name, first),
            None => {
                self.variables.entry(name.to_vec()).or_default().value = None;
                Ok(())
            }
        }
    }

    pub(super) fn elements(&mut self, world: &mut dyn World, words: &[(Option<Word>, Word)]) -> Outcome<Elements> {
        let mut elements = Elements::new();
        for (index, word) in words {
            match index {
                Some(index) => {
                    let index = self.joined_text(world, index)?;
                    let index = self.arithmetic(world, &index)?;
                    elements.push((Some(index), self.assigned(world, word)?));
                }
                None => {
                    let mut fields = Vec::new();
                    self.add_fields(world, word, &mut fields)?;
                    elements.extend(fields.into_iter().map(|field| (None, field)));
                }
            }
        }
        Ok(elements)
    }

    /// Does one assignment of a command.
    pub(super) fn assignment(&mut self, world: &mut dyn World, assignment: &Assignment) -> Outcome<()> {
        let right = self.right_side(world, assignment)?;
        self.store(world, assignment, right)
    }

    /// What is to be assigned.
    pub(super) fn right_side(&mut self, world: &mut dyn World, assignment: &Assignment) -> Outcome<Right> {
        Ok(match &assignment.value {
            Value::Array(words) => Right::Array(self.elements(world, words)?),
            Value::Scalar(word) => Right::Scalar(self.assigned(world, word)?),
        })
    }

    pub(super) fn store(&mut self, world: &mut dyn World, assignment: &Assignment, right: Right) -> Outcome<()> {
        let Assignment { name, index, append, .. } = assignment;
        match (right, index) {
            (Right::Array(elements), _) => self.assign_array(world, name, elements, *append),
            (Right::Scalar(value), Some(index)) => {
                let index = self.joined_text(world, index)?;
                let index = self.arithmetic(world, &index)?;
                self.assign_element(world, name, index, value, *append)
            }
            (Right::Scalar(value), None) if *append => {
                let mut whole = self.get(name).cloned().unwrap_or_default();
                whole.extend(value);
                self.assign(world, name, whole)
            }
            (Right::Scalar(value), None) => self.assign(world, name, value),
        }
    }
}

/// The right side of an assignment.
pub(super) enum Right {
    Scalar(Bytes),
    Array(Elements),
}

/// Negative indices count from behind the last element.
fn from_end(array: &BTreeMap<i64, Bytes>, index: i64) -> i64 {
    match array.keys().last() {
        Some(last) if index < 0 => index.saturating_add(last.saturating_add(1)),
        _ => index,
    }
}
