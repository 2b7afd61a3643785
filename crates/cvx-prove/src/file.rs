//! The proof file, in the frame of the project's files.
//!
//! | section | what | shape |
//! |---|---|---|
//! | `header` | bincode: for each set its kind, for each theorem its set, claim, arithmetic and lengths | |
//! | `sets` | matrix: two columns for each set: its ends, or a centre and 1 where a feature moves | d x 2 S |
//! | `trees` | words: the trees of all theorems in preorder, 0 for a leaf and j + 1 for switch j | |
//! | `on` | words: the switches that are on by default, 64 to a word, the lowest bit first | |
//! | `rows` | words: the rows whose coefficients the leaves give | |
//! | `coefficients` | matrix: the coefficients, leaf by leaf | 1 x count |

use crate::deployed::Deployed;
use crate::error::ProveError;
use crate::proof::Proof;
use crate::prover::{Claim, Theorem};
use crate::region::Shape;
use cvx_artifact::FileError;
use cvx_artifact::container::{Kind, Parsed, Sections};
use cvx_linalg::HostMatrix;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

const PROOF: Kind = Kind { noun: "proof", magic: *b"\x89CVXPF\r\n", version: 1 };

/// Most bytes of the header.
const HEADER: usize = 1 << 26;

#[derive(Serialize, Deserialize)]
struct Header {
    /// Number of features d.
    inputs: usize,
    /// The radius of a ball, `None` for a box.
    sets: Vec<Option<f64>>,
    theorems: Vec<Record>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    set: usize,
    claim: Claim,
    deployed: Deployed,
    threshold: f64,
    steps: usize,
    switches: usize,
    rows: usize,
}

/// Writes theorems atomically. Those that follow each other about one set are written with one.
///
/// # Errors
/// [`FileError::Io`], or [`FileError::Unstorable`] for claims of 64 MiB; a previous file is then unchanged.
pub fn save(theorems: &[Theorem], path: &Path) -> Result<(), FileError> {
    sections(theorems)?.save(path)
}

/// The bytes of a proof file.
///
/// # Errors
/// [`FileError::Unstorable`].
pub fn to_bytes(theorems: &[Theorem]) -> Result<Vec<u8>, FileError> {
    Ok(sections(theorems)?.seal())
}

fn sections(theorems: &[Theorem]) -> Result<Sections, FileError> {
    let inputs = theorems.first().map_or(0, |theorem| theorem.shape.n_features());
    let mut header = Header { inputs, sets: Vec::new(), theorems: Vec::new() };
    let (mut sets, mut trees, mut on, mut rows, mut coefficients) = (vec![], vec![], vec![], vec![], vec![]);
    let mut last: Option<&Shape> = None;
    for theorem in theorems {
        let Theorem { claim, shape, deployed, threshold, proof } = theorem;
        if shape.n_features() != inputs {
            let detail = "its theorems are about different numbers of features".to_string();
            return Err(FileError::Unstorable { what: PROOF.noun, detail });
        }
        if last != Some(&**shape) {
            header.sets.push(push_set(&mut sets, shape));
            last = Some(shape);
        }
        header.theorems.push(Record {
            set: header.sets.len() - 1,
            claim: claim.clone(),
            deployed: *deployed,
            threshold: *threshold,
            steps: proof.tree.len(),
            switches: proof.on.len(),
            rows: proof.rows.len(),
        });
        trees.extend(proof.tree.iter().copied().map(u64::from));
        let word = |bits: &[bool]| bits.iter().enumerate().fold(0, |word, (bit, on)| word | u64::from(*on) << bit);
        on.extend(proof.on.chunks(64).map(word));
        rows.extend(proof.rows.iter().copied().map(u64::from));
        coefficients.extend_from_slice(&proof.coefficients);
    }
    let mut sections = Sections::new(&PROOF);
    sections.bincode::<HEADER>("header", &header)?;
    sections.matrix("sets", &HostMatrix::from_vec(inputs, 2 * header.sets.len(), sets));
    sections.words("trees", &trees).words("on", &on).words("rows", &rows);
    sections.matrix("coefficients", &HostMatrix::from_vec(1, coefficients.len(), coefficients));
    Ok(sections)
}

