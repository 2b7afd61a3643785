//! The program on the ranks of an MPI job: its results and its ends. `cargo xtask mpi` runs this under Open MPI.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cvx");

/// More than any of these jobs takes; a rank that waits for another takes for ever.
const PATIENCE: Duration = Duration::from_secs(120);

/// Eight shards, and uneven on three ranks.
const RUN: &str =
    "--data planted:4100x12 --patterns 10 --beta-fraction 0.05 --max-iterations 15 --gap 1e-12 --threads 1";

/// It ends only where it is told to. A network may lie below its bound, which is a gap of 0; the sampled programme does
/// not, and after thousands of iterations its gap is still above a tenth.
const ENDLESS: &str = "--data planted:4100x12 --patterns 10 --beta-fraction 0.001 --certify sampled --gap 1e-300 \
    --max-iterations 1000000000 --threads 1";

/// The program on this number of ranks; rank r writes the number of its process to `pid.r`.
fn job(folder: &Path, ranks: usize, arguments: &str) -> Command {
    let mut command = Command::new("mpirun");
    let script = format!("echo $$ > pid.$OMPI_COMM_WORLD_RANK; exec {PROGRAM} {arguments}");
    command.args(["--oversubscribe", "-np", &ranks.to_string(), "sh", "-c", &script]).current_dir(folder);
    command.envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits for its end, which must come.
fn ended(mut child: Child) -> Output {
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the ranks wait for each other");
        }
        sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

fn run(folder: &Path, ranks: usize, arguments: &str) -> Output {
    ended(job(folder, ranks, arguments).spawn().unwrap())
}

/// Runs it, which must succeed, and returns its report.
fn report(folder: &Path, ranks: usize, arguments: &str) -> Value {
    let output = run(folder, ranks, &format!("train {arguments} --json r.json"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&fs::read(folder.join("r.json")).unwrap()).unwrap()
}

/// Runs it, which must fail, and returns what it says.
fn refused(folder: &Path, ranks: usize, arguments: &str) -> String {
    let output = run(folder, ranks, arguments);
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

fn alone(folder: &Path, arguments: &str) -> Output {
    Command::new(PROGRAM).args(arguments.split_whitespace()).current_dir(folder).output().unwrap()
}

/// Sends a signal to the last of three ranks, some time after it has started.
fn signal(folder: &Path, signal: &str, after: impl Fn() -> bool) {
    let begin = Instant::now();
    while !after() {
        assert!(begin.elapsed() < PATIENCE, "it has not begun");
        sleep(Duration::from_millis(50));
    }
    let process = fs::read_to_string(folder.join("pid.2")).unwrap();
    assert!(Command::new("kill").args([signal, process.trim()]).status().unwrap().success());
}

#[test]
fn the_same_model_for_every_number_of_ranks() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    for options in ["", "--precision f64", "--activation gated", "--loss logistic --output-bias"] {
        let mut models = Vec::new();
        for ranks in 1..=3 {
            let report = report(folder, ranks, &format!("{RUN} {options} --quiet --model m.cvx"));
            assert_eq!((&report["ranks"]["count"], &report["ranks"]["shards"]), (&ranks.into(), &8.into()));
            models.push(fs::read(folder.join("m.cvx")).unwrap());
        }
        assert!(models.iter().all(|model| *model == models[0]), "{options}");
        let verified = alone(folder, "verify m.cvx --data planted:4100x12");
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    }
}

/// Folds, and a share that is held out: the model, the path and all numbers of the report; times, memory and traffic
/// aside.
#[test]
fn the_same_path_for_every_number_of_ranks() {
    fn without_costs(report: &mut Value) {
        const COSTS: [&str; 5] = ["device_name", "memory_bytes", "peak_memory_bytes", "ranks", "seconds"];
        match report {
            Value::Object(entries) => {
                entries.retain(|key, _| !COSTS.contains(&key.as_str()));
                entries.values_mut().for_each(without_costs);
            }
            Value::Array(values) => values.iter_mut().for_each(without_costs),
            _ => {}
        }
    }
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let data = "--data planted:4100x12 --patterns 10 --threads 1 --quiet --model m.cvx --json r.json";
    for arguments in [
        format!("path {data} --betas 4 --beta-ratio 0.05 --validation 0.2 --plot path --report page"),
        format!("path {data} --betas 3 --beta-ratio 0.05 --folds 3 --final mean --activation gated"),
        format!("train {data} --folds 2 --max-iterations 40"),
    ] {
        let mut results = Vec::new();
        for ranks in 1..=3 {
            let output = run(folder, ranks, &arguments);
            assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
            let mut report: Value = serde_json::from_slice(&fs::read(folder.join("r.json")).unwrap()).unwrap();
            assert_eq!((&report["ranks"]["count"], &report["ranks"]["shards"]), (&ranks.into(), &8.into()));
            let count = |value: &Value| value.as_u64().unwrap();
            let tried = report["choice"]["points"].as_array().unwrap();
            let iterations = count(&report["iterations"]) + tried.iter().map(|p| count(&p["iterations"])).sum::<u64>();
            for (per_iteration, total) in [("sums_per_iteration", "sums"), ("bytes_per_iteration", "bytes")] {
                let expected = count(&report["ranks"][total]) as f64 / iterations as f64;
                // cvx train may have compared two networks, of which the report has the points of one.
                let found =
                    report["ranks"][per_iteration].as_f64().or(arguments.starts_with("train").then_some(expected));
                assert_eq!(found, Some(expected), "{arguments}: {per_iteration}");
            }
            without_costs(&mut report);
            results.push((fs::read(folder.join("m.cvx")).unwrap(), report));
        }
        assert!(results.iter().all(|(model, _)| *model == results[0].0), "{arguments}");
        assert_eq!(results[1].1, results[0].1, "{arguments}");
        assert_eq!(results[2].1, results[0].1, "{arguments}");
        let verified = alone(folder, "verify m.cvx --data planted:4100x12");
        assert!(verified.status.success(), "{arguments}: {}", String::from_utf8_lossy(&verified.stdout));
    }
    assert!(folder.join("path.svg").exists() && folder.join("page/index.html").exists());
}

/// Each rank reads its own rows of a folder of IDX files, unless an option selects samples.
#[test]
fn ranks_that_read_their_own_rows_train_the_same_network() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let data = folder.join("data");
    fs::create_dir(&data).unwrap();
    let idx = |axes: &[u32], bytes: Vec<u8>| {
        let header = [0, 0, 8, axes.len() as u8].into_iter().chain(axes.iter().flat_map(|axis| axis.to_be_bytes()));
        header.chain(bytes).collect::<Vec<u8>>()
    };
    let pixel = |k: u32| (k.wrapping_mul(2_654_435_761) >> 24) as u8;
    let label = |row: u32| pixel(6 * row) / 100;
    fs::write(data.join("train-images-idx3-ubyte"), idx(&[2100, 2, 3], (0..12_600).map(pixel).collect())).unwrap();
    fs::write(data.join("train-labels-idx1-ubyte"), idx(&[2100], (0..2100).map(label).collect())).unwrap();
    let arguments =
        "--data data --patterns 8 --beta-fraction 0.05 --max-iterations 8 --gates gaussian --quiet --model m.cvx";
    let mut models = Vec::new();
    for (ranks, options) in [(1, ""), (3, ""), (2, "--limit 2100")] {
        report(folder, ranks, &format!("{arguments} {options}"));
        models.push(fs::read(folder.join("m.cvx")).unwrap());
    }
    assert!(models.iter().all(|model| *model == models[0]));
    assert!(alone(folder, "verify m.cvx --data data").status.success());
}

/// Of tables and sparse files, too. The recipe of a table is that of all rows: its levels, medians and gaps are not on
/// every rank.
#[test]
fn ranks_that_read_their_own_lines_train_the_same_network() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let noise = |k: u32| (k.wrapping_mul(2_654_435_761) >> 20) % 1000;
    let row = |row: u32| {
        let [a, b, c] = [1, 2, 3].map(|column| noise(4 * row + column));
        let level = match row {
            1999 => "rare",
            _ => ["red", "green", "blue"][c as usize % 3],
        };
        let gap = if row > 1500 && a < 100 { String::new() } else { format!("{a}.5") };
        format!("{gap},{b},{level},{}\n", if a + b > c + 500 { "yes" } else { "no" })
    };
    let sparse = |row: u32| {
        let [a, b, c] = [1, 2, 3].map(|column| noise(4 * row + column));
        format!("{} 1:{a} {}:{b}\n", u8::from(a + b > c + 500), if row == 2000 { 9 } else { 2 + row % 6 })
    };
    fs::write(folder.join("data.csv"), (0..2100).map(row).collect::<String>()).unwrap();
    fs::write(folder.join("data.svm"), (0..2100).map(sparse).collect::<String>()).unwrap();
    for data in ["data.csv", "data.svm"] {
        let arguments =
            "--patterns 8 --beta-fraction 0.05 --max-iterations 8 --quiet --model m.cvx --report page --data";
        let mut results = Vec::new();
        for ranks in 1..=3 {
            let report = report(folder, ranks, &format!("{arguments} {data}"));
            let [model, page] = ["m.cvx", "page/importance.svg"].map(|name| fs::read(folder.join(name)).unwrap());
            // The page shows training samples of all ranks.
            assert!(report["understanding"]["importance"].as_array().is_some_and(|columns| columns.len() > 1));
            results.push((model, page, report["understanding"].clone()));
        }
        assert!(results.iter().all(|result| *result == results[0]), "{data}");
        assert!(alone(folder, &format!("verify m.cvx --data {data}")).status.success(), "{data}");
    }
}

