//! `cargo xtask python`: a virtual environment below `target`, a wheel, the tests of the package.

use crate::cuda::stand_in;
use anyhow::{Context, Result, ensure};
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The package.
const PACKAGE: &str = "crates/cvx-python";

/// Its tests.
const TESTS: &str = "crates/cvx-python/tests";

/// What they need.
const REQUIREMENTS: &str = "crates/cvx-python/tests/requirements.txt";

/// Pages whose examples are tests.
const PAGES: [&str; 3] = ["README.md", "docs/python.md", "crates/cvx-python/README.md"];

/// Environment and wheel.
const FOLDER: &str = "target/python";

/// The benchmark on public tables, and its tests.
const TABLES: &str = "benches/tables";
const TABLES_TESTS: &str = "benches/tables/test_tables.py";

/// The oldest Python that the wheel is for.
const OLDEST: (u32, u32) = (3, 11);

/// Builds the wheel, installs it and runs its tests. Without Python, or a registry to install from, it says so and
/// succeeds; with `CVX_REQUIRE_PYTHON` set it fails.
pub fn check(root: &Path) -> Result<()> {
    let environment = match environment(root, FOLDER, REQUIREMENTS) {
        Ok(environment) => environment,
        Err(reason) if env::var_os("CVX_REQUIRE_PYTHON").is_some() => return Err(reason),
        Err(reason) => {
            println!("SKIPPED, the Python package is compiled, not tested: {reason:#}");
            return Ok(());
        }
    };
    let python = |arguments: &[&str]| run(environment.command(root).args(arguments));
    install_package(root, &environment, FOLDER)?;
    for arguments in [&["format", "--check"][..], &["check"]] {
        python(&[&["-m", "ruff"], arguments, &["--no-cache", PACKAGE, TABLES]].concat())?;
    }
    let program = program(root)?;
    let tests = ["-m", "pytest", "-p", "no:cacheprovider", "--quiet"];
    // Without it scikit-learn leaves some of its checks out.
    let array_api = ("SCIPY_ARRAY_API", OsStr::new("1"));
    let what = ["--doctest-modules", "--doctest-glob=*.md", "--pyargs", "cvx_relu", TESTS, TABLES_TESTS];
    run(environment
        .command(root)
        .args(tests)
        .args(what)
        .args(PAGES)
        .envs([("CVX_PROGRAM", program.as_os_str()), array_api]))?;
    if let Some(libraries) = stand_in::build(root)? {
        let path = stand_in::search_path(libraries)?;
        let mut gpu = environment.command(root);
        run(gpu.args(tests).args(["-k", "gpu", TESTS]).env("LD_LIBRARY_PATH", path).env("CVX_REQUIRE_CUDA", "1"))?;
    }
    Ok(())
}

/// Makes the environment that [`check`] needs.
pub fn install(root: &Path) -> Result<()> {
    environment(root, FOLDER, REQUIREMENTS).map(drop)
}

/// Writes the source distribution, and the wheel if it is wanted, into a folder. Without maturin it says so.
pub fn distributions(root: &Path, folder: &Path, wheel: bool) -> Result<()> {
    let Some(maturin) = maturin(root) else {
        println!("SKIPPED, the Python package is not packed: there is no maturin; `cargo xtask python` installs it");
        return Ok(());
    };
    let manifest = format!("{PACKAGE}/Cargo.toml");
    let pack = |arguments: &[&str]| {
        let mut command = Command::new(&maturin);
        run(command.args(arguments).args(["--manifest-path", &manifest, "--out"]).arg(folder).current_dir(root))
    };
    pack(&["sdist"])?;
    if wheel {
        pack(&["build", "--locked", "--release"])?;
    }
    Ok(())
}

/// The maturin of the environment of [`check`], or the one on the path.
fn maturin(root: &Path) -> Option<PathBuf> {
    let own = root.join(FOLDER).join("venv").join(if cfg!(windows) { "Scripts/maturin.exe" } else { "bin/maturin" });
    let answers = |program: &PathBuf| {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    [own, PathBuf::from("maturin")].into_iter().find(answers)
}

/// A virtual environment.
pub struct Environment {
    python: PathBuf,
}

impl Environment {
    /// Its Python, in the folder of the workspace.
    pub fn command(&self, root: &Path) -> Command {
        let mut command = Command::new(&self.python);
        command.current_dir(root).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// Builds the package for release and installs it; the wheel is kept below `folder`.
pub fn install_package(root: &Path, environment: &Environment, folder: &str) -> Result<()> {
    let wheels = root.join(folder).join("wheels");
    if wheels.exists() {
        fs::remove_dir_all(&wheels)?;
    }
    let manifest = format!("{PACKAGE}/Cargo.toml");
    let out = format!("{folder}/wheels");
    let build = ["-m", "maturin", "build", "--locked", "--release", "--manifest-path", &manifest, "--out", &out];
    run(environment.command(root).args(build))?;
    let wheel = fs::read_dir(&wheels)?.next().context("maturin has made no wheel")??.path();
    let install = ["-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall"];
    run(environment.command(root).args(install).arg(wheel))
}

/// The environment below `folder` with everything in it that a file of requirements lists.
pub fn environment(root: &Path, folder: &str, requirements: &str) -> Result<Environment> {
    let host = interpreter()?;
    let folder = root.join(folder).join("venv");
    let environment =
        Environment { python: folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" }) };
    if !environment.python.exists() {
        run(Command::new(host).args(["-m", "venv", "--clear"]).arg(&folder)).context("no virtual environment")?;
    }
    // No source packages: building NumPy would take longer than everything else.
    let install = ["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--requirement", requirements];
    run(environment.command(root).args(install)).context("the required packages cannot be installed")?;
    Ok(environment)
}

/// A Python that is new enough.
fn interpreter() -> Result<&'static str> {
    let (major, minor) = OLDEST;
    let question = format!("import sys; sys.exit(sys.version_info < ({major}, {minor}))");
    let answers = |name: &&str| {
        let mut command = Command::new(name);
        command.args(["-c", &question]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = ["python3", "python", "python3.14", "python3.13", "python3.12", "python3.11"].into_iter().find(answers);
    found.with_context(|| format!("there is no Python {major}.{minor} or newer"))
}

/// Builds the program, which the package is compared with. Selected among the tests of the workspace, it is the one
/// that they have built.
pub fn program(root: &Path) -> Result<PathBuf> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["test", "--workspace", "--locked", "--no-run", "--test", "program"]);
    command.args(["--message-format", "json-render-diagnostics"]).current_dir(root);
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "cvx-cli: {}", output.status);
    let messages = String::from_utf8_lossy(&output.stdout);
    let key = "\"executable\":\"";
    let mut built = messages.lines().filter_map(|line| line.split_once(key)?.1.split('"').next().map(PathBuf::from));
    built.find(|program| program.file_stem() == Some(OsStr::new("cvx"))).context("cargo does not say where cvx is")
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{:?} cannot be started", command.get_program()))?;
    ensure!(status.success(), "{:?}: {status}", command.get_args().collect::<Vec<_>>().join(OsStr::new(" ")));
    Ok(())
}
