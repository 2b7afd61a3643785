//! The kinds of gates against each other: for each, the network that a path chooses on held-out samples.

use crate::held_out::{Chooser, ChosenPath, Common, print};
use anyhow::Result;
use cvx_model::{Activation, FeatureKind, GateKind};
use std::path::PathBuf;

/// Which gates, and for what.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// Kinds of gates [default: all that fit the data].
    #[arg(long, value_name = "KIND,..", value_delimiter = ',', value_parser = kind)]
    kinds: Vec<GateKind>,
    /// Kinds of neurons.
    #[arg(long, value_name = "relu|gated,..", value_delimiter = ',', value_parser = activation, default_value = "relu,gated")]
    activations: Vec<Activation>,
    /// Numbers of patterns.
    #[arg(long, value_delimiter = ',', default_value = "50,500")]
    patterns: Vec<usize>,
    /// Number of betas of a path.
    #[arg(long, default_value_t = 15)]
    betas: usize,
    /// Append a JSON line for each path.
    #[arg(long, default_value = "benches/results/gates.jsonl")]
    json: PathBuf,
}

impl Args {
    /// Those that are asked for, or all that can be had, of data of this kind.
    fn kinds(&self, features: FeatureKind) -> Vec<GateKind> {
        let fits = |kind: &GateKind| *kind != GateKind::Local || features != FeatureKind::Table;
        if self.kinds.is_empty() { GateKind::ALL.into_iter().filter(fits).collect() } else { self.kinds.clone() }
    }
}

/// Runs all, prints and records each.
pub fn run(args: &Args) -> Result<()> {
    let ground = args.common.open()?;
    let mut choosers: Vec<Box<dyn Chooser>> = Vec::new();
    for &activation in &args.activations {
        for &patterns in &args.patterns {
            for kind in args.kinds(ground.split.train.kind()) {
                choosers.push(Box::new(ChosenPath { activation, gates: Some(kind), patterns, betas: args.betas }));
            }
        }
    }
    print(&ground.run("gates", &choosers, &args.json)?);
    Ok(())
}

fn kind(name: &str) -> Result<GateKind, String> {
    by_name(name, GateKind::ALL, GateKind::name)
}

pub fn activation(name: &str) -> Result<Activation, String> {
    by_name(name, [Activation::Relu, Activation::Gated], Activation::name)
}

fn by_name<T: Copy, const N: usize>(name: &str, all: [T; N], name_of: fn(T) -> &'static str) -> Result<T, String> {
    let found = all.into_iter().find(|&one| name_of(one) == name);
    found.ok_or_else(|| format!("none of {}", all.map(name_of).join(", ")))
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

    fn parsed(arguments: &str) -> Result<Args, clap::Error> {
        Ok(Cli::try_parse_from(format!("gates {arguments}").split_whitespace())?.args)
    }

    #[test]
    fn every_kind_that_fits_a_table_has_a_row_for_every_activation_and_number() {
        let folder = tempfile::tempdir().unwrap();
        let json = folder.path().join("rows.jsonl");
        let arguments = "--data planted:200x5 --seeds 0 --patterns 5,15 --betas 4 --threads 1 --f64 --json";
        run(&parsed(&format!("{arguments} {}", json.display())).unwrap()).unwrap();
        let text = std::fs::read_to_string(json).unwrap();
        let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let names: Vec<&str> = rows.iter().map(|row| row["contender"].as_str().unwrap()).collect();
        let expected = ["relu", "gated"].into_iter().flat_map(|activation| {
            [5, 15].into_iter().flat_map(move |patterns| {
                ["gaussian", "whitened", "pairs", "mixed"].map(|kind| format!("{activation} {kind} {patterns}"))
            })
        });
        assert_eq!(names, expected.collect::<Vec<_>>());
        for row in &rows {
            let number = |name: &str| row[name].as_f64().unwrap();
            assert_eq!(
                (&row["bench"], &row["status"], &row["verified"]),
                (&"gates".into(), &"Optimal".into(), &true.into())
            );
            assert_eq!(row["tried"].as_array().unwrap().len(), 4);
            assert!(row["chosen"]["held_out"]["standard_error"].as_f64() > Some(0.0));
            assert!(number("test_accuracy") > 0.5 && number("dual_bound") > 0.0);
        }
        // Other gates are another programme.
        assert_ne!(rows[0]["dual_bound"], rows[2]["dual_bound"]);
    }

    #[test]
    fn kinds_are_found_by_name_and_local_ones_need_images() {
        let args = parsed("--kinds local,pairs").unwrap();
        assert_eq!(args.kinds, [GateKind::Local, GateKind::Pairs]);
        let all = parsed("").unwrap();
        let image = FeatureKind::Image { channels: 1, height: 2, width: 2 };
        assert_eq!(all.kinds(image), GateKind::ALL);
        assert!(!all.kinds(FeatureKind::Table).contains(&GateKind::Local));
        assert!(parsed("--kinds square").err().unwrap().to_string().contains("gaussian, whitened, local, pairs"));
    }
}
