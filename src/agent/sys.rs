//! The ioctls that the initrd needs and that no safe crate wraps: device mapper, partitions, zeros, loop devices,
//! ext4 growth.
//!
//! The only file of the agent with `unsafe`. Each function takes plain values, calls one ioctl and returns; what the
//! buffers mean is decided by the callers (`initrd/`). Numbers and structs: `linux/dm-ioctl.h`,
//! `linux/blkpg.h`, `linux/fs.h`, `linux/loop.h`, `fs/ext4/ext4.h`.
#![expect(
    unsafe_code,
    reason = "ioctl(2) has no safe form; every call here is one kernel interface with a fixed struct"
)]

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd};

use rustix::io;
use rustix::ioctl::{IntegerSetter, NoArg, Opcode, Setter, Updater, ioctl, opcode};

/// Bytes of `struct dm_ioctl`.
pub const DM_HEADER_BYTES: usize = 312;
/// Bytes of the buffer that goes with each device-mapper call: the header and one target with its parameters. The
/// longest parameters are a 512-digit salt, a 64-digit hash and a few numbers.
pub const DM_BUFFER_BYTES: usize = 2048;

/// The device-mapper calls that set up one mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DmCall {
    Create,
    Remove,
    Resume,
    LoadTable,
}

const fn dm_opcode(number: u8) -> Opcode {
    opcode::read_write::<[u8; DM_HEADER_BYTES]>(0xfd, number)
}

/// Makes one device-mapper call. The buffer starts with a `struct dm_ioctl` whose `data_size` field must not claim
/// more than the buffer holds; this is checked here because the kernel trusts it.
pub fn device_mapper(control: impl AsFd, call: DmCall, buffer: &mut [u8; DM_BUFFER_BYTES]) -> io::Result<()> {
    let data_size = u32::from_ne_bytes([buffer[12], buffer[13], buffer[14], buffer[15]]);
    if usize::try_from(data_size).map_or(true, |size| size > DM_BUFFER_BYTES) {
        return Err(io::Errno::INVAL);
    }
    // SAFETY: all four calls take a `struct dm_ioctl` and read and write at most `data_size` bytes from its start,
    // which lie in `buffer` as checked above; the kernel copies, so no pointer is kept.
    unsafe {
        match call {
            DmCall::Create => ioctl(control, Updater::<{ dm_opcode(3) }, _>::new(buffer)),
            DmCall::Remove => ioctl(control, Updater::<{ dm_opcode(4) }, _>::new(buffer)),
            DmCall::Resume => ioctl(control, Updater::<{ dm_opcode(6) }, _>::new(buffer)),
            DmCall::LoadTable => ioctl(control, Updater::<{ dm_opcode(9) }, _>::new(buffer)),
        }
    }
}

const BLKRRPART: Opcode = opcode::none(0x12, 95);
const BLKZEROOUT: Opcode = opcode::none(0x12, 127);
const BLKPG: Opcode = opcode::none(0x12, 105);

/// Makes the kernel read the partition table of a disk again. Fails with `BUSY` while any partition is in use.
pub fn reread_partitions(disk: impl AsFd) -> io::Result<()> {
    // SAFETY: BLKRRPART takes no argument.
    unsafe { ioctl(disk, NoArg::<BLKRRPART>::new()) }
}

/// Makes a part of a disk zero, by the disk itself where it can. Both numbers are bytes, whole sectors.
pub fn zero_range(disk: impl AsFd, start: u64, length: u64) -> io::Result<()> {
    // SAFETY: BLKZEROOUT reads two u64, start and length.
    unsafe { ioctl(disk, Setter::<BLKZEROOUT, [u64; 2]>::new([start, length])) }
}

/// What to do with one partition of a disk that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionCall {
    Add,
    Resize,
}

#[repr(C)]
struct BlkpgPartition {
    start: i64,
    length: i64,
    number: i32,
    names: [u8; 128],
}

#[repr(C)]
struct BlkpgArgument {
    operation: i32,
    flags: i32,
    length: i32,
    data: *mut c_void,
}

/// Tells the kernel of a new or resized partition. `start` and `length` are bytes.
pub fn change_partition(disk: impl AsFd, call: PartitionCall, number: u32, start: u64, length: u64) -> io::Result<()> {
    let convert = |value: u64| i64::try_from(value).map_err(|_| io::Errno::INVAL);
    let mut partition = BlkpgPartition {
        start: convert(start)?,
        length: convert(length)?,
        number: i32::try_from(number).map_err(|_| io::Errno::INVAL)?,
        names: [0; 128],
    };
    let mut argument = BlkpgArgument {
        operation: match call {
            PartitionCall::Add => 1,
            PartitionCall::Resize => 3,
        },
        flags: 0,
        length: i32::try_from(size_of::<BlkpgPartition>()).map_err(|_| io::Errno::INVAL)?,
        data: (&raw mut partition).cast(),
    };
    // SAFETY: BLKPG takes a pointer to `struct blkpg_ioctl_arg`, whose `data` points to a `struct blkpg_partition`;
    // both live until the call returns, and the kernel only copies from them.
    unsafe { ioctl(disk, IntegerSetter::<BLKPG>::new_pointer((&raw mut argument).cast())) }
}

/// Grows a mounted ext4 to this many of its blocks. `mount_point` is any file or directory on it.
pub fn grow_ext4(mount_point: impl AsFd, blocks: u64) -> io::Result<()> {
    // SAFETY: EXT4_IOC_RESIZE_FS reads one u64.
    unsafe { ioctl(mount_point, Setter::<{ opcode::write::<u64>(b'f', 16) }, u64>::new(blocks)) }
}

/// Bytes of `struct loop_config`.
const LOOP_CONFIG_BYTES: usize = 304;
/// Where the flags of the `struct loop_info64` in it stand.
const LOOP_FLAGS: usize = 60;
const LO_FLAGS_READ_ONLY: u32 = 1;

/// Makes the loop device with this number known. Fails with `EXIST` if it is.
pub fn add_loop(control: impl AsFd, number: usize) -> io::Result<()> {
    // SAFETY: LOOP_CTL_ADD takes a number.
    unsafe { ioctl(control, IntegerSetter::<0x4c80>::new_usize(number)) }
}

/// Puts a file behind a loop device, for reading. Fails with `BUSY` if there is one already.
pub fn configure_loop(device: impl AsFd, backing: impl AsFd) -> io::Result<()> {
    let backing = u32::try_from(backing.as_fd().as_raw_fd()).map_err(|_| io::Errno::BADF)?;
    let mut config = [0_u8; LOOP_CONFIG_BYTES];
    config[..4].copy_from_slice(&backing.to_ne_bytes());
    config[LOOP_FLAGS..LOOP_FLAGS + 4].copy_from_slice(&LO_FLAGS_READ_ONLY.to_ne_bytes());
    // SAFETY: LOOP_CONFIGURE reads one `struct loop_config`, which `config` has the size of; the kernel copies it, and
    // takes a reference of its own to the file behind the descriptor.
    unsafe { ioctl(device, Setter::<0x4c0a, [u8; LOOP_CONFIG_BYTES]>::new(config)) }
}
