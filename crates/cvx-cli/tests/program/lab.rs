//! A folder with data, in which the program runs.

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// The program that cargo built for these tests.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_cvx");

/// A single training run.
pub const ONCE: &str = "train --beta-fraction 0.001";

/// Longer than any test needs: a program that hangs fails.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// The result of a run of the program.
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A folder that is removed after the test.
pub struct Lab {
    folder: TempDir,
}

impl Lab {
    pub fn new() -> Self {
        Lab { folder: TempDir::new().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders that its name begins with.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// Every file in the folder with its content, in order.
    pub fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (mut files, mut folders) = (Vec::new(), vec![self.folder.path().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => files.push((path.clone(), fs::read(path).unwrap())),
                }
            }
        }
        files.sort();
        files
    }

    /// Runs the program in the folder; `arguments` are parted by blanks.
    pub fn cvx(&self, arguments: &str) -> Run {
        self.cvx_with(&[], arguments)
    }

    /// [`cvx`](Lab::cvx) with variables of the environment.
    pub fn cvx_with(&self, variables: &[(&str, &str)], arguments: &str) -> Run {
        let mut command = assert_cmd::Command::new(PROGRAM);
        command.current_dir(self.folder.path()).args(arguments.split_whitespace());
        command.envs(variables.iter().copied());
        let output = command.timeout(PATIENCE).output().unwrap();
        Run {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// [`cvx`](Lab::cvx), which has to exit with 0.
    pub fn done(&self, arguments: &str) -> Run {
        let run = self.cvx(arguments);
        assert_eq!(run.code, Some(0), "cvx {arguments}\n{}{}", run.stdout, run.stderr);
        run
    }

    /// [`done`](Lab::done) with a report, which is returned.
    pub fn report(&self, arguments: &str) -> Value {
        self.done(&format!("{arguments} --quiet --json report.json"));
        self.json("report.json")
    }

    /// [`done`](Lab::done) of a single training run at a small beta, instead of one that is chosen.
    pub fn train_once(&self, arguments: &str) -> Run {
        self.done(&format!("{ONCE} {arguments}"))
    }

    /// [`report`](Lab::report) of a [`train_once`](Lab::train_once).
    pub fn report_once(&self, arguments: &str) -> Value {
        self.report(&format!("{ONCE} {arguments}"))
    }

    /// [`cvx`](Lab::cvx), which has to refuse its input: exit code 2, one line on stderr, nothing on stdout and no
    /// file touched. Returns the line, which holds each of `words`.
    pub fn refused(&self, arguments: &str, words: &[&str]) -> String {
        let before = self.contents();
        let run = self.cvx(arguments);
        let message = run.stderr.trim_end_matches('\n').to_string();
        assert_eq!(run.code, Some(2), "cvx {arguments}\n{}{message}", run.stdout);
        assert!(message.starts_with("error: ") && !message.contains('\n'), "cvx {arguments}: not one line: {message}");
        assert_eq!(run.stdout, "", "cvx {arguments}");
        for word in words {
            assert!(message.contains(word), "cvx {arguments}: '{word}' is not in: {message}");
        }
        assert!(self.contents() == before, "cvx {arguments}: files were written");
        message
    }
}

/// Pseudo-random numbers in -1 .. 1, the same on every machine.
pub fn numbers(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// A table of three columns and a label that `label` gives each row.
pub fn table(n_samples: usize, seed: u64, label: impl Fn([f64; 3]) -> String) -> String {
    let mut next = numbers(seed);
    let mut text = "width,height,depth,label\n".to_string();
    for _ in 0..n_samples {
        let row = [next(), next(), next()];
        text.push_str(&format!("{},{},{},{}\n", row[0], row[1], row[2], label(row)));
    }
    text
}

/// Two classes with names.
pub fn cats_and_dogs(n_samples: usize, seed: u64) -> String {
    table(n_samples, seed, |[a, b, c]| if a.abs() + 0.3 * c > b { "dog" } else { "cat" }.to_string())
}

/// The last field of every line but the header.
pub fn last_column(table: &str) -> Vec<&str> {
    table.lines().skip(1).map(|line| line.rsplit(',').next().unwrap()).collect()
}

/// A NumPy file with a matrix of f64, row by row.
pub fn npy(rows: usize, columns: usize, values: &[f64]) -> Vec<u8> {
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows}, {columns}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// An IDX file of bytes, as MNIST has them.
pub fn idx(shape: &[u32], items: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, u8::try_from(shape.len()).unwrap()];
    bytes.extend(shape.iter().flat_map(|length| length.to_be_bytes()));
    bytes.extend(items);
    bytes
}

/// A PNG of grey pixels in rows of `width`.
pub fn grey_png(width: usize, pixels: &[u8]) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], content: &[u8]| {
        let mut sum = Crc::new();
        [&kind[..], content].iter().for_each(|part| sum.update(part));
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&length[..], kind, content, &sum.sum().to_be_bytes()].concat()
    };
    let size = [width, pixels.len() / width].map(|size| u32::try_from(size).unwrap().to_be_bytes());
    let header = [&size[0][..], &size[1], &[8, 0, 0, 0, 0]].concat();
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    for row in pixels.chunks(width) {
        // No filter.
        packed.write_all(&[0]).unwrap();
        packed.write_all(row).unwrap();
    }
    let packed = packed.finish().unwrap();
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &header), &chunk(b"IDAT", &packed), &chunk(b"IEND", &[])].concat()
}

/// A grey image of one pixel.
pub const GREY_PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\
    \0\0\0\x0aIDAT\x78\x9c\x63\x68\0\0\0\x82\0\x81\x77\xcd\x72\xb6\0\0\0\0IEND\xae\x42\x60\x82";
