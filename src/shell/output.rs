//! What a shell writes to its descriptors.

use super::{Shell, Stop, Stream, World};

impl Shell {
    /// Writes to a descriptor; one that is closed or only for reading takes it silently.
    pub fn write(&self, world: &mut dyn World, number: u32, bytes: &[u8]) -> Result<(), Stop> {
        let Some(handle) = self.descriptor(number) else { return Ok(()) };
        let (file, at) = match &mut *handle.borrow_mut() {
            Stream::Output(collected) => {
                collected.extend_from_slice(bytes);
                return world.spend(1 + bytes.len() as u64 / 64);
            }
            Stream::File { file, at } => {
                let before = *at;
                if let Some(at) = at {
                    *at += bytes.len() as u64;
                }
                (*file, before)
            }
            Stream::Both { file, at, .. } => (*file, Some(*at as u64)),
            Stream::Null | Stream::Input { .. } => return Ok(()),
        };
        world.write(file, at, bytes)
    }

    pub fn out(&self, world: &mut dyn World, bytes: &[u8]) -> Result<(), Stop> {
        self.write(world, 1, bytes)
    }

    pub fn error(&self, world: &mut dyn World, text: &str) -> Result<(), Stop> {
        self.write(world, 2, format!("{text}\n").as_bytes())
    }
}
