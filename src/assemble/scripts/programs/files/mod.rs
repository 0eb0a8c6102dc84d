//! Files and directories: what coreutils, findutils, debianutils and libcap do with them.
//!
//! Every program here says what GNU's says in the C locale, and ends as it ends; what an image does not know (block
//! counts, access times, mount points) is a fixed fact or not supported.

mod capabilities;
mod chmod;
mod complaints;
mod copy;
mod cp;
mod dd;
mod debianutils;
mod directories;
mod find;
mod install;
mod links;
mod list;
mod lists;
mod modes;
mod mv;
mod operands;
mod owners;
mod path_names;
mod quoting;
mod remove;
mod resolving;
mod special;
mod stat;
mod targets;
mod temporary;
mod times;
mod walk;

use super::row::Row;

const LABELS: &str = "labels are written for the whole image by the build";
const ATTRIBUTES: &str = "flags of the node's own file system are not part of an image";
const PACKED: &str = "compressed files are not read or written while an image is built";
const MOUNTS: &str = "nothing is mounted while an image is built";

pub const ROWS: &[Row] = &[
    Row::native("basename", resolving::basename, "the last name of a path"),
    Row::nothing("chattr", ATTRIBUTES),
    Row::nothing("chcon", LABELS),
    Row::native("chgrp", owners::chgrp, "changes groups in the tree, by the image's own group names"),
    Row::native("chmod", chmod::chmod, "changes modes in the tree"),
    Row::native("chown", owners::chown, "changes owners in the tree, by the image's own user names"),
    Row::native("cp", cp::cp, "copies in the tree"),
    Row::native("dd", dd::dd, "copies small amounts in the tree; chance is refused"),
    Row::native("df", special::df, "how full a file system is, is the node's affair: there is room enough"),
    Row::native("dirname", resolving::dirname, "a path without its last name"),
    Row::refuse("du", "how much room files take on a disk, is the node's affair"),
    Row::refuse("file", "the kinds of files are not guessed from their content"),
    Row::native("find", find::find, "finds in the tree, in the order of the names"),
    Row::nothing("fixfiles", LABELS),
    Row::native("getcap", capabilities::getcap, "shows the capabilities of files in the tree"),
    Row::native("getfacl", lists::getfacl, "shows the mode where a file has no access control list"),
    Row::refuse("gunzip", PACKED),
    Row::refuse("gzip", PACKED),
    Row::native("install", install::install, "copies in the tree, with mode and owner"),
    Row::native("link", links::link, "adds a name in the tree"),
    Row::native("ln", links::ln, "makes links in the tree"),
    Row::refuse("logrotate", "logs are rotated on a running node"),
    Row::native("ls", list::ls, "lists directories of the tree, one name a line"),
    Row::refuse("lsattr", ATTRIBUTES),
    Row::native("mkdir", directories::mkdir, "makes directories in the tree"),
    Row::native("mkfifo", special::mkfifo, "makes pipes in the tree"),
    Row::native("mknod", special::mknod, "makes devices and pipes in the tree"),
    Row::native(
        "mktemp",
        temporary::mktemp,
        "makes a file or directory whose name comes from a counter, not from chance",
    ),
    Row::refuse("mount", MOUNTS),
    Row::native(
        "mountpoint",
        special::mountpoint,
        "only the root and /proc, as dpkg has them: nothing else is mounted while an image is built",
    ),
    Row::native("mv", mv::mv, "gives other names in the tree"),
    Row::native("pwd", resolving::pwd, "the directory that the script is in"),
    Row::native("readlink", resolving::readlink, "where a link of the tree points"),
    Row::native("realpath", resolving::realpath, "a path without links, as the tree has them"),
    Row::nothing("restorecon", LABELS),
    Row::native("rm", remove::rm, "removes from the tree"),
    Row::native("rmdir", directories::rmdir, "removes empty directories from the tree"),
    Row::native("run-parts", debianutils::run_parts, "runs the scripts of a directory, interpreted as this one"),
    Row::native("setcap", capabilities::setcap, "writes file capabilities as the attribute that the kernel reads"),
    Row::native("setfacl", lists::setfacl, "writes access control lists as the attribute that the kernel reads"),
    Row::native("shred", remove::shred, "removes from the tree; an image has no blocks to overwrite"),
    Row::native("stat", stat::stat, "what is known of a file, by a format"),
    Row::nothing("sync", "nothing is written to a disk yet"),
    Row::refuse("tar", "archives are not packed or unpacked while an image is built"),
    Row::native("tempfile", temporary::tempfile, "makes a file whose name comes from a counter, not from chance"),
    Row::native("touch", times::touch, "makes files and sets times; the present is the recipe's epoch"),
    Row::native("truncate", times::truncate, "changes the length of a file"),
    Row::nothing("umount", MOUNTS),
    Row::native("unlink", remove::unlink, "removes from the tree"),
    Row::native("which", debianutils::which, "finds programs in the tree"),
    Row::refuse("zcat", PACKED),
];

#[cfg(test)]
mod tests;
