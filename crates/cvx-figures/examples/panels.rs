//! Draws `panels.svg` and `panels.png`, a figure of two panels: a curve with error bars over a level, and stacked bars.
//!
//! The first argument is the folder of the files, the current one by default.

use cvx_figures::{Panel, Point, Scale, Series, write};

fn main() -> anyhow::Result<()> {
    let points = (0..8).map(|k| {
        let y = 0.9 - 0.4 * 0.6f64.powi(k);
        Point { x: 10f64.powf(-3.0 + 0.4 * f64::from(k)), y, error: Some((y - 0.02, y + 0.02)) }
    });
    let curve = Panel {
        title: "Accuracy".to_string(),
        x_label: "rate".to_string(),
        y_label: "share in the right class".to_string(),
        x_scale: Scale::Log,
        y_scale: Scale::Linear,
        bars: Vec::new(),
        series: vec![
            Series::Curve { label: "held out".to_string(), points: points.collect() },
            Series::Level { label: "majority".to_string(), y: 0.5 },
        ],
    };
    let part = |label: &str, lengths: [f64; 2]| Series::Part { label: label.to_string(), lengths: lengths.into() };
    let bars = Panel {
        title: "Where the time goes".to_string(),
        x_label: "seconds".to_string(),
        y_label: String::new(),
        x_scale: Scale::Linear,
        y_scale: Scale::Linear,
        bars: vec!["direct".to_string(), "iterative".to_string()],
        series: vec![part("set-up", [4.0, 1.5]), part("iterations", [1.0, 5.0])],
    };
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_string());
    write("What a figure is made of", &[curve, bars], 2, &std::path::Path::new(&folder).join("panels"))?;
    println!("panels.svg and panels.png are in {folder}");
    Ok(())
}
