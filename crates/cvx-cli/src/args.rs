//! The command line.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, Args, Parser, Subcommand, ValueEnum};
use cvx_admm::{ClassWeights, PathSettings, Settings, SolverChoice, SolverKind};
use cvx_export::Format;
use cvx_fetch::DataSet;
use std::path::PathBuf;

const SOURCES: &str = "\
Data sources:
  planted, planted:NxD   built in: two classes drawn from a random network
  cifar10, mnist, fashion-mnist   once fetched: cvx data fetch NAME
  FOLDER                 CIFAR-10 binary batches, IDX files, or a folder of PNG or JPEG images for each class
  FILE.npz               keys x_train, y_train and, where there are any, x_test, y_test
  FILE.csv, FILE.tsv     a table with a label column, its fields parted by commas, semicolons or tabs
  FILE.svm               LIBSVM lines; each file also .gz";

const TRAIN_EXAMPLES: &str = "\
Examples:
  cvx train
  cvx train --data table.csv --test held-out.csv --task regression --loss huber --json run.json
  cvx train --data table.csv --report report
  cvx train --data rare.csv --loss logistic --class-weight balanced
  cvx train --data table.csv --checkpoint run.ckpt
  cvx train --data table.csv --checkpoint run.ckpt --resume run.ckpt
  cvx train --data cifar-10-batches-bin --classes airplane,automobile \\
      --patterns 50 --beta 10 --model planes.cvx
  cvx train --data problem.npz --gates problem.npz --beta 0.1 --no-bias \\
      --normalize none --precision f64 --certify sampled --gap 1e-6";

const PATH_EXAMPLES: &str = "\
Examples:
  cvx path --data table.csv --folds 5 --choose sparsest --model model.cvx
  cvx path --data cifar-10-batches-bin --classes airplane,automobile \\
      --activation gated --patterns 1000 --plot path";

/// Train two-layer ReLU networks by convex optimisation: no learning rate, and a certificate with every model.
#[derive(Parser)]
#[command(name = "cvx", version, max_term_width = 110, after_help = SOURCES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Train a network and report how good it is.
    Train(Box<TrainArgs>),
    /// Train along a path of betas, choose one on held-out samples, and train on all samples there.
    Path(Box<PathArgs>),
    /// Predict with a trained model.
    #[command(mut_arg("data", needed))]
    Predict(PredictArgs),
    /// Recompute a model's objective and certificate from its training data.
    #[command(mut_arg("data", needed))]
    Verify(VerifyArgs),
    /// Describe a model or a data source.
    Info(InfoArgs),
    /// Write a model for other programs: ONNX, safetensors, NumPy.
    Export(ExportArgs),
    /// Fetch public data sets.
    #[command(subcommand)]
    Data(DataCommand),
    /// Print a shell's completions of this program.
    #[command(after_help = "Example:\n  cvx completions bash > ~/.local/share/bash-completion/completions/cvx")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages of this program into a folder.
    #[command(after_help = "Example:\n  cvx man ~/.local/share/man/man1")]
    Man {
        /// The folder, which is made where there is none.
        folder: PathBuf,
    },
}

/// What a run says on its way.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum LogArg {
    Text,
    Json,
}

/// A model came from somewhere: no source is likelier than another.
fn needed(source: Arg) -> Arg {
    source.required(true).default_value(None)
}

/// Which samples.
#[derive(Args, Clone)]
pub struct SourceArgs {
    /// Where the samples are: see "Data sources" in `cvx --help`.
    #[arg(long, value_name = "SRC", default_value = "planted")]
    pub data: String,
    /// Use the samples of these classes alone.
    #[arg(long, value_name = "A,B,..", value_delimiter = ',')]
    pub classes: Vec<String>,
    /// Use the first N training samples alone.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// The label column of a table, by name or by number from 1.
    #[arg(long, value_name = "NAME|NUMBER")]
    pub label_column: Option<String>,
}

