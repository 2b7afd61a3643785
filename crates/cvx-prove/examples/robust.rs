//! Timing of proofs around the test samples of a source.
use cvx_data::{Request, open};
use cvx_prove::*;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let model = cvx_artifact::Model::load(Path::new(&arguments[1]))?;
    let data = open(&arguments[2], &Request::default())?;
    let data = data.test.unwrap_or(data.train);
    let radius: f64 = arguments[3].parse()?;
    let count: usize = arguments[4].parse()?;
    let classifier = Classifier::new(&model, Deployed::F64)?;
    let moves = vec![true; data.n_features()];
    let values = Some((0.0, arguments[5].parse()?));
    let near = Neighbourhood { norm: if arguments.len() > 6 { Norm::L2 } else { Norm::Linf }, radius, moves, values };
    let (mut counts, mut times, mut nodes, mut slow) = ([0; 3], Vec::new(), 0, Vec::new());
    println!("{} neurons", model.network.n_neurons());
    let y = model.task.encode(data.labels().unwrap())?;
    for a in 0..data.n_samples() {
        let row: Vec<f64> = (0..y.cols()).map(|c| y[(a, c)]).collect();
        let expected = model.task.class_of(&row);
        if model.task.class_of(&predict(&model, data.row(a))?) != expected {
            continue;
        }
        let start = Instant::now();
        let budget = Budget { time: Some(std::time::Duration::from_secs(10)), ..Budget::default() };
        let found = classifier.certify(data.row(a), expected, &near, radius, &budget)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        nodes += found.nodes;
        slow.push((found.nodes, a));
        counts[match found.outcome {
            Outcome::Proved => 0,
            Outcome::Refuted { .. } => 1,
            Outcome::Open { .. } => 2,
        }] += 1;
        if let Outcome::Open { bound, best } = found.outcome {
            println!("open {a}: {bound:e} {best:e} nodes {}", found.nodes);
        }
        if times.len() == count {
            break;
        }
    }
    times.sort_by(f64::total_cmp);
    slow.sort();
    println!(
        "proved {} refuted {} open {}; nodes {nodes}; median {:.2} ms, mean {:.2}, slowest {:.1}; {:?}",
        counts[0],
        counts[1],
        counts[2],
        times[times.len() / 2],
        times.iter().sum::<f64>() / times.len() as f64,
        times[times.len() - 1],
        &slow[slow.len().saturating_sub(3)..]
    );
    Ok(())
}
