//! Lines of generated prose.

/// Columns of the longest line.
const LONGEST: usize = 120;

/// The words of `text` on lines of at most [`LONGEST`] columns, each line ended; `indent` begins all but the first. A
/// longer word has a line of its own.
pub fn wrap(text: &str, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LONGEST => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("{indent}{word}")),
            None => lines.push(word.to_string()),
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_long_as_they_may_be() {
        let words = ["word"; 30].join(" ");
        let text = wrap(&words, "  ");
        let lines: Vec<&str> = text.lines().collect();
        // 24 words of 4 columns with 23 spaces between them, then the rest.
        assert_eq!(lines, [["word"; 24].join(" "), format!("  {}", ["word"; 6].join(" "))]);
        assert_eq!((lines[0].len(), wrap("short", "  ").as_str()), (119, "short\n"));
        assert_eq!(wrap(&format!("a {}", "b".repeat(130)), ""), format!("a\n{}\n", "b".repeat(130)));
    }
}