/// `cvx train`.
#[derive(Args)]
#[command(after_help = SOURCES, after_long_help = format!("{TRAIN_EXAMPLES}\n\n{SOURCES}"))]
pub struct TrainArgs {
    /// How to train.
    #[command(flatten)]
    pub fit: FitArgs,
    /// Weight of the regulariser beta sum ||u||.
    #[arg(long, allow_negative_numbers = true)]
    pub beta: Option<f64>,
    /// beta as a fraction of the value at which the zero network becomes optimal [default: 0.001].
    #[arg(long, value_name = "R", conflicts_with = "beta", allow_negative_numbers = true)]
    pub beta_fraction: Option<f64>,
    /// Most rounds of refinement: neurons become gates, fresh ones join, solve again, until the objective no longer falls.
    #[arg(long, value_name = "K", default_value_t = Settings::default().refine, conflicts_with = "poster_exact")]
    pub refine: usize,
    /// Write a checkpoint here now and then, and when a limit or an interrupt ends the run.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Seconds between two checkpoints.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60.0,
        requires = "checkpoint",
        allow_negative_numbers = true
    )]
    pub checkpoint_every: f64,
    /// Go on with the run that wrote this checkpoint: give its arguments again; limits, gap and threads may be others.
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
    /// The original's iteration: no relaxation, scaling, acceleration or adaptation; rho 0.01, beta 0.001, and its
    /// line search in rbcd.
    #[arg(long, conflicts_with = "sigma")]
    pub poster_exact: bool,
}

/// `cvx path`.
#[derive(Args)]
#[command(after_help = SOURCES, after_long_help = format!("{PATH_EXAMPLES}\n\n{SOURCES}"))]
pub struct PathArgs {
    /// How to train.
    #[command(flatten)]
    pub fit: FitArgs,
    /// Number of betas, in equal ratios downwards from the value at which the zero network becomes optimal.
    #[arg(long, value_name = "K", default_value_t = PathSettings::default().betas)]
    pub betas: usize,
    /// The smallest beta over that value, which itself is left out.
    #[arg(long, value_name = "R", default_value_t = PathSettings::default().ratio, allow_negative_numbers = true)]
    pub beta_ratio: f64,
    /// Certified relative gap at every beta; --gap is that of the last run, on all samples.
    #[arg(long, value_name = "TOL", default_value_t = PathSettings::default().gap, allow_negative_numbers = true)]
    pub path_gap: f64,
    /// Share of the training samples that is held out to choose beta.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, allow_negative_numbers = true)]
    pub validation: f64,
    /// Hold out each of K parts of the training samples instead, from a path on the others.
    #[arg(long, value_name = "K", conflicts_with = "validation")]
    pub folds: Option<usize>,
    /// Take the beta with the smallest error, or the largest within one standard error of it.
    #[arg(long, value_enum, default_value_t = ChoiceArg::Best)]
    pub choose: ChoiceArg,
    /// Draw accuracy, objective and number of neurons against beta, as STEM.svg and STEM.png.
    #[arg(long, value_name = "STEM")]
    pub plot: Option<PathBuf>,
}

/// What `cvx train` and `cvx path` share.
#[derive(Args)]
pub struct FitArgs {
    /// Take arguments from a TOML file, as `name = value`; those that are given here go before.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How the run tells of its course, on stderr: for people, or as one JSON object a line.
    #[arg(long, value_enum, default_value_t = LogArg::Text)]
    pub log: LogArg,
    /// The samples.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Another source with test samples, where --data has none.
    #[arg(long, value_name = "SRC")]
    pub test: Option<String>,
    /// What to learn; by default names and whole numbers are classes, other numbers a regression.
    #[arg(long, value_enum, default_value_t = TaskArg::Auto)]
    pub task: TaskArg,
    /// What a prediction costs; logistic and squared-hinge are for classes.
    #[arg(long, value_enum, default_value_t = LossArg::Squared)]
    pub loss: LossArg,
    /// Distance from the target beyond which the Huber loss grows no faster [default: 1].
    #[arg(long, value_name = "DELTA", allow_negative_numbers = true)]
    pub huber_delta: Option<f64>,
    /// How much each class counts: balanced, or a weight for each class named (the others have 1).
    #[arg(long, value_name = "balanced|A=W,..", value_parser = parse_class_weight)]
    pub class_weight: Option<ClassWeights>,
    /// How features are scaled; by default global for images, column for tables.
    #[arg(long, value_enum)]
    pub normalize: Option<NormalizeArg>,
    /// Add a bias column (the default).
    #[arg(long, overrides_with = "no_bias")]
    pub bias: bool,
    /// Add no bias column.
    #[arg(long)]
    pub no_bias: bool,

