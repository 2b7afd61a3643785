//! `crates/cvx-linalg/stand-in`: libraries in place of driver, cuBLAS and cuSOLVER, for tests without a GPU.

use anyhow::{Context, Result, ensure};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: &str = "crates/cvx-linalg/stand-in";
const KERNELS: &str = "crates/cvx-linalg/kernels/kernels.cu";
const FOLDER: &str = "target/cuda-stand-in";

/// Source, library, optimisation.
const LIBRARIES: [(&str, &str, &str); 3] = [
    ("driver.cpp", "libcuda.so.1", "-O2"),
    ("blas.cpp", "libcublas.so.13", "-O3"),
    ("solver.cpp", "libcusolver.so.12", "-O3"),
];

/// Warnings are errors. Products and sums are not contracted, as in the kernels for the GPU.
const OPTIONS: [&str; 11] = [
    "-std=c++17",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unknown-pragmas",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-ffp-contract=off",
    "-march=x86-64-v2",
    "-pthread",
];

/// LD_LIBRARY_PATH with this folder first.
pub fn search_path(folder: PathBuf) -> Result<OsString> {
    let others = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    Ok(env::join_paths([folder].into_iter().chain(env::split_paths(&others)))?)
}

/// Builds the libraries and returns their folder, which must be the first of LD_LIBRARY_PATH. `None` without g++ on
/// x86-64.
pub fn build(root: &Path) -> Result<Option<PathBuf>> {
    let compiler = Command::new("g++").arg("--version").output();
    if !cfg!(target_arch = "x86_64") || !compiler.is_ok_and(|output| output.status.success()) {
        return Ok(None);
    }
    let folder = root.join(FOLDER);
    fs::create_dir_all(&folder).context(FOLDER)?;
    for (source, library, optimisation) in LIBRARIES {
        let mut command = Command::new("g++");
        command.args(OPTIONS).arg(optimisation).arg(root.join(SOURCES).join(source));
        command.arg(format!("-DKERNEL_SOURCE=\"{}\"", root.join(KERNELS).display()));
        command.arg("-o").arg(folder.join(library)).arg(format!("-Wl,-soname,{library}"));
        if source != "driver.cpp" {
            command.arg("-L").arg(&folder).args(["-l:libcuda.so.1", "-Wl,-rpath,$ORIGIN"]);
        }
        command.arg("-Wl,-z,defs");
        let status = command.status().context("g++ cannot be started")?;
        ensure!(status.success(), "{SOURCES}/{source} does not compile");
        // The loader tries the name without a version first, and must not find an installed toolkit's library.
        let link = folder.join(library.split_once(".so").map_or(library, |(stem, _)| stem)).with_extension("so");
        let _ = fs::remove_file(&link);
        link_to(library, &link).with_context(|| link.display().to_string())?;
    }
    Ok(Some(folder))
}

#[cfg(unix)]
fn link_to(library: &str, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(library, link)
}

#[cfg(not(unix))]
fn link_to(_: &str, _: &Path) -> std::io::Result<()> {
    Ok(())
}
