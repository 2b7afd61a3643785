//! Which network a user ends up with when held-out samples choose everything: convex paths beside a tuned Adam, and on
//! images what is usual for images, on one split.

use crate::held_out::{Chooser, ChosenPath, ChosenTriangle, Common, ConvAdam, Grid, PatchPath, print};
use anyhow::Result;
use cvx_admm::PathSettings;
use cvx_model::Activation;
use std::path::PathBuf;

/// Patterns of a path where none are asked for.
const GATED_PATTERNS: usize = 1000;
const RELU_PATTERNS: usize = 200;

/// Learning rates where none are asked for: a convolution has few weights, and a cycle of rates has a larger peak.
const RATES: [f64; 3] = [1e-4, 3e-4, 1e-3];
const CONVOLUTION_RATES: [f64; 3] = [1e-3, 3e-3, 1e-2];

/// Who chooses, and from what.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// Who takes part.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "gated,relu,adam")]
    contenders: Vec<Name>,
    /// Number of patterns of a path [default: 1000 for gated, 200 for relu, what the program takes for conv].
    #[arg(long)]
    patterns: Option<usize>,
    /// Number of betas of a path; conv has those that the program takes.
    #[arg(long, default_value_t = PathSettings::default().betas)]
    betas: usize,
    #[command(flatten)]
    grid: Grid,
    /// Filters of conv-adam.
    #[arg(long, default_value_t = 100)]
    filters: usize,
    /// Epochs of conv-adam.
    #[arg(long, default_value_t = 10)]
    conv_epochs: usize,
    /// Centres of triangle.
    #[arg(long, default_value_t = 400)]
    centres: usize,
    /// Append a JSON line for each contender and seed.
    #[arg(long, default_value = "benches/results/selection.jsonl")]
    json: PathBuf,
}

/// Contenders by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// Gated neurons, along a path.
    Gated,
    /// ReLU neurons, along a path.
    Relu,
    /// Adam, tuned over a grid.
    Adam,
    /// Gated neurons on patches of images, with the path and the gates that the program chooses by itself.
    Conv,
    /// A convolution with ReLU, means over regions and a linear layer, trained by Adam.
    ConvAdam,
    /// Distances of patches to centres (Coates & Ng 2011) with a linear classifier.
    Triangle,
}

impl Args {
    fn chooser(&self, name: Name) -> Box<dyn Chooser> {
        let path = |activation, patterns| {
            let patterns = self.patterns.unwrap_or(patterns);
            Box::new(ChosenPath { activation, gates: None, patterns, betas: self.betas })
        };
        match name {
            Name::Gated => path(Activation::Gated, GATED_PATTERNS),
            Name::Relu => path(Activation::Relu, RELU_PATTERNS),
            Name::Adam => Box::new(Grid { learning_rates: self.rates(RATES), ..self.grid.clone() }),
            Name::Conv => Box::new(PatchPath { patterns: self.patterns }),
            Name::ConvAdam => Box::new(ConvAdam {
                learning_rates: self.rates(CONVOLUTION_RATES),
                filters: self.filters,
                epochs: self.conv_epochs,
                batch: self.grid.batch,
                initialisation: self.grid.initialisation,
            }),
            Name::Triangle => Box::new(ChosenTriangle { centres: self.centres }),
        }
    }

    /// Those that are asked for.
    fn rates<const N: usize>(&self, default: [f64; N]) -> Vec<f64> {
        let asked = &self.grid.learning_rates;
        if asked.is_empty() { default.to_vec() } else { asked.clone() }
    }
}

