//! Filters: grep, sed, awk, sort and their kin, in the C locale.
//!
//! Each reads its operands or the standard input whole and writes what GNU's would write. An option, a command or a
//! pattern that is not done here ends the run.

mod awk;
mod base64;
mod cat;
mod cmp;
mod columns;
mod count;
mod cut;
mod diff;
mod digest;
mod dump;
mod ends;
mod expr;
mod format;
mod grep;
mod matcher;
mod sed;
mod seq;
mod sort;
mod streams;
mod tables;
#[cfg(test)]
mod tests;
mod translate;
mod uniq;
mod words;
mod xargs;

use super::row::Row;

pub const ROWS: &[Row] = &[
    Row::native("awk", awk::awk, "POSIX's awk: mawk's ways on Debian, gawk's where that is the root's"),
    Row::native("base64", base64::base64, "bytes as letters, and back"),
    Row::refuse("bc", "no package's script needs a calculator but the shell's"),
    Row::native("cat", cat::cat, "files one behind the other"),
    Row::native("cksum", digest::cksum, "POSIX's CRC of files"),
    Row::native("cmp", cmp::cmp, "whether files have the same bytes"),
    Row::refuse("column", "a table for people to look at: nobody does while an image is built"),
    Row::native("comm", tables::comm, "lines that sorted files share"),
    Row::native("cut", cut::cut, "bytes or fields of lines"),
    Row::refuse("dc", "no package's script needs a calculator but the shell's"),
    Row::native("diff", diff::diff, "whether files have the same lines; normal and unified output"),
    Row::native("echo", words::built_in, "the shell's"),
    Row::native("egrep", grep::egrep, "`grep -E`"),
    Row::native("envsubst", words::envsubst, "environment variables in a text"),
    Row::native("expand", columns::expand, "tabs to spaces"),
    Row::native("expr", expr::expr, "expressions of POSIX and GNU"),
    Row::native("fgrep", grep::fgrep, "`grep -F`"),
    Row::native("fold", columns::fold, "long lines in pieces"),
    Row::native("gawk", awk::awk, "POSIX's awk, with some functions of gawk's"),
    Row::native("grep", grep::grep, "finds lines, as GNU's in the C locale"),
    Row::native("head", ends::head, "the beginning of files"),
    Row::native("hexdump", dump::hexdump, "bytes as numbers, plain or with `-C`"),
    Row::native("iconv", words::iconv, "between character sets that are the same or agree on the text"),
    Row::native("join", tables::join, "lines of sorted files with the same key"),
    Row::native("mawk", awk::awk, "POSIX's awk"),
    Row::native("md5sum", digest::sums, "digests of files, or checks them"),
    Row::native("nl", columns::nl, "numbers lines"),
    Row::native("od", dump::od, "bytes as numbers"),
    Row::native("paste", columns::paste, "lines side by side"),
    Row::native("printf", words::built_in, "the shell's"),
    Row::native("rev", cat::rev, "lines from their end"),
    Row::native("sed", sed::sed, "edits lines, as GNU's in the C locale; what would run programs ends the build"),
    Row::native("seq", seq::seq, "numbers in a row"),
    Row::native("sha1sum", digest::sums, "digests of files, or checks them"),
    Row::native("sha224sum", digest::sums, "digests of files, or checks them"),
    Row::native("sha256sum", digest::sums, "digests of files, or checks them"),
    Row::native("sha384sum", digest::sums, "digests of files, or checks them"),
    Row::native("sha512sum", digest::sums, "digests of files, or checks them"),
    Row::native("sort", sort::sort, "lines in the order of their bytes, or of keys"),
    Row::refuse("strings", "what looks like text in a program depends on how it was compiled"),
    Row::native("tac", cat::tac, "lines, the last one first"),
    Row::native("tail", ends::tail, "the end of files; following one ends the build"),
    Row::native("tee", cat::tee, "its input to several files"),
    Row::native("tr", translate::tr, "bytes for bytes"),
    Row::native("unexpand", columns::unexpand, "spaces to tabs"),
    Row::native("uniq", uniq::uniq, "lines without their repetitions"),
    Row::native("wc", count::wc, "counts lines, words and bytes"),
    Row::native("xargs", xargs::xargs, "runs a program with the words of its input"),
];
