//! Every link of the documentation leads to a file, every measurement to its rows.

use super::violation::Violation;
use crate::tree::Tree;

/// The table of measurements, and where its rows come from.
const BENCHMARKS: &str = "docs/benchmarks.md";
const RESULTS: &str = "benches/results/";

/// Every relative link of a page leads to a file, and every result file that a measurement names exists.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let pages = tree.files().filter(|(path, _)| path.ends_with(".md"));
    pages.flat_map(|(path, text)| check_page(tree, path, text)).collect()
}

fn check_page(tree: &Tree, path: &str, text: &str) -> Vec<Violation> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut violations = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        in_code ^= line.trim_start().starts_with("```");
        let targets = if in_code { Vec::new() } else { targets(line) };
        for target in targets {
            let found = resolve(folder, target).is_some_and(|file| tree.has(&file));
            if !found {
                violations.push(Violation::new(path, index + 1, format!("the link to {target} leads nowhere")));
            }
        }
        if path == BENCHMARKS {
            let absent = results(line).filter(|file| !tree.has(file));
            violations.extend(absent.map(|file| Violation::new(path, index + 1, format!("there is no {file}"))));
        }
    }
    if path == BENCHMARKS && !text.lines().any(|line| results(line).next().is_some()) {
        violations.push(Violation::new(
            path,
            1,
            format!("it names no file of {RESULTS}: every measurement needs its rows"),
        ));
    }
    violations
}

/// Paths that a line links to: `[text](path)`, `[name]: path`, `src="path"`, `href="path"`; web addresses are left out.
fn targets(line: &str) -> Vec<&str> {
    let inline = after_each(line, "](").map(|rest| until(rest, &[')', ' ']));
    let attributes = ["src=\"", "href=\""].into_iter().flat_map(|name| after_each(line, name));
    let attributes = attributes.map(|rest| until(rest, &['"']));
    let definition = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "));
    let definition = definition.map(|(_, rest)| until(rest.trim_start(), &[' ']));
    let all = inline.chain(attributes).chain(definition);
    all.filter(|target| !target.contains("://") && !target.starts_with("mailto:") && !target.starts_with('#')).collect()
}

fn after_each<'a>(line: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(mark).map(move |(at, _)| &line[at + mark.len()..])
}

fn until<'a>(rest: &'a str, ends: &[char]) -> &'a str {
    &rest[..rest.find(ends).unwrap_or(rest.len())]
}

/// The path from the root; `None` for a path out of the tree.
fn resolve(folder: &str, target: &str) -> Option<String> {
    let path = until(target, &['#', '?']);
    if path.is_empty() || path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The result files that a line names, as paths from the root.
fn results(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices(RESULTS)
        .map(|(at, _)| until(&line[at..], &[' ', ')', '`', ']', '"', '<', '>', ',', ';', '#', '|']))
        .filter(|file| file.ends_with(".jsonl"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::violation::found;

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let files = [("docs/math.md", ""), ("docs/plots/a.svg", "")];
        for (line, broken) in [
            ("see [the maths](math.md#section)", false),
            ("see [the maths](maths.md)", true),
            ("![plot](plots/a.svg \"title\") and [up](../README.md)", false),
            ("<img src=\"plots/b.svg\">", true),
            ("[one](math.md) [two](none.md)", true),
            ("[name]: none.md", true),
            ("[web](https://example.org/none.md) [here](#below)", false),
            ("[absolute](/docs/math.md)", true),
            ("[out](../../x)", true),
            ("[folder](plots/)", false),
        ] {
            let mut files = files.to_vec();
            files.extend([("README.md", ""), ("docs/page.md", line)]);
            let expected: &[&str] = if broken { &["docs/page.md:1"] } else { &[] };
            assert_eq!(found(check, &files), expected, "{line}");
        }
    }

    #[test]
    fn code_is_not_read_for_links() {
        let page = "```rust\nx[0](none)\n```\n[a](none)";
        assert_eq!(found(check, &[("README.md", page)]), ["README.md:4"]);
        assert_eq!(found(check, &[("crates/a/README.md", page)]), ["crates/a/README.md:4"]);
    }

    #[test]
    fn measurements_without_rows_are_found() {
        let rows = ("benches/results/a.jsonl", "{}");
        let named = (BENCHMARKS, "| 1.2 s | `benches/results/a.jsonl` |\n| 1.3 s | benches/results/b.jsonl, |");
        assert_eq!(found(check, &[rows, named]), [format!("{BENCHMARKS}:2")]);
        let linked = (BENCHMARKS, "[rows](../benches/results/a.jsonl)");
        assert!(found(check, &[rows, linked]).is_empty());
        assert_eq!(found(check, &[rows, (BENCHMARKS, "it takes 1.2 s")]), [format!("{BENCHMARKS}:1")]);
    }
}
