//! A picture on the page and in files of its own.

use super::html::escape;
use anyhow::Result;
use cvx_figures::{ENDINGS, Panel, Tile, inline, render};

/// A picture on the page and in files of its own.
pub struct Picture {
    /// The name of the files, without ending.
    pub name: &'static str,
    /// The text below.
    pub caption: String,
    /// What the page shows, as HTML.
    pub body: String,
    /// Ending and content of each file.
    pub files: [(&'static str, Vec<u8>); 2],
}

impl Picture {
    /// Panels in rows of `columns`.
    pub fn of_panels(name: &'static str, caption: &str, panels: &[Panel], columns: usize) -> Result<Self> {
        let title = panels.first().map_or("", |panel| panel.title.as_str());
        // A file of one panel has the heading of the panel as its title.
        let files = render(if panels.len() == 1 { "" } else { title }, panels, columns)?;
        Ok(Picture { name, caption: caption.to_string(), body: inline(panels, columns)?, files })
    }

    /// The picture on the page, with links to its files.
    pub fn html(&self) -> String {
        let Picture { name, caption, body, .. } = self;
        let files = ENDINGS.map(|ending| format!("<a href=\"{name}{ending}\">{}</a>", ending[1..].to_uppercase()));
        format!(
            "<figure id=\"{name}\">\n{body}\n<figcaption>{} <span class=\"files\">{}</span></figcaption>\n</figure>\n",
            escape(caption),
            files.join(" ")
        )
    }
}

/// Images with their captions in a grid of this class, as HTML.
pub fn of_tiles(class: &str, tiles: &[Tile]) -> Result<String> {
    let mut body = String::new();
    for Tile { image, caption } in tiles {
        let lines: Vec<String> = caption.lines().map(escape).collect();
        let (address, label) = (image.address()?, lines.join(", "));
        body.push_str(&format!(
            "<figure><img src=\"{address}\" alt=\"{label}\" /><figcaption>{}</figcaption></figure>\n",
            lines.join("<br />")
        ));
    }
    Ok(format!("<div class=\"{class}\">\n{body}</div>\n"))
}
