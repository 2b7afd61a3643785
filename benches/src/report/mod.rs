//! Figures 1, 3 and 4 and the tables of Feng et al., from rows alone, of any device.

mod bars;
mod curves;
mod group;
mod page;
mod picture;
mod table;
mod wrap;

pub use group::Spread;

use crate::row;
use anyhow::{Context, Result, ensure};
use group::Field;
use std::fs;
use std::path::PathBuf;

/// What to draw, and from what.
#[derive(clap::Args)]
pub struct Args {
    /// Rows, as `comparison` writes them; of several problems in one file, that of the last row is drawn.
    #[arg(long, default_value = "benches/results/comparison.jsonl")]
    from: PathBuf,
    /// Folder for pictures (SVG, PNG).
    #[arg(long, value_name = "DIR", default_value = "docs/figures")]
    out: PathBuf,
    /// Put the tables into this page, between its two marks; a page that is not there is begun.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// These alone [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Item>,
}

/// A part of the report. Figure 2 is the condition sweep's.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Item {
    /// Losses and accuracies against iterations and seconds.
    Figure1,
    /// Where the time goes.
    Figure3,
    /// Objective against seconds, with the certified bound.
    Figure4,
    /// Seconds to 97 % training accuracy, and to the objective.
    Table1,
}

/// Figures 3 and 4 alone, from rows in `from` into the folder `out`.
pub fn breakdown_and_objective(from: PathBuf, out: PathBuf) -> Result<()> {
    run(&Args { from, out, page: None, only: vec![Item::Figure3, Item::Figure4] })
}

/// Reads, draws, writes.
pub fn run(args: &Args) -> Result<()> {
    let field = Field::new(row::read(&args.from)?);
    ensure!(!field.rows.is_empty(), "{}: no rows", args.from.display());
    fs::create_dir_all(&args.out).with_context(|| format!("{}: cannot be made", args.out.display()))?;
    let wanted = |item| args.only.is_empty() || args.only.contains(&item);
    let mut pictures = Vec::new();
    if wanted(Item::Figure1) {
        pictures.extend(curves::progress(&field, &args.out)?);
    }
    if wanted(Item::Figure3) {
        pictures.extend(bars::draw(&field, &args.out)?);
    }
    if wanted(Item::Figure4) {
        pictures.extend(curves::objective(&field, &args.out)?);
    }
    for picture in &pictures {
        println!("{}", args.out.join(&picture.name).display());
    }
    if wanted(Item::Table1) {
        let tables = table::tables(&field);
        match &args.page {
            None => println!("{tables}"),
            Some(path) => page::write(path, &tables, &pictures, &args.out, &args.from)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Goal, append, example};

    #[test]
    fn every_picture_is_drawn_from_rows_alone_and_the_page_shows_it() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let from = folder.path().join("rows.jsonl");
        for (contender, seconds) in [("cholesky", 1.0), ("cg", 3.0), ("Adam 0.001", 2.0)] {
            for (goal, seed) in [(Goal::Accuracy, 0), (Goal::Accuracy, 1), (Goal::Objective, 0)] {
                append(&from, &example(contender, goal, seed, seconds + seed as f64))?;
            }
        }
        let (out, page) = (folder.path().join("figures"), folder.path().join("page.md"));
        run(&Args { from, out: out.clone(), page: Some(page.clone()), only: Vec::new() })?;
        let text = fs::read_to_string(page)?;
        for name in ["figure-1-accuracy", "figure-1-objective", "figure-3", "figure-4"] {
            assert!(text.contains(&format!("](figures/{name}.png)")), "{text}");
            assert!(out.join(format!("{name}.png")).exists() && out.join(format!("{name}.svg")).exists());
        }
        assert!(text.contains("[Rows](rows.jsonl)"));
        Ok(())
    }
}
