//! rpm's own database, by which `rpm -qa` and scanners see what an image is made of.
//!
//! It is an SQLite file with the packages' headers and indexes of words in them (rpm's `lib/backend/sqlite.c`), under
//! `/usr/lib/sysimage/rpm`: on `/var` it would not be of the image's own slot. The pages are written by SQLite itself,
//! in memory and in one order, so the same packages give the same bytes. Oracle: rpm on the same packages, row by row.

use anyhow::{Context, ensure};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, params};

use crate::assemble::root::Root;
use crate::package::Family;
use crate::package::rpm::{self, Key};
use crate::tree::{Origin, TreePath};

const DIRECTORY: &str = "/usr/lib/sysimage/rpm";
/// Where rpm looks on Enterprise Linux 9.
const LINK: &str = "/var/lib/rpm";
const LINK_TARGET: &str = "../../usr/lib/sysimage/rpm";

/// Indexes that rpm searches by the package, too.
const BY_PACKAGE: [&str; 13] = [
    "Basenames",
    "Requirename",
    "Providename",
    "Conflictname",
    "Obsoletename",
    "Triggername",
    "Dirnames",
    "Filetriggername",
    "Transfiletriggername",
    "Recommendname",
    "Suggestname",
    "Supplementname",
    "Enhancename",
];
/// Indexes whose keys are bytes; these are searched from end to end.
const BINARY: [&str; 2] = ["Installtid", "Sigmd5"];

pub(crate) fn write(root: &mut Root) -> anyhow::Result<()> {
    if root.base != Family::Rpm {
        return Ok(());
    }
    let bytes = database(root).context("making rpm's database")?;
    root.file(&format!("{DIRECTORY}/rpmdb.sqlite"), 0o644, bytes)?;
    if let Ok(path) = root.path(LINK) {
        root.tree.remove_all(&path);
    }
    root.symlink(LINK, LINK_TARGET)
}

fn database(root: &Root) -> anyhow::Result<Vec<u8>> {
    let mut connection = Connection::open_in_memory()?;
    connection.execute_batch(&schema())?;
    let time = u32::try_from(root.inputs.recipe.epoch).context("the recipe's epoch as a time of rpm")?;
    let origin = Origin::from("rpm's database");
    let present = |path: &TreePath| {
        let path = root.tree.resolve_parents(path, &origin).ok();
        path.is_some_and(|path| root.tree.get(&path).is_some())
    };
    let transaction = connection.transaction()?;
    for (number, package) in root.packages.iter().enumerate() {
        let number = i64::try_from(number)? + 1;
        let installed = rpm::installed(package, time, &present).with_context(|| package.id.to_string())?;
        transaction.execute("INSERT INTO Packages VALUES (?, ?)", params![number, installed.header])?;
        for (index, rows) in &installed.indexes {
            let mut insert = transaction.prepare_cached(&format!("INSERT INTO '{index}' VALUES (?, ?, ?)"))?;
            for (key, place) in rows {
                let key = ToSqlOutput::Borrowed(match key {
                    Key::Text(text) => ValueRef::Text(text),
                    Key::Binary(bytes) => ValueRef::Blob(bytes),
                });
                insert.execute(params![key, number, place])?;
            }
        }
    }
    transaction.commit()?;
    let bytes = connection.serialize("main")?.to_vec();
    ensure!(!bytes.is_empty(), "SQLite gave an empty file");
    Ok(bytes)
}

/// The tables and indexes of rpm 4.18, in its order.
fn schema() -> String {
    let mut sql = String::from(
        "PRAGMA page_size = 4096; PRAGMA encoding = 'UTF-8';\n\
         CREATE TABLE IF NOT EXISTS 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL);\n",
    );
    for (name, _) in rpm::INDEXES {
        let kind = if BINARY.contains(&name) { "BLOB" } else { "TEXT" };
        sql.push_str(&format!(
            "CREATE TABLE IF NOT EXISTS '{name}' (key '{kind}' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL, \
             FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum));\n"
        ));
        if !BINARY.contains(&name) {
            sql.push_str(&format!("CREATE INDEX '{name}_key_idx' ON '{name}'(key ASC);\n"));
        }
        if BY_PACKAGE.contains(&name) {
            sql.push_str(&format!("CREATE INDEX '{name}_hnum_idx' ON '{name}'(hnum ASC);\n"));
        }
    }
    sql
}
