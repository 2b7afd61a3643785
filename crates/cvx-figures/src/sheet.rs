//! Small images and sheets of them.

use crate::endings::ENDINGS;
use anyhow::{Error, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use kuva::backend::{png::PngBackend, svg::SvgBackend};
use kuva::render::render::{Primitive, Scene, TextAnchor};

/// Smallest height of an image on a sheet, in pixels. Smaller images are magnified by a whole number.
const SIDE: usize = 96;
/// Space around an image, and height of a line of text, in pixels.
const GAP: f64 = 12.0;
const LINE: f64 = 20.0;

/// An image, stored row by row from the top.
#[derive(Clone)]
pub struct Image {
    /// Number of pixels of a row.
    pub width: usize,
    /// Red, green, blue and opacity of each pixel.
    pub pixels: Vec<[u8; 4]>,
}

/// An image with a caption below it.
pub struct Tile {
    /// The image.
    pub image: Image,
    /// The caption, which may have several lines.
    pub caption: String,
}

impl Image {
    /// Number of rows.
    pub fn height(&self) -> usize {
        self.pixels.len() / self.width.max(1)
    }

    /// The image with another of its height on its right, and a transparent gap of `gap` pixels between them.
    pub fn beside(&self, other: &Image, gap: usize) -> Self {
        let row = |image: &Image, row: usize| image.pixels[row * image.width..(row + 1) * image.width].to_vec();
        let rows = (0..self.height().min(other.height())).flat_map(|y| {
            let space = vec![[0; 4]; gap];
            [row(self, y), space, row(other, y)].concat()
        });
        Image { width: self.width + gap + other.width, pixels: rows.collect() }
    }

    /// The image as a PNG file.
    ///
    /// # Errors
    /// No pixel, or an incomplete row.
    pub fn png(&self) -> Result<Vec<u8>> {
        ensure!(
            self.width * self.height() == self.pixels.len() && !self.pixels.is_empty(),
            "an image needs whole rows"
        );
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width.try_into()?, self.height().try_into()?);
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(self.pixels.as_flattened())?;
        Ok(file)
    }

    /// The PNG file as a data URL.
    ///
    /// # Errors
    /// Those of [`png`](Self::png).
    pub fn address(&self) -> Result<String> {
        Ok(format!("data:image/png;base64,{}", STANDARD.encode(self.png()?)))
    }

    /// Size of a pixel of the image on a sheet, in pixels.
    fn magnification(&self) -> usize {
        SIDE.div_ceil(self.height().max(1)).max(1)
    }
}

