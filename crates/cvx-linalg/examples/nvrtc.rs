//! Compiles CUDA sources to PTX with NVRTC: `nvrtc SOURCE INCLUDE_FOLDER "OPTIONS"`, or `nvrtc --version`.
//!
//! `cargo xtask build-cuda` runs it where there is no nvcc.

#![allow(unsafe_code)]

use cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts, sys};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<String, String> {
    // SAFETY: it only tries to load the library; without it every other call would panic.
    if !unsafe { sys::is_culib_present() } {
        return Err("NVRTC cannot be loaded".to_string());
    }
    match arguments {
        [flag] if flag == "--version" => {
            let (mut major, mut minor) = (0, 0);
            // SAFETY: both are valid for a write.
            unsafe { sys::nvrtcVersion(&mut major, &mut minor) }.result().map_err(|error| format!("{error:?}"))?;
            Ok(format!("{major}.{minor}\n"))
        }
        [source, folder, options] => {
            let text = std::fs::read_to_string(source).map_err(|error| format!("{source}: {error}"))?;
            let options = CompileOptions {
                include_paths: vec![folder.clone()],
                options: options.split_whitespace().map(str::to_string).collect(),
                ..Default::default()
            };
            Ok(compile_ptx_with_opts(text, options).map_err(|error| format!("{error:?}"))?.to_src())
        }
        _ => Err("expected SOURCE INCLUDE_FOLDER \"OPTIONS\", or --version".to_string()),
    }
}
