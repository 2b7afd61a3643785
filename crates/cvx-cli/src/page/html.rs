//! Pieces of HTML that are also XML.

use std::fmt::Display;

/// Text as content of an element or an attribute.
pub fn escape(text: impl Display) -> String {
    let mut escaped = String::new();
    for character in text.to_string().chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML excludes these characters.
            control if control.is_control() && control != '\n' => escaped.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A section of the page.
pub fn section(title: &str, body: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{body}\n</section>\n", escape(title))
}

/// A paragraph.
pub fn paragraph(text: impl Display) -> String {
    format!("<p>{}</p>\n", escape(text))
}

/// A table of names and values.
pub fn facts<S: AsRef<str>>(rows: &[(S, String)]) -> String {
    let row = |(name, value): &(S, String)| {
        format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escape(name.as_ref()), escape(value))
    };
    format!("<table class=\"facts\">\n{}</table>\n", rows.iter().map(row).collect::<String>())
}

/// A table with a header, whose first column names the rows; `marked` is a row that stands out.
pub fn table(header: &[String], rows: &[Vec<String>], marked: Option<usize>) -> String {
    table_of("numbers", header, rows, marked)
}

/// A table of texts with a header, whose first column names the rows.
pub fn texts(header: &[String], rows: &[Vec<String>]) -> String {
    table_of("numbers texts", header, rows, None)
}

fn table_of(class: &str, header: &[String], rows: &[Vec<String>], marked: Option<usize>) -> String {
    let head: String = header.iter().map(|cell| format!("<th scope=\"col\">{}</th>", escape(cell))).collect();
    let row = |(index, row): (usize, &Vec<String>)| {
        let mark = if marked == Some(index) { " class=\"marked\"" } else { "" };
        let cells = row.iter().enumerate().map(|(column, cell)| match column {
            0 => format!("<th scope=\"row\">{}</th>", escape(cell)),
            _ => format!("<td>{}</td>", escape(cell)),
        });
        format!("<tr{mark}>{}</tr>\n", cells.collect::<String>())
    };
    let body: String = rows.iter().enumerate().map(row).collect();
    format!("<div class=\"wide\"><table class=\"{class}\">\n<tr>{head}</tr>\n{body}</table></div>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        assert_eq!(escape("<script a=\"1\" b='2'>&"), "&lt;script a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;");
        assert_eq!(escape("a\u{0}b\u{1b}c\nd"), "a\u{fffd}b\u{fffd}c\nd");
        let hostile = "</td><script>alert(1)</script>".to_string();
        let pieces = [
            facts(&[(&hostile, hostile.clone())]),
            table(std::slice::from_ref(&hostile), &[vec![hostile.clone(), hostile.clone()]], None),
            texts(std::slice::from_ref(&hostile), &[vec![hostile.clone(), hostile.clone()]]),
            section(&hostile, &paragraph(&hostile)),
        ];
        for piece in pieces {
            assert!(!piece.contains("<script"), "{piece}");
            assert!(roxmltree::Document::parse(&piece).is_ok(), "{piece}");
        }
    }
}
