//! F5: the memory and time that files take, measured by a counting allocator.

mod common;

use common::frame::{Frame, bytes, parse, small};
use cvx_linalg::HostMatrix;
use peak_alloc::PeakAlloc;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;

/// Tolerance above twice the file: names and lengths of the header.
const SMALL: usize = 4 * MIB;

/// Numbers in a large section.
const COUNT: u64 = 4 << 20;

/// A section of `COUNT` numbers, all zero, in f32.
fn narrow(rows: u64, cols: u64) -> Vec<u8> {
    let mut section: Vec<u8> = [rows, cols, 4].into_iter().flat_map(u64::to_le_bytes).collect();
    section.resize(24 + 4 * COUNT as usize, 0);
    section
}

/// Peak allocation in bytes, above the allocation before.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let result = work();
    (result, ALLOCATOR.peak_usage() - before)
}

/// The same for a file that is refused, with a limit on the time.
fn refusal(what: &str, file: &[u8]) -> usize {
    let begin = Instant::now();
    let (result, bytes) = peak(|| parse(file).err());
    assert!(result.is_some(), "{what} was accepted");
    // The limit for builds without optimisation; an optimised build takes a hundredth.
    assert!(begin.elapsed().as_secs_f64() < 5.0, "{what} took {:?}", begin.elapsed());
    bytes
}

/// A million neurons: written within twice the size of the file (a growing vector is briefly there twice), and read
/// within the size of the model.
fn whole_model() {
    let (_, mut model) = small();
    let neurons = 1 << 20;
    model.network.w1 = HostMatrix::from_fn(3, neurons, |row, neuron| (row + neuron) as f64);
    model.network.w2 = HostMatrix::from_fn(neurons, 1, |neuron, _| 1.0 / (1.0 + neuron as f64));
    model.parts[0].neurons = neurons;
    let (file, written) = peak(|| bytes(&model));
    assert!(written < 2 * file.len() + SMALL, "{written} bytes to write {}", file.len());
    let (again, read) = peak(|| parse(&file).unwrap());
    assert!(again == model);
    assert!(read < 8 * 4 * neurons + SMALL, "{read} bytes to read {}", file.len());
}

/// A single test, because the allocator counts for the whole process.
#[test]
fn f5_no_file_takes_much_memory() {
    let frame = Frame::of(&bytes(&small().1));
    let mut cases: Vec<(&str, Frame)> = Vec::new();
    let mut case = |what, section: &str, content: Vec<u8>| {
        let mut frame = frame.clone();
        *frame.section(section) = content;
        cases.push((what, frame));
    };
    for section in ["offset", "scale", "w1", "w2", "proof0.gates", "proof0.xi", "proof0.eta"] {
        case("a matrix of another size", section, narrow(COUNT / 2, 2));
        case("a matrix of one column", section, narrow(COUNT, 1));
    }
    case("many patterns", "proof0.bits", vec![0; 8 * COUNT as usize]);
    // The lengths in the header claim as much as bincode may accept.
    case("a header of lengths", "header", MIB.to_le_bytes().repeat(MIB / 8));
    case("a header of zeros", "header", vec![0; MIB]);
    case("a header that is too long", "header", vec![0; 16 * MIB]);
    let mut more = frame.clone();
    more.sections.push(("weights".into(), narrow(COUNT, 1)));
    cases.push(("weights of other samples", more));
    let mut more = frame.clone();
    more.sections.push(("names".into(), vec![0; 16 * MIB]));
    cases.push(("names without content", more));
    let mut more = frame;
    more.sections.push(("gates".into(), narrow(1, COUNT)));
    more.sections.push(("other".into(), narrow(1, COUNT)));
    cases.push(("an unknown section", more));

    for (what, frame) in cases {
        let mut file = frame.sealed();
        let peak = refusal(what, &file);
        assert!(peak < 2 * file.len() + SMALL, "{what}: {peak} bytes for a file of {}", file.len());
        // A damaged file is refused before anything is built from it.
        *file.last_mut().unwrap() ^= 1;
        let peak = refusal(what, &file);
        assert!(peak < MIB / 16, "{what}, damaged: {peak} bytes");
    }
    whole_model();
}