    /// Number of activation patterns to sample, or auto: by the number of samples and the memory [default: 50].
    #[arg(long, value_name = "P|auto", value_parser = parse_patterns)]
    pub patterns: Option<PatternsArg>,
    /// Where gates come from: gaussian, whitened (by the covariance of the samples), local (patches of images), pairs (between two
    /// samples), or a file with gates of your own (d x P): .npy, or the key `gates` of an .npz [default: local for gated neurons on
    /// images, else gaussian].
    #[arg(long, value_name = "KIND|FILE")]
    pub gates: Option<PathBuf>,
    /// Neurons that are on where x'w >= 0, or gated ones that are on where x'h >= 0 for a fixed gate h.
    #[arg(long, value_enum, default_value_t = ActivationArg::Relu)]
    pub activation: ActivationArg,
    /// Seed of the sampled patterns.
    #[arg(long, default_value_t = Settings::default().seed)]
    pub seed: u64,

    /// Solver of the linear system in every iteration; auto takes the fastest that fits the memory.
    #[arg(long, default_value = "auto", value_parser = parse_solver())]
    pub solver: SolverChoice,
    /// Rank of the Nystrom sketch of the solvers that have one [default: adapts].
    #[arg(long, value_name = "R")]
    pub rank: Option<usize>,
    /// auto, cpu, cuda or cuda:I.
    #[arg(long, default_value = "auto", value_parser = parse_device)]
    pub device: cvx_admm::Device,
    /// How matrices are stored; the certificate is computed in f64 either way.
    #[arg(long, value_enum, default_value_t = PrecisionArg::F32)]
    pub precision: PrecisionArg,
    /// CPU threads; 0 takes one per core. The result does not depend on it.
    #[arg(long, default_value_t = Settings::default().threads)]
    pub threads: usize,
    /// Gigabytes that the run may use [default: nine tenths of what is free].
    #[arg(long, value_name = "GB", allow_negative_numbers = true)]
    pub memory_budget: Option<f64>,

    /// Certified relative gap to stop at [default: 0.001].
    #[arg(long, value_name = "TOL", allow_negative_numbers = true)]
    pub gap: Option<f64>,
    /// Certify the recovered network, or the optimum of the sampled convex programme.
    #[arg(long, value_enum, default_value_t = CertifyArg::Network)]
    pub certify: CertifyArg,
    /// Most iterations.
    #[arg(long, value_name = "K", default_value_t = Settings::default().max_iterations)]
    pub max_iterations: usize,
    /// Seconds after which the best network so far is returned.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub time_limit: Option<f64>,
    /// Starting penalty [default: from the data].
    #[arg(long, allow_negative_numbers = true)]
    pub rho: Option<f64>,
    /// Weight of the cone constraints [default: 1/4, for iterative solvers 1/16].
    #[arg(long, allow_negative_numbers = true)]
    pub sigma: Option<f64>,

    /// Keep the neurons that the network can do without on the training samples.
    #[arg(long)]
    pub no_prune: bool,

    /// Save the trained model here.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Write everything that was measured here, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a page about the run, index.html, and its pictures into this folder.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Print nothing but errors.
    #[arg(long)]
    pub quiet: bool,
}

/// `cvx predict`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cvx predict planes.cvx --data new-images\n  cvx predict model.cvx --data new.csv --unlabelled --out predictions.csv"
)]
pub struct PredictArgs {
    /// A trained model.
    pub model: PathBuf,
    /// The samples. A source with a test set is predicted on it.
    #[command(flatten)]
    pub source: SourceArgs,
    /// There are no labels, or none to compare with: every column of a table is a feature.
    #[arg(long, conflicts_with = "label_column")]
    pub unlabelled: bool,
    /// Write the predictions here as CSV instead of printing them.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write loss, accuracy and confusions here, as JSON; null where there are no labels.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Print nothing but predictions and errors.
    #[arg(long)]
    pub quiet: bool,
}

/// `cvx verify`.
#[derive(Args)]
#[command(after_help = "Example:\n  cvx verify planes.cvx --data cifar-10-batches-bin --classes airplane,automobile")]
pub struct VerifyArgs {
    /// A trained model.
    pub model: PathBuf,
    /// The source that it was trained on.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Print nothing but errors; the exit code tells.
    #[arg(long)]
    pub quiet: bool,
}

