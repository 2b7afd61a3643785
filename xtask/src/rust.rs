//! As much of Rust's grammar as the rules need: code without comments and texts, and its tokens.

/// Operators of two characters that a rule tells from their halves.
const PAIRS: [&str; 12] = ["::", "=>", "==", "!=", "<=", ">=", "->", "*=", "/=", "+=", "-=", "||"];

/// A word or an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// Line, from 1.
    pub line: usize,
    /// The characters.
    pub text: &'a str,
}

/// `source` with comments and the contents of texts turned to blanks; every line stays where it is.
pub fn code(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let opaque = opaque_length(rest, out.chars().next_back());
        let (head, tail) = rest.split_at(opaque.unwrap_or(next.len_utf8()));
        match opaque {
            Some(_) => out.extend(head.chars().map(|c| if c == '\n' { '\n' } else { ' ' })),
            None => out.push(next),
        }
        rest = tail;
    }
    out
}

/// The words and operators of `code`.
pub fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if PAIRS.iter().any(|pair| rest.starts_with(pair)) {
                2
            } else {
                first.len_utf8()
            };
            let (text, tail) = rest.split_at(length);
            tokens.push(Token { line: index + 1, text });
            rest = tail.trim_start();
        }
    }
    tokens
}

/// Whether `word` stands in `text` by itself, not as a part of a longer word.
pub fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Bytes of the comment, text or character that `rest` begins with.
fn opaque_length(rest: &str, previous: Option<char>) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    if rest.starts_with('"') {
        return Some(quoted(rest, '"'));
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    if previous.is_some_and(is_word) {
        return None;
    }
    raw_text(rest)
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        let tail = &rest[at..];
        match (tail.find("/*"), tail.find("*/")) {
            (Some(open), Some(close)) if open < close => (depth, at) = (depth + 1, at + open + 2),
            (_, Some(close)) => (depth, at) = (depth - 1, at + close + 2),
            (_, None) => return rest.len(),
        }
        if depth == 0 {
            return at;
        }
    }
}

/// Up to the closing quote that no backslash stands before.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// A character has its closing quote after one character or an escape; a lifetime has none.
fn character(rest: &str) -> Option<usize> {
    let mut inner = rest.chars().skip(1);
    let first = inner.next()?;
    (first == '\\' || inner.next() == Some('\'')).then(|| quoted(rest, '\''))
}

/// `r"..."`, `r#"..."#`, with `b` or `c` before them.
fn raw_text(rest: &str) -> Option<usize> {
    let open = rest.strip_prefix(['b', 'c']).unwrap_or(rest).strip_prefix('r')?;
    let body = open.trim_start_matches('#');
    let hashes = open.len() - body.len();
    let body = body.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close).map_or(body.len(), |at| at + close.len());
    Some(rest.len() - body.len() + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        tokens(&code(source)).iter().map(|token| token.text.to_string()).collect()
    }

    #[test]
    fn comments_and_texts_are_no_code() {
        let source = "a // b\n/* c /* d */ e */ f \"g \\\" h\" r#\"i \" j\"# br\"k\" 'l' '\\'' '\"' m";
        assert_eq!(words(source), ["a", "f", "m"]);
        assert_eq!(code(source).lines().count(), source.lines().count());
        assert_eq!(words("unclosed /* a"), ["unclosed"]);
        assert_eq!(words("unclosed \"a"), ["unclosed"]);
    }

    #[test]
    fn lifetimes_are_code() {
        assert_eq!(words("&'a T"), ["&", "'", "a", "T"]);
        assert_eq!(words("for r in bar"), ["for", "r", "in", "bar"]);
    }

    #[test]
    fn tokens_know_their_lines_and_their_pairs() {
        let tokens = tokens("a.rho *= 2;\n\nb => c");
        assert_eq!(tokens[3], Token { line: 1, text: "*=" });
        assert_eq!(tokens[7], Token { line: 3, text: "=>" });
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("use faer::Mat;", "faer"));
        assert!(!has_word("faer_ext, xfaer", "faer"));
    }
}