#[test]
fn one_shard_gives_the_model_of_the_plain_program() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let arguments = "train --data planted:1000x12 --patterns 10 --beta-fraction 0.05 --solver gram-pcg --quiet --model";
    assert!(run(folder, 1, &format!("{arguments} ranks.cvx")).status.success());
    assert!(alone(folder, &format!("{arguments} plain.cvx")).status.success());
    assert_eq!(fs::read(folder.join("ranks.cvx")).unwrap(), fs::read(folder.join("plain.cvx")).unwrap());
}

#[test]
fn what_does_not_work_over_ranks_is_refused() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let cases = [
        (format!("train {RUN} --solver cholesky"), "use --solver gram-pcg"),
        ("train --data planted:1100x5 --beta 1".to_string(), "start at most 2 ranks"),
        ("path --data planted:4100x12 --gates conv".to_string(), "gates of patches"),
        ("info m.cvx".to_string(), "only cvx train and cvx path run over ranks"),
        (
            format!("train {RUN} --seed $OMPI_COMM_WORLD_RANK"),
            "rank 1 was started with --seed 1, and rank 0 with --seed 0",
        ),
        (
            "path --data planted:4100x12 $(test $OMPI_COMM_WORLD_RANK = 2 && echo --folds 2)".to_string(),
            "rank 2 was started with --folds 2, and rank 0 with no --validation",
        ),
    ];
    for (arguments, expected) in cases {
        let said = refused(folder, 3, &arguments);
        assert!(said.contains(expected), "{arguments}: {said}");
    }
    let foreign = Command::new(PROGRAM).args(["train", "--beta", "1"]).env("PMI_SIZE", "3").output().unwrap();
    let said = String::from_utf8(foreign.stderr).unwrap();
    assert!(!foreign.status.success() && said.contains("started 3 ranks, and this program sees 1"), "{said}");
}