/// `cvx info`.
#[derive(Args)]
#[command(after_help = "Examples:\n  cvx info planes.cvx\n  cvx info table.csv --json table.json")]
pub struct InfoArgs {
    /// A trained model, or a data source.
    pub what: String,
    /// The label column of a table, by name or by number from 1.
    #[arg(long, value_name = "NAME|NUMBER")]
    pub label_column: Option<String>,
    /// Write the description here, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// `cvx export`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cvx export planes.cvx --to onnx --out planes.onnx\n  cvx export planes.cvx --precision f32 --out planes.safetensors"
)]
pub struct ExportArgs {
    /// A trained model.
    pub model: PathBuf,
    /// Write this file.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// What to write [default: by the ending of --out].
    #[arg(long, value_name = "FORMAT", value_parser = parse_format())]
    pub to: Option<Format>,
    /// How numbers are stored, and what an ONNX graph computes in: f64 predicts what `cvx predict` does, f32 is half the size.
    #[arg(long, value_enum, default_value_t = PrecisionArg::F64)]
    pub precision: PrecisionArg,
    /// Print nothing but errors.
    #[arg(long)]
    pub quiet: bool,
}

/// `cvx data`.
#[derive(Subcommand)]
pub enum DataCommand {
    /// Download a data set, check it, and unpack it; what was cut off goes on where it ended.
    Fetch(FetchArgs),
}

/// `cvx data fetch`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cvx data fetch cifar10 && cvx train --data cifar10 --classes cat,dog\n  cvx data fetch mnist --to digits && cvx train --data digits"
)]
pub struct FetchArgs {
    /// Which one.
    #[arg(value_parser = PossibleValuesParser::new(DataSet::ALL.map(|data_set| data_set.name)))]
    pub name: String,
    /// Put the files here [default: a folder in the cache, where --data finds them by name].
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Another address that the names of the files are appended to.
    #[arg(long, value_name = "URL")]
    pub from: Option<String>,
    /// Print nothing but errors.
    #[arg(long)]
    pub quiet: bool,
}

/// `--to`: every format by its name.
fn parse_format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name))
        .map(|name| Format::ALL.into_iter().find(|format| format.name() == name).unwrap_or(Format::Onnx))
}

/// `--solver`: every kind by its name, or auto.
fn parse_solver() -> impl TypedValueParser<Value = SolverChoice> {
    let names = std::iter::once("auto").chain(SolverKind::ALL.map(SolverKind::name));
    PossibleValuesParser::new(names).map(|name| {
        let kind = SolverKind::ALL.into_iter().find(|kind| kind.name() == name);
        kind.map_or(SolverChoice::Auto, SolverChoice::Kind)
    })
}

/// `--precision`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum PrecisionArg {
    F32,
    F64,
}

/// `--patterns`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PatternsArg {
    /// By samples and memory.
    Auto,
    /// So many.
    Count(usize),
}

fn parse_patterns(text: &str) -> Result<PatternsArg, String> {
    match text {
        "auto" => Ok(PatternsArg::Auto),
        _ => text.parse().map(PatternsArg::Count).map_err(|_| "expected a whole number, or auto".to_string()),
    }
}

/// `--activation`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum ActivationArg {
    Relu,
    Gated,
}

/// `--choose`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum ChoiceArg {
    Best,
    Sparsest,
}

/// `--certify`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum CertifyArg {
    Network,
    Sampled,
}

/// `--task`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum TaskArg {
    Auto,
    Binary,
    Multiclass,
    Regression,
}

/// `--loss`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum LossArg {
    Squared,
    Logistic,
    SquaredHinge,
    Huber,
}

/// `--normalize`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum NormalizeArg {
    None,
    Global,
    Column,
}

/// `--class-weight`; what the weights may be is for the settings to check.
fn parse_class_weight(text: &str) -> Result<ClassWeights, String> {
    if text == "balanced" {
        return Ok(ClassWeights::Balanced);
    }
    let named = text.split(',').map(|part| {
        let (class, weight) = part.rsplit_once('=')?;
        Some((class.to_string(), weight.parse().ok()?))
    });
    (named.collect::<Option<Vec<(String, f64)>>>().map(ClassWeights::Named))
        .ok_or_else(|| "expected balanced, or CLASS=WEIGHT for one class or more, with commas between".to_string())
}

fn parse_device(text: &str) -> Result<cvx_admm::Device, String> {
    match text {
        "auto" => Ok(cvx_admm::Device::Auto),
        "cpu" => Ok(cvx_admm::Device::Cpu),
        "cuda" => Ok(cvx_admm::Device::Cuda(0)),
        _ => (text.strip_prefix("cuda:").and_then(|ordinal| ordinal.parse().ok()))
            .map(cvx_admm::Device::Cuda)
            .ok_or_else(|| "expected auto, cpu, cuda or cuda:I with a number I".to_string()),
    }
}