/// Runs all, prints and records each.
pub fn run(args: &Args) -> Result<()> {
    let choosers: Vec<_> = args.contenders.iter().map(|&name| args.chooser(name)).collect();
    print(&args.common.open()?.run("selection", &choosers, &args.json)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use serde_json::Value;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn rows(arguments: &str) -> Vec<Value> {
        let folder = tempfile::tempdir().unwrap();
        let json = folder.path().join("rows.jsonl");
        let arguments = format!("selection --threads 1 --f64 {arguments} --json {}", json.display());
        run(&Cli::parse_from(arguments.split_whitespace()).args).unwrap();
        let text = std::fs::read_to_string(json).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn accuracy(value: &Value) -> f64 {
        value.as_f64().filter(|accuracy| (0.0..=1.0).contains(accuracy)).unwrap()
    }

    #[test]
    fn every_contender_chooses_from_what_it_is_given_and_trains_on_all_samples() {
        let rows = rows(
            "--data planted:300x6 --seeds 0,1 --patterns 20 --betas 6 --learning-rates 0.003,0.01 --adam-betas 0,2 \
             --width 20,40 --epochs 8",
        );
        let names: Vec<&Value> = rows.iter().map(|row| &row["contender"]).collect();
        assert_eq!(names, ["gated 20", "gated 20", "relu 20", "relu 20", "Adam", "Adam"]);
        for row in &rows {
            assert_eq!(
                (row["n_samples"].as_u64(), row["n_held_out"].as_u64(), row["n_test"].as_u64()),
                (Some(300), Some(60), Some(150))
            );
            assert_eq!(
                (&row["verified"], &row["error"], row["n_features"].as_u64()),
                (&true.into(), &Value::Null, Some(7))
            );
            assert_eq!(row["n_closing"], row["n_samples"]);
            assert!(accuracy(&row["test_accuracy"]) > 0.6 && row["host"]["revision"].is_string());
            let (chosen, tried) = (&row["chosen"], row["tried"].as_array().unwrap());
            assert!(tried.contains(chosen));
            assert!(accuracy(&chosen["held_out"]["accuracy"]) > 0.6);
            assert!(row["choosing_seconds"].as_f64() > Some(0.0) && row["closing_seconds"].as_f64() > Some(0.0));
        }
        for row in &rows[..4] {
            let tried = row["tried"].as_array().unwrap();
            assert_eq!((&row["status"], tried.len()), (&"Optimal".into(), 6));
            // A path chooses by the loss, Adam by the error.
            let loss = |one: &Value| one["held_out"]["loss"].as_f64().unwrap();
            assert_eq!(loss(&row["chosen"]), tried.iter().map(loss).fold(f64::INFINITY, f64::min));
            let (part, all) = (&row["chosen"], row["beta"].as_f64().unwrap());
            let fraction = part["fraction"].as_f64().unwrap();
            assert!((1e-3..1.0).contains(&fraction) && all > part["beta"].as_f64().unwrap());
        }
        for row in &rows[4..] {
            let tried = row["tried"].as_array().unwrap();
            assert_eq!((&row["status"], tried.len()), (&"EpochLimit".into(), 8));
            let best = tried.iter().map(|one| accuracy(&one["held_out"]["accuracy"])).fold(0.0, f64::max);
            assert_eq!(accuracy(&row["chosen"]["held_out"]["accuracy"]), best);
            let chosen = |name: &str| row["chosen"][name].as_f64().unwrap();
            assert!([3e-3, 0.01].contains(&chosen("learning_rate")) && [20.0, 40.0].contains(&chosen("width")));
            assert!([0.0, 2.0].contains(&chosen("beta")) && (1.0..=8.0).contains(&chosen("epochs")));
            assert_eq!(row["iterations"].as_f64(), Some(chosen("epochs")));
            assert_eq!(row["neurons"].as_f64(), Some(chosen("width")));
            // The weight decay beta / n is the same for 240 samples and for 300.
            assert!((row["beta"].as_f64().unwrap() - 1.25 * chosen("beta")).abs() < 1e-12);
            assert!(row["best_test_accuracy"].as_f64() >= row["test_accuracy"].as_f64());
        }
    }

    /// A folder of IDX files with grey textures of 16 x 16.
    fn images() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (part, n, seed) in [("train", 60u8, 1), ("t10k", 40, 2)] {
            let data = crate::image::textures::textures(n.into(), 1, 16, seed);
            let pixels: Vec<u8> = data.values().iter().map(|value| (255.0 * value) as u8).collect();
            let head = |axes: &[u8]| {
                let sizes = axes.iter().flat_map(|&size| [0, 0, 0, size]);
                [0, 0, 8, axes.len() as u8].into_iter().chain(sizes).collect::<Vec<u8>>()
            };
            let write =
                |name: &str, bytes| std::fs::write(folder.path().join(format!("{part}-{name}")), bytes).unwrap();
            write("images-idx3-ubyte", [head(&[n, 16, 16]), pixels].concat());
            write("labels-idx1-ubyte", [head(&[n]), (0..n).map(|sample| sample % 2).collect()].concat());
        }
        folder
    }

    #[test]
    fn those_for_images_see_textures_that_are_linear_in_no_pixels() {
        let folder = images();
        let rows = rows(&format!(
            "--data {} --seeds 0 --contenders conv,conv-adam,triangle --patterns 4 --filters 6 --conv-epochs 12 \
             --batch 16 --learning-rates 0.03 --centres 8",
            folder.path().display()
        ));
        let names: Vec<&Value> = rows.iter().map(|row| &row["contender"]).collect();
        assert_eq!(names, ["conv 4", "conv Adam", "triangle 8"]);
        for row in &rows {
            assert_eq!((&row["error"], &row["verified"]), (&Value::Null, &true.into()));
            assert_eq!((row["n_closing"].as_u64(), row["n_held_out"].as_u64()), (Some(60), Some(12)));
            assert!(row["tried"].as_array().unwrap().contains(&row["chosen"]));
            assert!(accuracy(&row["test_accuracy"]) > 0.9, "{row}");
            assert!(row["train_loss"].as_f64() > Some(0.0) && row["closing_seconds"].as_f64() > Some(0.0));
        }
        assert!(rows[0]["dual_bound"].as_f64() > Some(0.0) && rows[1]["objective"] == Value::Null);
        assert_eq!(rows[1]["chosen"]["learning_rate"].as_f64(), Some(0.03));
        assert_eq!(rows[2]["chosen"]["centres"].as_u64(), Some(8));
    }

    #[test]
    fn what_cannot_be_run_is_a_row() {
        let rows = rows(
            "--data planted:60x3 --seeds 0 --contenders adam,gated,conv,conv-adam,triangle --patterns 0 \
             --learning-rates=-1",
        );
        for (row, word) in rows.iter().zip(["learning rate", "patterns", "patterns", "images", "images"]) {
            assert_eq!(row["status"], "Failed");
            assert!(row["error"].as_str().unwrap().contains(word), "{}", row["error"]);
        }
        assert_eq!(rows.len(), 5);
    }
}
