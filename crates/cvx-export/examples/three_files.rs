//! Trains a small network, writes it in each format and prints the metadata of the exports.
//!
//! `cargo run --release -p cvx-export --example three_files -- FOLDER`

use cvx_admm::{Settings, train};
use cvx_data::{Request, open};
use cvx_export::{Float, Format, metadata, save};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = open("planted:200x5", &Request::default())?;
    let model = train(&data.train, None, &Settings::default())?.model;
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_string());
    for format in Format::ALL {
        let path = Path::new(&folder).join("model").with_extension(format.name());
        save(&model, format, Float::F32, &path)?;
        println!("{}: {} bytes", path.display(), path.metadata()?.len());
    }
    println!("{}", metadata(&model));
    Ok(())
}
