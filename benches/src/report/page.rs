//! The generated part of a page.

use super::picture::Picture;
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf, absolute};

/// The marks that the generated part stands between.
const BEGIN: &str = "<!-- comparison: begin -->";
const END: &str = "<!-- comparison: end -->";

/// Puts tables and pictures between the marks of the page, and the rest back as it was.
pub fn write(page: &Path, tables: &str, pictures: &[Picture], folder: &Path, rows: &Path) -> Result<()> {
    let old = match fs::read_to_string(page) {
        Err(error) if error.kind() == ErrorKind::NotFound => format!("# Report\n\n{BEGIN}\n{END}\n"),
        text => text.with_context(|| format!("{}: cannot be read", page.display()))?,
    };
    let home = page.parent().unwrap_or(Path::new(""));
    let mut part = format!("{tables}\n[Rows]({}), one a run.\n", relative(home, rows)?);
    for Picture { name, caption } in pictures {
        write!(part, "\n![{caption}]({})\n\n{caption}.\n", relative(home, &folder.join(name))?)?;
    }
    let new = replaced(&old, &part).with_context(|| format!("{}: no {BEGIN} with {END} after it", page.display()))?;
    fs::write(page, new).with_context(|| format!("{}: cannot be written", page.display()))
}

/// `text` with `part` between the marks; `None` without marks.
fn replaced(text: &str, part: &str) -> Option<String> {
    let (head, rest) = text.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}\n{part}{END}{tail}"))
}

/// The way from the folder `home` to `target`, as links have it.
fn relative(home: &Path, target: &Path) -> Result<String> {
    let (home, target) = (normal(home)?, normal(target)?);
    let shared = home.components().zip(target.components()).take_while(|(a, b)| a == b).count();
    let up = home.components().skip(shared).map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(target.components().skip(shared)).collect();
    let parts: Vec<_> = way.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    Ok(parts.join("/"))
}

/// From the root, without `.` and `..`.
fn normal(path: &Path) -> Result<PathBuf> {
    let mut out = PathBuf::new();
    for part in absolute(Path::new(".").join(path))?.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(out.pop()),
            part => out.push(part),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_outside_the_marks_stays() {
        let page = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        assert_eq!(replaced(&page, "new\n"), Some(format!("a\n{BEGIN}\nnew\n{END}\nb\n")));
        assert_eq!(replaced("a", "new"), None);
        assert_eq!(replaced(&format!("{END}{BEGIN}"), "new"), None);
    }

    #[test]
    fn links_lead_from_the_page() -> Result<()> {
        let way = |home: &str, target: &str| relative(Path::new(home), Path::new(target));
        assert_eq!(way("docs", "docs/figures/a.png")?, "figures/a.png");
        assert_eq!(way("docs", "benches/../benches/a.jsonl")?, "../benches/a.jsonl");
        assert_eq!(way("", "./a.png")?, "a.png");
        Ok(())
    }
}
