//! The files of a crate import each other in one direction.

use super::violation::Violation;
use crate::modules::{Import, imports};
use crate::tree::Tree;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Imports that may close a circle: importing file, imported file, and why the two are one noun.
const EXCEPTIONS: [(&str, &str, &str); 0] = [];

/// The files that begin a crate.
const ROOTS: [&str; 2] = ["/src/lib.rs", "/src/main.rs"];

/// No circle of imports between the files of a crate.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let roots = tree.rust().map(|(path, _)| path).filter(|path| ROOTS.iter().any(|root| path.ends_with(root)));
    let all: Vec<Import> = roots.flat_map(|root| imports(tree, root)).collect();
    let is = |import: &Import, (from, to, _): &(&str, &str, &str)| import.from == *from && import.to == *to;
    let unused = EXCEPTIONS.iter().filter(|exception| !all.iter().any(|import| is(import, exception)));
    let unused =
        unused.map(|(from, to, _)| Violation::new(from, 1, format!("no import of {to}: remove the exception")));
    let counted = all.iter().filter(|import| !EXCEPTIONS.iter().any(|exception| is(import, exception)));
    let graph = Graph::new(counted);
    unused.chain(graph.circles().iter().map(|files| graph.describe(files))).collect()
}

/// The first import of each file from each other file.
struct Graph<'a> {
    edges: BTreeMap<&'a str, BTreeMap<&'a str, &'a Import<'a>>>,
}

impl<'a> Graph<'a> {
    fn new(imports: impl Iterator<Item = &'a Import<'a>>) -> Self {
        let mut edges: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for import in imports {
            edges.entry(import.from).or_default().entry(import.to).or_insert(import);
        }
        Graph { edges }
    }

    fn imported(&self, file: &str) -> impl Iterator<Item = &'a Import<'a>> {
        self.edges.get(file).into_iter().flat_map(BTreeMap::values).copied()
    }

    /// Sets of files that all import each other, directly or by way of others.
    fn circles(&self) -> Vec<BTreeSet<&'a str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.edges.keys().map(|&file| (file, self.reached_from(file))).collect();
        let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|files| files.contains(to));
        let mut circles = Vec::new();
        for (file, files) in &reached {
            let circle: BTreeSet<&str> = files.iter().copied().filter(|other| reaches(other, file)).collect();
            // Each circle once: at its first file.
            if circle.first() == Some(file) {
                circles.push(circle);
            }
        }
        circles
    }

    fn reached_from(&self, file: &'a str) -> BTreeSet<&'a str> {
        let (mut reached, mut open) = (BTreeSet::new(), vec![file]);
        while let Some(file) = open.pop() {
            open.extend(self.imported(file).map(|import| import.to).filter(|to| reached.insert(*to)));
        }
        reached
    }

    /// The files of a circle, and the shortest way round in it.
    fn describe(&self, files: &BTreeSet<&'a str>) -> Violation {
        let ways = files.iter().filter_map(|file| self.way_round(file));
        let way = ways.min_by_key(Vec::len).unwrap_or_default();
        let (place, line) = way.first().map_or(("", 1), |import| (import.from, import.line));
        let steps: Vec<String> = way.iter().map(|import| format!("{} ({})", import.to, import.name)).collect();
        let others: Vec<&str> =
            files.iter().copied().filter(|file| way.iter().all(|import| import.from != *file)).collect();
        let mut what = format!("a circle of {} files: it imports {}", files.len(), steps.join(", which imports "));
        if !others.is_empty() {
            what += &format!("; with {} in other ways round", others.join(", "));
        }
        Violation::new(place, line, what)
    }

    /// The shortest way from a file back to itself.
    fn way_round(&self, start: &str) -> Option<Vec<&'a Import<'a>>> {
        let mut ways = VecDeque::from([Vec::new()]);
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop_front() {
            let file = way.last().map_or(start, |import: &&Import| import.to);
            for import in self.imported(file) {
                let longer = [&way[..], &[import]].concat();
                if import.to == start {
                    return Some(longer);
                }
                if seen.insert(import.to) {
                    ways.push_back(longer);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::violation::found;

    const ROOT: (&str, &str) = ("a/src/lib.rs", "mod b; mod c; mod d; pub use d::D;");

    #[test]
    fn a_circle_is_found_once_with_its_shortest_way() {
        let files = [
            ROOT,
            ("a/src/b.rs", "use crate::c::C;\npub struct B;"),
            ("a/src/c.rs", "\nuse crate::d::D; pub struct C;"),
            ("a/src/d.rs", "use crate::{b::B, c::C}; pub struct D;"),
        ];
        assert_eq!(found(check, &files), ["a/src/c.rs:2"]);
        let what = &check(&Tree::of(files))[0].what;
        let expected =
            "a circle of 3 files: it imports a/src/d.rs (D), which imports a/src/c.rs (C); with a/src/b.rs in";
        assert!(what.starts_with(expected), "{what}");
    }

    #[test]
    fn one_direction_is_no_circle() {
        let files = [
            ROOT,
            ("a/src/b.rs", "use crate::{c::C, d::D};"),
            ("a/src/c.rs", "use crate::D; pub struct C;\n#[cfg(test)]\nmod tests { use crate::b::B; }"),
            ("a/src/d.rs", "pub struct D;"),
        ];
        assert!(found(check, &files).is_empty());
    }

    #[test]
    fn a_parent_and_a_child_that_need_each_other_are_a_circle() {
        let root = ("a/src/lib.rs", "mod b;\nuse b::B;\npub struct A(B);");
        assert_eq!(found(check, &[root, ("a/src/b.rs", "use super::A; pub struct B;")]).len(), 1);
        assert!(found(check, &[root, ("a/src/b.rs", "pub struct B;")]).is_empty());
    }

    #[test]
    fn the_library_and_the_program_of_a_package_are_two_crates() {
        let library = ("a/src/lib.rs", "pub mod b;");
        let program = ("a/src/main.rs", "mod c; use a::b::B; fn main() { c::f(); }");
        let files = [library, program, ("a/src/b.rs", "pub struct B;"), ("a/src/c.rs", "pub fn f() {}")];
        assert!(found(check, &files).is_empty());
    }
}
