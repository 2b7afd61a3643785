//! The folder of a report.

use crate::file::{check_writable, write_whole};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// The page.
const INDEX: &str = "index.html";

/// What comes before the list of a page's files.
const LIST: &str = "<meta name=\"cvx-files\" content=\"";

/// Checks that a report with files of these names can be written, and would replace only an earlier report.
pub fn check(folder: &Path, names: &[String]) -> Result<()> {
    checked(folder, names).with_context(|| format!("--report {}", folder.display()))
}

fn checked(folder: &Path, names: &[String]) -> Result<()> {
    if !folder.is_dir() {
        if folder.exists() {
            bail!("this is a file: name a folder");
        }
        if folder.is_symlink() {
            bail!("this link leads nowhere: remove it first");
        }
        // The folder that the new ones are to be made in.
        let above = folder.ancestors().skip(1).map(|path| if path == Path::new("") { Path::new(".") } else { path });
        let Some(above) = above.into_iter().find(|path| path.exists()) else { return Ok(()) };
        tempfile::tempfile_in(above).with_context(|| format!("no folder can be made in {}", above.display()))?;
        return Ok(());
    }
    let earlier = files_of(folder)?;
    let is_empty = fs::read_dir(folder)?.next().is_none();
    if earlier.is_none() && !is_empty {
        bail!(
            "this folder has files in it and no report of cvx: name a new or an empty folder, or that of an earlier \
             report"
        );
    }
    let earlier = earlier.unwrap_or_default();
    for name in names {
        let path = folder.join(name);
        if (path.exists() || path.is_symlink()) && !earlier.contains(name) {
            bail!("{name} is there, and is not of the earlier report: move it away, or name another folder");
        }
        check_writable("the file", &path)?;
    }
    check_writable("the file", &folder.join(INDEX))
}

/// The names of the pictures of the report in this folder; `None` if there is no report.
fn files_of(folder: &Path) -> Result<Option<Vec<String>>> {
    let path = folder.join(INDEX);
    if !path.is_file() {
        return Ok(None);
    }
    let page = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let page = String::from_utf8_lossy(&page);
    let list = page.split_once(LIST).and_then(|(_, rest)| Some(rest.split_once('"')?.0));
    Ok(list.map(|list| list.split_whitespace().map(str::to_string).collect()))
}

/// The line of the head that marks the page as a report with these files.
pub fn list(names: &[String]) -> String {
    format!("{LIST}{}\" />", names.join(" "))
}

/// Makes the folder if it does not exist, writes the page and its pictures, each whole or not at all, and removes the
/// other pictures of an earlier report. `known` are the names that a report can have: no other is ever removed.
pub fn write(folder: &Path, page: &str, pictures: &[(String, Vec<u8>)], known: &[String]) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    let earlier = files_of(folder)?.unwrap_or_default();
    // The page first: it marks the folder as a report's, and holds all pictures, even if writing their files fails.
    write_whole(&folder.join(INDEX), page.as_bytes())?;
    for (name, bytes) in pictures {
        write_whole(&folder.join(name), bytes)?;
    }
    for name in earlier.iter().filter(|name| known.contains(name)) {
        let path = folder.join(name);
        if pictures.iter().all(|(written, _)| written != name) && path.is_file() {
            fs::remove_file(&path).with_context(|| format!("{}: cannot be removed", path.display()))?;
        }
    }
    Ok(())
}
