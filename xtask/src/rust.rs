//! As much of Rust's grammar as the rules need: code apart from comments and literals, and its tokens.

use std::ops::Range;

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

/// What a part of a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Code,
    /// A comment with its `//` or `/*`.
    Comment,
    /// A string or character literal with its quotes.
    Literal,
}

/// A part of a source that is of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    pub kind: Kind,
    /// First line, from 1.
    pub line: usize,
    pub text: &'a str,
}

/// The parts of `source` in their order; together they are the whole source.
pub fn parts(source: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut from, mut at, mut line) = (0, 0, 1);
    let mut add = |kind, range: Range<usize>| {
        let text = &source[range];
        if !text.is_empty() {
            parts.push(Part { kind, line, text });
            line += text.matches('\n').count();
        }
    };
    while let Some(next) = source[at..].chars().next() {
        let Some((kind, length)) = opaque(&source[at..], source[..at].chars().next_back()) else {
            at += next.len_utf8();
            continue;
        };
        add(Kind::Code, from..at);
        add(kind, at..at + length);
        at += length;
        from = at;
    }
    add(Kind::Code, from..source.len());
    parts
}

/// `source` with blanks in place of comments and literals; every line keeps its place.
pub fn code(source: &str) -> String {
    let blank = |c| if c == '\n' { '\n' } else { ' ' };
    let text = |part: Part| match part.kind {
        Kind::Code => part.text.to_string(),
        Kind::Comment | Kind::Literal => part.text.chars().map(blank).collect(),
    };
    parts(source).into_iter().map(text).collect()
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

/// Kind and bytes of the comment or literal that `rest` begins with.
fn opaque(rest: &str, previous: Option<char>) -> Option<(Kind, usize)> {
    if rest.starts_with("//") {
        return Some((Kind::Comment, rest.find('\n').unwrap_or(rest.len())));
    }
    if rest.starts_with("/*") {
        return Some((Kind::Comment, block_comment(rest)));
    }
    let length = match rest.chars().next()? {
        '"' => Some(quoted(rest, '"')),
        '\'' => character(rest),
        _ if previous.is_some_and(is_word) => None,
        _ => raw_string(rest),
    };
    length.map(|length| (Kind::Literal, length))
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
fn raw_string(rest: &str) -> Option<usize> {
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
    fn comments_and_literals_are_no_code() {
        let source = "a // b\n/* c /* d */ e */ f \"g \\\" h\" r#\"i \" j\"# br\"k\" 'l' '\\'' '\"' m";
        assert_eq!(words(source), ["a", "f", "m"]);
        assert_eq!(code(source).lines().count(), source.lines().count());
        assert_eq!(words("unclosed /* a"), ["unclosed"]);
        assert_eq!(words("unclosed \"a"), ["unclosed"]);
    }

    #[test]
    fn parts_know_their_kind_and_their_line() {
        let source = "a\n/* b\n */ \"c\nd\" // é\n'e' f";
        let parts = parts(source);
        let expected = [
            (Kind::Code, 1, "a\n"),
            (Kind::Comment, 2, "/* b\n */"),
            (Kind::Literal, 3, "\"c\nd\""),
            (Kind::Comment, 4, "// é"),
            (Kind::Literal, 5, "'e'"),
            (Kind::Code, 5, " f"),
        ];
        let short = parts.iter().filter(|part| !part.text.trim().is_empty());
        assert_eq!(short.map(|part| (part.kind, part.line, part.text)).collect::<Vec<_>>(), expected);
        assert_eq!(parts.iter().map(|part| part.text).collect::<String>(), source);
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
