//! Compilers of the kernels: nvcc where there is one, else NVRTC.

use anyhow::{Context, Result, ensure};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The last version whose PTX a driver for CUDA 13.0 accepts.
const WHEELS: [&str; 6] = [
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-nvrtc==13.0.88",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-cccl==13.0.85",
];

/// The version of PTX that they write.
const PTX_VERSION: f64 = 9.0;

/// Where [`install`] puts the wheels.
const FOLDER: &str = "target/cuda-toolkit";

/// Products and sums are not contracted, so that a GPU computes the same numbers as the CPU. It costs no time: the
/// kernels are bound by memory.
const OPTIONS: [&str; 2] = ["-arch=compute_80", "-fmad=false"];

enum Kind {
    Nvcc(PathBuf),
    /// The example `nvrtc` of cvx-linalg, which loads the library from this folder.
    Nvrtc(PathBuf),
}

/// A compiler that was found.
pub struct Compiler {
    kind: Kind,
    root: PathBuf,
    /// `nvcc 13.0.88` or `nvrtc 13.0`.
    pub version: String,
}

impl Compiler {
    /// nvcc from the wheels, in CUDA_HOME, or on the path; else NVRTC, if its library can be loaded.
    pub fn find(root: &Path) -> Option<Self> {
        let wheels = wheels(root);
        let candidates = [
            wheels.as_ref().map(|wheels| wheels.join("bin/nvcc")),
            env::var_os("CUDA_HOME").map(|home| PathBuf::from(home).join("bin/nvcc")),
            Some(PathBuf::from("nvcc")),
        ];
        let nvcc = candidates.into_iter().flatten().find_map(|nvcc| {
            let output = Command::new(&nvcc).arg("--version").output().ok().filter(|output| output.status.success())?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let version = text.split_once(", V")?.1.split_whitespace().next()?.to_string();
            Some(Compiler { kind: Kind::Nvcc(nvcc), root: root.to_path_buf(), version: format!("nvcc {version}") })
        });
        nvcc.or_else(|| {
            let libraries = wheels.map(|wheels| wheels.join("lib")).unwrap_or_default();
            let output = nvrtc(root, &libraries, &["--version"]).ok()?;
            let version = format!("nvrtc {}", output.trim());
            Some(Compiler { kind: Kind::Nvrtc(libraries), root: root.to_path_buf(), version })
        })
    }

    /// The PTX of one source, in a version that a driver for CUDA 13.0 accepts.
    pub fn ptx(&self, folder: &Path, source: &str) -> Result<String> {
        let ptx = self.compiled(folder, source)?;
        let version = ptx.lines().find_map(|line| line.strip_prefix(".version ")?.trim().parse::<f64>().ok());
        let read = version.is_some_and(|version| version <= PTX_VERSION);
        ensure!(read, "{} writes PTX {version:?}, newer than {PTX_VERSION}: use --install", self.version);
        Ok(ptx)
    }

    fn compiled(&self, folder: &Path, source: &str) -> Result<String> {
        match &self.kind {
            Kind::Nvcc(nvcc) => {
                run(Command::new(nvcc).args(OPTIONS).args(["-ptx", "-o", "-"]).arg(folder.join(source)))
            }
            Kind::Nvrtc(libraries) => {
                let (source, folder) = (folder.join(source), folder.to_path_buf());
                let arguments = [source.to_string_lossy(), folder.to_string_lossy(), OPTIONS.join(" ").into()];
                nvrtc(&self.root, libraries, &arguments.each_ref().map(|argument| argument.as_ref()))
            }
        }
    }

    /// The assembler's report on registers and spills for an architecture; `None` without an assembler.
    pub fn assemble(&self, folder: &Path, source: &str, architecture: &str) -> Result<Option<String>> {
        let Kind::Nvcc(nvcc) = &self.kind else {
            return Ok(None);
        };
        let target = format!("-arch={architecture}");
        let mut command = Command::new(nvcc);
        command.args([&target, "-fmad=false", "-cubin", "-Xptxas", "-v", "-o", "/dev/null"]).arg(folder.join(source));
        let output = command.output().with_context(|| format!("{} cannot be started", nvcc.display()))?;
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "the kernels do not compile for {architecture}:\n{report}");
        Ok(Some(report))
    }
}

/// The folder of the toolkit in the wheels.
fn wheels(root: &Path) -> Option<PathBuf> {
    let lib = root.join(FOLDER).join("lib");
    let python = lib.read_dir().ok()?.find_map(|entry| {
        let path = entry.ok()?.path();
        path.file_name()?.to_string_lossy().starts_with("python").then_some(path)
    })?;
    Some(python.join("site-packages/nvidia/cu13")).filter(|folder| folder.is_dir())
}

/// Installs the pinned compiler into a Python environment of its own.
pub fn install(root: &Path) -> Result<()> {
    let folder = root.join(FOLDER);
    if wheels(root).is_none() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let pip = folder.join("bin/pip");
        run(Command::new(pip).args(["install", "--quiet", "--no-deps", "--disable-pip-version-check"]).args(WHEELS))?;
    }
    Ok(())
}

fn nvrtc(root: &Path, libraries: &Path, arguments: &[&str]) -> Result<String> {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(["run", "--quiet", "--locked", "--package", "cvx-linalg", "--features", "cuda", "--example", "nvrtc"]);
    let path = env::var("LD_LIBRARY_PATH").unwrap_or_default();
    command.env("LD_LIBRARY_PATH", format!("{}:{path}", libraries.display()));
    run(command.arg("--").args(arguments).current_dir(root))
}

/// Runs a command and returns what it prints.
fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{name} cannot be started"))?;
    ensure!(output.status.success(), "{name} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
