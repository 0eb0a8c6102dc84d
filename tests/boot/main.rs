//! Images built by `nodesmith build` and booted by `nodesmith boot`, checked inside the guest.
//!
//! * `node`: UEFI (with Secure Boot), direct kernel and qcow2 boots of the quickstart node with its checks, over a reboot
//! * `mutants`: one wrong node per check; the verdict must be red, and for that check alone
//! * `command`: how `nodesmith boot` ends and what it leaves, with the firmware alone as its guest
//! * `join`, `cluster`: nodes join a real control plane, whatever happens on the way
//! * `join_anywhere`: so do nodes without a disk, and installed ones
//! * `rpm_node`: all of that on a node made of RPMs alone
//! * `selinux`: labels and domains of a node with SELinux
//! * `install`: an installer on a CD and a stick: power cuts, what it brings along, what it refuses
//! * `tampering`: flipped bytes in the root must not come up
//! * `secure_boot`: firmware takes an image's keys, starts what they signed and nothing else, and measures what was foretold
//! * `mirror`: the day by which what comes from the Debian mirror is judged
//! * `bios`: GRUB, put together here, starts a kernel under SeaBIOS and counts its tries
//! * `netboot`: nodes without a disk, from iPXE and from UEFI's HTTP boot, and what they refuse
//! * `kernels`: kernels 6.12 and 6.1 read every file of the root back
//! * `serve`: QEMU's iPXE starts a kernel from `nodesmith serve`, with the words of its node
//!
//! Two guests run at a time; beside a control plane, one.

#![expect(clippy::unwrap_used, reason = "clippy knows only functions marked as tests for tests")]

mod bios;
mod cluster;
mod command;
mod hardware;
mod install;
mod join;
mod join_anywhere;
mod kernels;
#[path = "../it/mirror.rs"]
#[expect(dead_code, reason = "the integration tests use the rest")]
mod mirror;
mod mutants;
mod netboot;
mod node;
mod rpm_node;
mod secure_boot;
mod selinux;
mod serve;
mod support;
mod tampering;
