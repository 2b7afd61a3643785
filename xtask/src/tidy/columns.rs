//! Prose has lines of at most 120 columns.

use super::violation::Violation;
use crate::rust::{Kind, parts};
use crate::tree::Tree;

/// Columns of the longest line of prose; rustfmt.toml has the same for code.
const LONGEST: usize = 120;

/// Pages in the root folder; those of `docs` and the crates' own are checked too.
const PAGES: [&str; 3] = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// No longer line in a page or in a comment, but for what cannot be broken: tables, code, formulae, lone links.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let pages = tree.files().filter(|(path, _)| is_page(path)).map(|(path, text)| (path, page(text)));
    let sources = tree.rust().map(|(path, text)| (path, comments(text)));
    let violations = |(path, lines)| {
        let what = |columns| format!("{columns} columns of prose, at most {LONGEST}: break the line");
        long_lines(lines).into_iter().map(move |(line, columns)| Violation::new(path, line, what(columns)))
    };
    pages.chain(sources).flat_map(violations).collect()
}

/// A line with its number, and the Markdown in it.
type Line<'a> = (usize, &'a str, &'a str);

fn is_page(path: &str) -> bool {
    let own = |path: &str| path.split('/').count() == 3 && path.ends_with("/README.md");
    let docs = |path: &str| !path.contains('/') && path.ends_with(".md");
    PAGES.contains(&path) || path.strip_prefix("docs/").is_some_and(docs) || path.starts_with("crates/") && own(path)
}

/// Number and columns of the lines that are too long.
fn long_lines(lines: Vec<Line>) -> Vec<(usize, usize)> {
    let (mut in_code, mut in_formula, mut last) = (false, false, 0);
    let mut long = Vec::new();
    for (number, line, markdown) in lines {
        let markdown = markdown.trim();
        // A fence or a formula does not go on beyond the comment that it was opened in.
        if number != last + 1 {
            (in_code, in_formula) = (false, false);
        }
        last = number;
        let fence = markdown.starts_with("```");
        let (opens, closes) = (markdown.starts_with("$$"), markdown.len() > 2 && markdown.ends_with("$$"));
        let formula = in_formula || opens || closes;
        in_code ^= fence;
        in_formula ^= !in_code && opens != closes;
        let columns = line.chars().count();
        let free = in_code || fence || formula || markdown.starts_with('|') || is_lone_link(markdown);
        if columns > LONGEST && !free {
            long.push((number, columns));
        }
    }
    long
}

/// A link, an image or an address, alone or as an entry of a list.
fn is_lone_link(markdown: &str) -> bool {
    let text = markdown.trim_start_matches(['*', '-', ' ', '!', '<']);
    let address = text.starts_with("http") && !text.contains(' ');
    let link = text.starts_with('[') && text.ends_with(')') && text.matches("](").count() == 1;
    let definition = text.starts_with('[') && text.contains("]: ");
    let image = text.starts_with("img ") || text.starts_with("a href=");
    address || link || definition || image
}

fn page(text: &str) -> Vec<Line<'_>> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line, line)).collect()
}

/// Every line that ends in a comment.
fn comments(source: &str) -> Vec<Line<'_>> {
    let lines: Vec<&str> = source.lines().collect();
    let mut comments = Vec::new();
    for part in parts(source).iter().filter(|part| part.kind == Kind::Comment) {
        for (offset, text) in part.text.lines().enumerate() {
            let number = part.line + offset;
            let text = text.trim_start().trim_start_matches(['/', '!', '*']);
            comments.push((number, lines[number - 1], text));
        }
    }
    comments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::violation::found;

    fn long(start: &str) -> String {
        format!("{start}{}", " word".repeat(30))
    }

    #[test]
    fn long_prose_is_found_on_every_page() {
        let text = format!("short\n{}\n{}", long("*"), "é".repeat(120));
        for page in ["README.md", "docs/math.md", "crates/a/README.md"] {
            assert_eq!(found(check, &[(page, &text)]), [format!("{page}:2")]);
        }
        assert!(found(check, &[("docs/deep/a.md", &text), ("fuzz/corpus/a/README.md", &text)]).is_empty());
    }

    #[test]
    fn what_cannot_be_broken_may_be_long() {
        let address = format!("https://example.org/{}", "x".repeat(120));
        for text in [
            long("|"),
            format!("```sh\n{}\n```", long("cvx")),
            format!("$$\n{}\n$$", long("x")),
            format!("$$ {} $$", long("x")),
            format!("* [name]({address})"),
            format!("[name]: {address}"),
            format!("<{address}>"),
            format!("<img src=\"{address}\" alt=\"a picture\">"),
        ] {
            assert!(found(check, &[("README.md", &text)]).is_empty(), "{text}");
            let after = format!("{text}\n{}", long("x"));
            assert_eq!(found(check, &[("README.md", &after)]).len(), 1, "{after}");
        }
        for text in [format!("{} [name](a.md)", long("see")), long("The marks `$$` and")] {
            assert_eq!(found(check, &[("README.md", &text)]).len(), 1, "{text}");
        }
    }

    #[test]
    fn comments_are_read_and_code_is_not() {
        let code = format!(
            "{}\nlet a = \"{}\";\nlet b = 1; {}\n/*\n {}\n*/\n{}\n/// ```\n{}\n{}",
            long("//!"),
            long("text"),
            long("//"),
            long(""),
            long("/// |"),
            long("/// let x"),
            long("fn f"),
        );
        let lines = ["a.rs:1", "a.rs:3", "a.rs:5"];
        assert_eq!(found(check, &[("a.rs", &code)]), lines);
        let closed = format!("/// ```\n/// code\nfn f() {{}}\n{}", long("///"));
        assert_eq!(found(check, &[("a.rs", &closed)]), ["a.rs:4"]);
    }
}