/// Adds the two columns of a set, and returns its radius if it is a ball.
fn push_set(sets: &mut Vec<f64>, shape: &Shape) -> Option<f64> {
    match shape {
        Shape::Box { lower, upper } => {
            sets.extend_from_slice(lower);
            sets.extend_from_slice(upper);
            None
        }
        Shape::Ball { centre, radius, moves } => {
            sets.extend_from_slice(centre);
            sets.extend(moves.iter().map(|moves| f64::from(u8::from(*moves))));
            Some(*radius)
        }
    }
}

/// Reads the theorems of a file. Whether they hold is for [`Prover::check`](crate::Prover::check).
///
/// # Errors
/// [`ProveError::File`].
pub fn load(path: &Path) -> Result<Vec<Theorem>, ProveError> {
    Ok(from_bytes(&PROOF.read(path)?, path)?)
}

/// Reads the bytes of a proof file; `path` is named in errors.
///
/// # Errors
/// [`FileError`].
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Vec<Theorem>, FileError> {
    let mut parsed = Parsed::open(bytes, &PROOF, path)?;
    let header: Header = parsed.bincode::<Header, HEADER>("header")?;
    let sets = parsed.finite_matrix("sets")?;
    let (trees, on) = (parsed.words("trees")?, parsed.words("on")?);
    let (rows, coefficients) = (parsed.words("rows")?, parsed.finite_matrix("coefficients")?);
    let damaged = |detail: &str| PROOF.damaged(path, detail);
    parsed.finish()?;
    if sets.rows() != header.inputs || sets.cols() != 2 * header.sets.len() {
        return Err(damaged("its sets do not fit its header"));
    }
    if header.sets.iter().flatten().any(|radius| !(radius.is_finite() && *radius >= 0.0)) {
        return Err(damaged("a radius is negative or not finite"));
    }
    let shape = |(set, radius): (usize, &Option<f64>)| {
        let (first, second) = (sets.col(2 * set).to_vec(), sets.col(2 * set + 1));
        Arc::new(match *radius {
            None => Shape::Box { lower: first, upper: second.to_vec() },
            Some(radius) => {
                Shape::Ball { centre: first, radius, moves: second.iter().map(|moves| *moves != 0.0).collect() }
            }
        })
    };
    let shapes: Vec<Arc<Shape>> = header.sets.iter().enumerate().map(shape).collect();
    let (mut trees, mut on, mut rows, mut coefficients) = (&trees[..], &on[..], &rows[..], coefficients.values());
    let mut theorems = Vec::new();
    for record in header.theorems {
        let Record { set, claim, deployed, threshold, steps, switches, rows: count } = record;
        let shape = shapes.get(set).map(Arc::clone).ok_or_else(|| damaged("a theorem has no set"))?;
        if !(threshold.is_finite() && claim.is_finite()) {
            return Err(damaged("a number of a theorem is not finite"));
        }
        let short = || damaged("a section ends before its theorems");
        let tree = take(&mut trees, steps).ok_or_else(short)?;
        let bits = take(&mut on, switches.div_ceil(64)).ok_or_else(short)?;
        let numbers = take(&mut rows, count).ok_or_else(short)?;
        let narrow = |words: &[u64]| words.iter().map(|word| u32::try_from(*word)).collect::<Result<Vec<u32>, _>>();
        let large = |_| damaged("a number of a switch or a row is too large");
        let (tree, numbers) = (narrow(tree).map_err(large)?, narrow(numbers).map_err(large)?);
        let leaves = tree.iter().filter(|step| **step == 0).count();
        let values = leaves.checked_mul(count).and_then(|length| take(&mut coefficients, length)).ok_or_else(short)?;
        let proof = Proof {
            on: (0..switches).map(|switch| bits[switch / 64] >> (switch % 64) & 1 == 1).collect(),
            tree,
            rows: numbers,
            coefficients: values.to_vec(),
        };
        theorems.push(Theorem { claim, shape, deployed, threshold, proof });
    }
    if !(trees.is_empty() && on.is_empty() && rows.is_empty() && coefficients.is_empty()) {
        return Err(damaged("a section goes on after its theorems"));
    }
    Ok(theorems)
}

fn take<'a, T>(rest: &mut &'a [T], count: usize) -> Option<&'a [T]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}