/// Draws the tiles in rows of `columns` under one title. Returns each of the [`ENDINGS`] with the content of its file.
///
/// # Errors
/// No tile, no column or an invalid image, and errors of the drawing library.
pub fn sheet(title: &str, tiles: &[Tile], columns: usize) -> Result<[(&'static str, Vec<u8>); 2]> {
    ensure!(!tiles.is_empty() && columns > 0, "a sheet needs a tile");
    let side = |length: fn(&Image) -> usize| {
        tiles.iter().map(|tile| length(&tile.image) * tile.image.magnification()).max().unwrap_or(0) as f64
    };
    // The caption of a narrow image is wider than the image.
    let (width, height) = (side(|image| image.width).max(1.3 * SIDE as f64), side(Image::height));
    let lines = tiles.iter().map(|tile| tile.caption.lines().count()).max().unwrap_or(0) as f64;
    let (cell_width, cell_height) = (width + GAP, height + LINE * lines + GAP);
    let columns = columns.min(tiles.len());
    let top = 3.0 * LINE;
    let rows = tiles.len().div_ceil(columns) as f64;
    let mut scene = Scene::new(columns as f64 * cell_width + GAP, top + rows * cell_height);
    scene.background_color = Some("white".to_string());
    scene.text_color = Some("black".to_string());
    scene.font_family = Some("sans-serif".to_string());
    let text = |x: f64, y: f64, content: &str, size: u32| Primitive::Text {
        x,
        y,
        content: content.to_string(),
        size,
        anchor: TextAnchor::Middle,
        rotate: None,
        bold: false,
        color: None,
    };
    scene.elements.push(text(scene.width / 2.0, 1.6 * LINE, title, 20));
    let mut images = String::new();
    let mut pixels = Vec::new();
    for (index, Tile { image, caption }) in tiles.iter().enumerate() {
        let scale = image.magnification() as f64;
        let (image_width, image_height) = (scale * image.width as f64, scale * image.height() as f64);
        let (column, row) = ((index % columns) as f64, (index / columns) as f64);
        let middle = GAP + column * cell_width + width / 2.0;
        let (x, y) = ((middle - image_width / 2.0).round(), (top + row * cell_height).round());
        for (line, content) in caption.lines().enumerate() {
            scene.elements.push(text(middle, y + height + LINE * (line as f64 + 0.8), content, 14));
        }
        images.push_str(&format!(r#"<image x="{x}" y="{y}" width="{image_width}" height="{image_height}" "#));
        images.push_str(&format!(r#"style="image-rendering:pixelated" href="{}" />"#, image.address()?));
        pixels.push(image.pixels_at(x, y, scale));
    }
    let mut svg = SvgBackend::new().render_scene(&scene);
    ensure!(svg.ends_with("</svg>"), "the drawing library has changed how it ends an SVG");
    svg.insert_str(svg.len() - "</svg>".len(), &images);
    scene.elements.extend(pixels);
    let png = PngBackend::new().with_scale(1.0).render_scene(&scene).map_err(Error::msg)?;
    Ok([(ENDINGS[0], svg.into_bytes()), (ENDINGS[1], png)])
}

impl Image {
    /// Squares of side `scale`, from (x, y) on, for the pixels that are not transparent.
    fn pixels_at(&self, x: f64, y: f64, scale: f64) -> Primitive {
        let shown: Vec<usize> = (0..self.pixels.len()).filter(|&index| self.pixels[index][3] > 0).collect();
        let place = |index: usize| scale * index as f64;
        Primitive::RectBatch {
            x: shown.iter().map(|index| x + place(index % self.width)).collect(),
            y: shown.iter().map(|index| y + place(index / self.width)).collect(),
            w: vec![scale; shown.len()],
            h: vec![scale; shown.len()],
            fills: shown
                .iter()
                .map(|&index| {
                    let [red, green, blue, _] = self.pixels[index];
                    format!("#{red:02x}{green:02x}{blue:02x}").into()
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: [u8; 4] = [255, 0, 0, 255];
    const BLUE: [u8; 4] = [0, 0, 255, 255];

    fn decoded(png: &[u8]) -> (usize, Vec<[u8; 4]>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let channels = info.color_type.samples();
        let pixel = |chunk: &[u8]| [chunk[0], chunk[1], chunk[2], if channels == 4 { chunk[3] } else { 255 }];
        (info.width as usize, pixels.chunks(channels).map(pixel).collect())
    }

    #[test]
    fn an_image_is_the_same_from_its_file_and_beside_another() {
        let image = Image { width: 2, pixels: vec![RED, BLUE, BLUE, BLUE] };
        assert_eq!(decoded(&image.png().unwrap()), (2, image.pixels.clone()));
        assert!(image.address().unwrap().starts_with("data:image/png;base64,iVBORw0KGgo"));
        let pair = image.beside(&image, 1);
        assert_eq!((pair.width, pair.height()), (5, 2));
        assert_eq!(pair.pixels[..5], [RED, BLUE, [0; 4], RED, BLUE]);
        assert!(Image { width: 3, pixels: vec![RED; 4] }.png().is_err());
    }

    #[test]
    fn a_sheet_shows_every_tile_in_both_files() {
        let tile = |colour, caption: &str| Tile {
            image: Image { width: 8, pixels: vec![colour; 64] },
            caption: caption.to_string(),
        };
        let [svg, png] = sheet("a title", &[tile(RED, "one <&"), tile(BLUE, "two\n2 %")], 5).unwrap();
        let svg = String::from_utf8(svg.1).unwrap();
        for text in ["a title", "one &lt;&amp;", "two", "2 %"] {
            assert!(svg.contains(&format!(">{text}</text>")), "{text}");
        }
        assert_eq!(svg.matches("<image ").count(), 2);
        let (_, pixels) = decoded(&png.1);
        for colour in [RED, BLUE] {
            assert_eq!(pixels.iter().filter(|&&pixel| pixel == colour).count(), 96 * 96, "{colour:?}");
        }
        assert!(sheet("none", &[], 5).is_err());
    }
}