#[test]
fn an_error_of_one_rank_ends_the_job() {
    let folder = TempDir::new().unwrap();
    let broken = format!("train {ENDLESS} --quiet $(test $OMPI_COMM_WORLD_RANK = 2 && echo --memory-budget 0.000001)");
    let output = run(folder.path(), 3, &broken);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--memory-budget"));
}

#[test]
fn a_time_limit_and_an_interrupt_of_one_rank_end_all_with_a_network() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let ended_by_time = report(folder, 3, &format!("{ENDLESS} --quiet --time-limit 1 --model m.cvx"));
    assert_eq!(ended_by_time["status"], "TimeLimit");
    let arguments =
        format!("train {ENDLESS} --quiet --json i.json --model i.cvx --checkpoint c --checkpoint-every 0.1");
    let child = job(folder, 3, &arguments).spawn().unwrap();
    signal(folder, "-INT", || folder.join("c").exists());
    let output = ended(child);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&fs::read(folder.join("i.json")).unwrap()).unwrap();
    assert_eq!(report["status"], "Interrupted");
    assert!(alone(folder, "info i.cvx").status.success());
}

#[test]
fn a_killed_rank_ends_the_job_which_another_number_of_ranks_continues() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let child =
        job(folder, 3, &format!("train {ENDLESS} --quiet --checkpoint c --checkpoint-every 0.1")).spawn().unwrap();
    signal(folder, "-KILL", || folder.join("c").exists());
    let killed = Instant::now();
    assert!(!ended(child).status.success());
    assert!(killed.elapsed() < Duration::from_secs(30), "{:?}", killed.elapsed());
    let resumed = report(folder, 2, &format!("{ENDLESS} --quiet --resume c --time-limit 1"));
    assert_eq!(resumed["status"], "TimeLimit");
}
