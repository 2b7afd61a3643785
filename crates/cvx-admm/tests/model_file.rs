//! F2, F4, F5, M5: model files that are whole, damaged, hostile, or lie.

mod common;

use common::{Random, exact, planted, sharp, smooth};
use cvx_admm::{Beta, FileError, Model, Precision, Settings, train, verify};
use cvx_linalg::{BitMask, HostMatrix};
use cvx_model::{Dataset, FeatureKind, Labels, Task};
use std::path::Path;
use std::time::Instant;

const NOWHERE: &str = "in-memory.cvx";

/// The bytes that `save` writes.
fn bytes(model: &Model) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.cvx");
    model.save(&path).unwrap();
    std::fs::read(&path).unwrap()
}

fn parse(bytes: &[u8]) -> Result<Model, FileError> {
    Model::from_bytes(bytes, Path::new(NOWHERE))
}

/// A new checksum for changed content.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let body = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..body]);
    bytes[body..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Length of the header, which begins at byte 16.
fn header_length(bytes: &[u8]) -> usize {
    u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize
}

fn small() -> (Dataset, Model) {
    let data = planted(8, 2, 1);
    let settings = Settings { patterns: 3, beta: Beta::Fraction(0.05), ..Settings::default() };
    let model = train(&data, None, &settings).unwrap().model;
    assert!(model.network.n_neurons() > 0);
    (data, model)
}

#[test]
fn a_saved_model_comes_back_equal() {
    let several = Dataset::new(
        3,
        Random(1).vector(60),
        Some(Labels::Names {
            index: (0..20).map(|a| a % 3).collect(),
            names: ["x", "y", "z"].map(String::from).into(),
        }),
        FeatureKind::Image { channels: 1, height: 1, width: 3 },
    )
    .unwrap();
    for (name, data) in [("binary", planted(30, 4, 1)), ("regression", smooth(20, 3, 1)), ("classes", several)] {
        for precision in [Precision::F32, Precision::F64] {
            for bias in [true, false] {
                // The last is a zero network: no neuron at all.
                for fraction in [1e-2, 2.0] {
                    let beta = Beta::Fraction(fraction);
                    let settings =
                        Settings { patterns: 6, precision, bias, beta, max_iterations: 200, ..Settings::default() };
                    let model = train(&data, None, &settings).unwrap().model;
                    let place = format!("{name} {precision:?} bias {bias} beta {fraction}");
                    assert_eq!(model.network.n_neurons() == 0, fraction > 1.0, "{place}");
                    let again = parse(&bytes(&model)).unwrap();
                    assert!(again == model, "{place}");
                    assert!(again.predict(&data).unwrap() == model.predict(&data).unwrap(), "{place}");
                    assert!(verify(&again, &data).unwrap().holds(), "{place}");
                    let bare = Model { witness: None, ..model };
                    assert!(parse(&bytes(&bare)).unwrap() == bare, "{place}, without its proof");
                }
            }
        }
    }
}

#[test]
fn load_reads_what_save_wrote_and_replaces_it_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.cvx");
    let (_, first) = small();
    first.save(&path).unwrap();
    assert!(Model::load(&path).unwrap() == first);
    let second = train(&smooth(10, 2, 2), None, &Settings { patterns: 3, ..Settings::default() }).unwrap().model;
    second.save(&path).unwrap();
    assert!(Model::load(&path).unwrap() == second);
    let left: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["model.cvx"], "no temporary file stays behind");
}

// ---- F2 ----------------------------------------------------------------------------------------------------------

#[test]
fn f2_what_cannot_be_written_is_an_error_and_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.cvx");
    let (_, model) = small();
    model.save(&path).unwrap();
    let before = std::fs::read(&path).unwrap();

    let missing = folder.path().join("missing").join("model.cvx");
    match model.save(&missing) {
        Err(error @ FileError::Io { action: "written", .. }) => assert!(error.to_string().contains("missing")),
        other => panic!("{other:?}"),
    }
    // A folder in the place of the file, and a file in the place of the folder.
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    assert!(matches!(model.save(&taken), Err(FileError::Io { .. })));
    assert!(matches!(model.save(&path.join("inside.cvx")), Err(FileError::Io { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let mut left: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["model.cvx", "taken"], "no temporary file stays behind");

    for absent in [missing.as_path(), taken.as_path()] {
        assert!(matches!(Model::load(absent), Err(FileError::Io { action: "read", .. })));
    }
}

// ---- F4 ----------------------------------------------------------------------------------------------------------

#[test]
fn f4_a_file_cut_off_at_any_byte_is_refused() {
    let whole = bytes(&small().1);
    assert!(parse(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(parse(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
        // Even where somebody made up a checksum for what is left.
        if length > 20 && length < whole.len() - 4 {
            assert!(parse(&sealed(whole[..length].to_vec())).is_err(), "{length} bytes, sealed");
        }
    }
}

#[test]
fn f4_a_flipped_bit_at_any_byte_is_refused() {
    let whole = bytes(&small().1);
    for at in 0..whole.len() {
        for bit in [0, at % 8] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            assert!(parse(&damaged).is_err(), "bit {bit} of byte {at}");
        }
    }
}

/// With the checksum made to fit, a flipped bit may pass as another model, but never as a panic or a wild allocation.
#[test]
fn f4_a_flipped_bit_under_a_fitting_checksum_never_panics() {
    let (data, model) = small();
    let whole = bytes(&model);
    let (mut readable, header) = (0, 8..16 + header_length(&whole));
    // Every bit of the header, and of the weights one in a while.
    for at in 8..whole.len() - 4 {
        for bit in (0..8).filter(|bit| header.contains(&at) || (at + bit) % 23 == 0) {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            if let Ok(model) = parse(&sealed(changed)) {
                readable += 1;
                assert!(model.network.w1.values().iter().all(|weight| weight.is_finite()));
                if let Ok(prediction) = model.predict(&data) {
                    let _ = model.classes(&prediction);
                }
                let _ = verify(&model, &data);
            }
        }
    }
    assert!(readable > 0, "bits of weights make other weights");
}

// ---- F5 ----------------------------------------------------------------------------------------------------------

/// Refused, and at once.
fn assert_refused(bytes: &[u8], what: &str) {
    let begin = Instant::now();
    let result = parse(bytes);
    assert!(result.is_err(), "{what} was accepted");
    assert!(begin.elapsed().as_secs_f64() < 1.0, "{what} took {:?}", begin.elapsed());
}

#[test]
fn f5_other_versions_and_magics_are_named() {
    let whole = bytes(&small().1);
    for version in [0u32, 1, 7, u32::MAX] {
        let mut other = whole.clone();
        other[8..12].copy_from_slice(&version.to_le_bytes());
        match parse(&sealed(other)) {
            Err(error @ FileError::Version { .. }) => assert!(error.to_string().contains(&version.to_string())),
            other => panic!("{version}: {:?}", other.map(|_| ())),
        }
    }
    for at in 0..8 {
        let mut other = whole.clone();
        other[at] = b'x';
        assert!(matches!(parse(&sealed(other)), Err(FileError::Magic { .. })));
    }
    let text = parse(b"w1,w2\n0.5,0.25\n").unwrap_err();
    assert!(text.to_string().contains(NOWHERE) && text.to_string().contains("not a cvx model"));
    assert!(matches!(parse(&[]), Err(FileError::Magic { .. })));
}

#[test]
fn f5_hostile_lengths_are_refused_at_once() {
    let whole = bytes(&small().1);
    let end = 16 + header_length(&whole);
    let changed = |at: usize, value: &[u8]| {
        let mut bytes = whole.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        sealed(bytes)
    };
    for length in [0, 1, header_length(&whole) as u32 - 1, header_length(&whole) as u32 + 1, 1 << 31, u32::MAX] {
        assert_refused(&changed(12, &length.to_le_bytes()), &format!("a header of {length} bytes"));
    }
    // The header begins with the length of the transform's offsets and ends with the table of the tensors:
    // rows and columns of 8 bytes, and a byte that says how they are stored.
    let table = end - 5 * 17;
    assert_eq!(u64::from_le_bytes(whole[table - 8..table].try_into().unwrap()), 5, "the format has changed");
    for length in [1u64 << 32, 1 << 40, 1 << 60, 1 << 63, u64::MAX] {
        let length = length.to_le_bytes();
        assert_refused(&changed(16, &length), "a transform of that length");
        assert_refused(&changed(table - 8, &length), "a table of that length");
        for tensor in 0..5 {
            assert_refused(&changed(table + 17 * tensor, &length), "a tensor of so many rows");
            assert_refused(&changed(table + 17 * tensor + 8, &length), "a tensor of so many columns");
        }
    }
    // Products that wrap around to the true size, or to nothing.
    for tensor in 0..5 {
        for (rows, columns) in
            [(1u64 << 32, 1u64 << 32), (1 << 63, 2), (1 << 61, 8), (u64::MAX, u64::MAX), (u64::MAX, 0)]
        {
            let size = [rows.to_le_bytes(), columns.to_le_bytes()].concat();
            assert_refused(&changed(table + 17 * tensor, &size), &format!("{rows} x {columns}"));
        }
    }
    let mut longer = whole.clone();
    longer.splice(whole.len() - 4..whole.len() - 4, [0; 8]);
    assert_refused(&sealed(longer), "trailing bytes");
    let mut longer = whole.clone();
    longer.extend([0; 4]);
    assert_refused(&longer, "bytes after the checksum");
    assert_refused(&sealed(longer), "bytes before a new checksum");
}

#[test]
fn f5_weights_that_are_no_numbers_are_refused() {
    let (_, model) = small();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let spoil = |choose: &dyn Fn(&mut Model) -> &mut f64| {
            let mut model = model.clone();
            *choose(&mut model) = value;
            assert_refused(&bytes(&model), &format!("{value}"));
        };
        spoil(&|model| &mut model.network.w1.values_mut()[0]);
        spoil(&|model| model.network.w2.values_mut().last_mut().unwrap());
        spoil(&|model| &mut model.witness.as_mut().unwrap().xi.values_mut()[3]);
        spoil(&|model| &mut model.witness.as_mut().unwrap().gates.values_mut()[1]);
        spoil(&|model| &mut model.witness.as_mut().unwrap().multipliers.values_mut()[2]);
        spoil(&|model| &mut model.transform.scale[0]);
        spoil(&|model| &mut model.transform.offset[1]);
    }
    // The same in the file's own bytes: the first weight, as wide as it is stored.
    let whole = bytes(&model);
    let at = 16 + header_length(&whole);
    let half = whole[at - 4 * 17 - 1] == 1;
    let mut changed = whole.clone();
    if half {
        changed[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    } else {
        changed[at..at + 8].copy_from_slice(&f64::NAN.to_le_bytes());
    }
    assert_refused(&sealed(changed), "a NaN in the bytes");
}

/// Parts that are each readable but do not belong together; each would make prediction or verification panic.
#[test]
fn f5_parts_that_do_not_fit_are_refused() {
    let (_, model) = small();
    let check = |what: &str, change: &dyn Fn(&mut Model)| {
        let mut model = model.clone();
        change(&mut model);
        assert_refused(&bytes(&model), what);
    };
    check("a scale of 0", &|model| model.transform.scale[0] = 0.0);
    check("fewer scales than offsets", &|model| model.transform.scale.truncate(1));
    check("another bias", &|model| model.transform.bias = !model.transform.bias);
    check("another w1", &|model| model.network.w1 = HostMatrix::zeros(3, 99));
    check("another w2", &|model| model.network.w2 = HostMatrix::zeros(1, 7));
    check("no outputs", &|model| model.task = Task::Regression { columns: 0 });
    check("more outputs", &|model| model.task = Task::Regression { columns: 2 });
    check("other samples", &|model| model.claim.n_samples += 1);
    let majority = |majority| Task::Binary { classes: ["a".into(), "b".into()], majority };
    assert!(parse(&bytes(&Model { task: majority(1), ..model.clone() })).is_ok());
    check("a majority beyond the classes", &|model| model.task = majority(2));
    check("a majority far beyond the classes", &|model| model.task = majority(usize::MAX));
    check("several classes with a majority beyond them", &|model| {
        model.network.w2 = HostMatrix::zeros(model.network.n_neurons(), 3);
        model.task = Task::Multiclass { classes: ["a", "b", "c"].map(String::from).into(), majority: 3 };
        model.witness = None;
    });
    check("multipliers of other patterns", &|model| {
        let witness = model.witness.as_mut().unwrap();
        witness.multipliers = HostMatrix::zeros(witness.multipliers.rows(), witness.multipliers.cols() + 2);
    });
    check("a proof about no pattern", &|model| {
        let witness = model.witness.as_mut().unwrap();
        witness.gates = HostMatrix::zeros(witness.gates.rows(), 0);
        witness.multipliers = HostMatrix::zeros(witness.multipliers.rows(), 0);
        witness.patterns = BitMask::from_fn(witness.xi.rows(), 0, |_, _| false);
    });
    check("an xi of other samples", &|model| model.witness.as_mut().unwrap().xi = HostMatrix::zeros(3, 1));
    check("gates of other features", &|model| {
        let gates = &mut model.witness.as_mut().unwrap().gates;
        *gates = HostMatrix::zeros(gates.rows() + 1, gates.cols());
    });
}

// ---- M5 ----------------------------------------------------------------------------------------------------------

fn trained(precision: Precision) -> (Dataset, Model, f64) {
    let data = planted(40, 4, 5);
    let settings = Settings { patterns: 8, precision, gap: 1e-4, beta: Beta::Value(0.3), ..exact() };
    let model = train(&data, None, &settings).unwrap().model;
    let best = train(&data, None, &Settings { certify: cvx_admm::Certify::Sampled, gap: 1e-6, ..settings }).unwrap();
    (data, model, best.objective.sampled_primal.unwrap())
}

#[test]
fn m5_verification_agrees_with_the_claims() {
    for precision in [Precision::F32, Precision::F64] {
        let (data, model, _) = trained(precision);
        let (found, claim) = (verify(&model, &data).unwrap(), &model.claim);
        assert!(found.holds() && found.network_agrees && found.bound_agrees, "{found:?}");
        assert!((found.network - claim.objective.network).abs() <= 1e-9 * claim.objective.network);
        assert!((found.loss - claim.train_loss).abs() <= 1e-9 * claim.train_loss);
        let bound = found.dual_bound.unwrap();
        assert!((bound - claim.objective.dual_bound).abs() <= 1e-9 * bound, "{bound}");
        assert_eq!(found.accuracy, claim.train_accuracy);
        let bare = verify(&Model { witness: None, ..model.clone() }, &data).unwrap();
        assert!(bare.network_agrees && bare.dual_bound.is_none() && bare.relative_gap.is_none());
        assert!(!bare.holds(), "a bound without a proof is no more than a claim");
    }
}

#[test]
fn m5_other_data_are_refused() {
    let (data, model, _) = trained(Precision::F64);
    let with = |x: Vec<f64>, y: Vec<f64>| Dataset::new(4, x, Some(Labels::numbers(y)), FeatureKind::Table).unwrap();
    let Some(Labels::Numbers { values: y, .. }) = data.labels() else { panic!() };
    let x = data.values();
    assert!(verify(&model, &with(x.to_vec(), y.clone())).is_ok());
    let mut nudged = x.to_vec();
    nudged[77] += 1e-9;
    let mut relabelled = y.clone();
    relabelled[7] = 1.0 - y[7];
    for other in [
        with(nudged, y.clone()),
        with(x.to_vec(), relabelled),
        data.clone().limit(39).unwrap(),
        data.select(&(0..40).rev().collect::<Vec<_>>()).unwrap(),
        planted(40, 4, 6),
        Dataset::new(4, x.to_vec(), None, FeatureKind::Table).unwrap(),
        planted(40, 5, 5),
    ] {
        assert!(verify(&model, &other).is_err());
    }
}

#[test]
fn m5_one_corrupted_weight_is_caught() {
    let (data, model, _) = trained(Precision::F64);
    let (first, second) = (model.network.w1.values().len(), model.network.w2.values().len());
    for k in 0..first + second {
        // The objective is flat to first order at a good network: a much smaller change changes nothing that is claimed.
        for factor in [1.01, 0.99, -1.0, 0.0] {
            let mut corrupted = model.clone();
            let network = &mut corrupted.network;
            let weight =
                if k < first { &mut network.w1.values_mut()[k] } else { &mut network.w2.values_mut()[k - first] };
            // A weight of the smallest kind may hide in rounding.
            if weight.abs() < 1e-3 {
                continue;
            }
            *weight *= factor;
            let found = verify(&corrupted, &data).unwrap();
            assert!(!found.network_agrees && !found.holds(), "weight {k} times {factor}: {found:?}");
        }
    }
}

#[test]
fn m5_inflated_claims_are_caught() {
    let (data, model, _) = trained(Precision::F64);
    let lie = |change: &dyn Fn(&mut Model)| {
        let mut model = model.clone();
        change(&mut model);
        verify(&model, &data).unwrap()
    };
    let holds = lie(&|_| ());
    assert!(holds.holds());
    for (what, found) in [
        ("a higher bound", lie(&|model| model.claim.objective.dual_bound *= 1.0 + 1e-6)),
        ("a NaN bound", lie(&|model| model.claim.objective.dual_bound = f64::NAN)),
        ("a smaller gap", lie(&|model| model.claim.objective.relative_gap = -1e-6)),
        ("a NaN gap", lie(&|model| model.claim.objective.relative_gap = f64::NAN)),
        ("a lower objective", lie(&|model| model.claim.objective.network *= 1.0 - 1e-6)),
        ("a NaN objective", lie(&|model| model.claim.objective.network = f64::NAN)),
        ("a lower loss", lie(&|model| model.claim.train_loss *= 0.999)),
        ("another beta", lie(&|model| model.claim.beta *= 1.001)),
        ("a negative beta", lie(&|model| model.claim.beta = -0.3)),
        ("a NaN beta", lie(&|model| model.claim.beta = f64::NAN)),
    ] {
        assert!(!found.holds(), "{what}: {found:?}");
    }
    // Claiming less than is proven is no lie.
    assert!(lie(&|model| model.claim.objective.dual_bound *= 0.5).holds());
}

#[test]
fn m5_an_inflated_accuracy_is_caught() {
    let (data, mut model, _) = trained(Precision::F64);
    assert!(model.claim.train_accuracy.unwrap() < 1.0);
    model.claim.train_accuracy = Some(1.0);
    let found = verify(&model, &data).unwrap();
    assert!(!found.holds(), "{found:?}");
}

/// Whatever the witness, what it proves is never more than the truth.
#[test]
fn m5_no_witness_proves_more_than_the_optimum() {
    let (data, model, optimum) = trained(Precision::F64);
    let mut random = Random(8);
    for scale in [1e-4, 1e-2, 1.0, 100.0] {
        for _ in 0..10 {
            let mut forged = model.clone();
            let witness = forged.witness.as_mut().unwrap();
            witness.xi.values_mut().iter_mut().for_each(|xi| *xi += scale * random.signed());
            witness.multipliers.values_mut().iter_mut().for_each(|eta| *eta += scale * random.signed());
            let found = verify(&forged, &data).unwrap();
            assert!(found.dual_bound.unwrap() <= optimum * (1.0 + 1e-12), "{found:?} above {optimum}");
        }
    }
    // The true multipliers with one sign turned prove no more either.
    let mut turned = model.clone();
    turned.witness.as_mut().unwrap().multipliers.values_mut().iter_mut().for_each(|eta| *eta = -*eta);
    assert!(verify(&turned, &data).unwrap().dual_bound.unwrap() <= optimum);
}

/// Norms that overflow to inf - inf are not a number, and must not pass for zero.
#[test]
fn m5_multipliers_that_overflow_prove_nothing() {
    let (data, model, optimum) = trained(Precision::F64);
    let y = model.task.encode(data.labels().unwrap()).unwrap();
    for huge in [1e160, 1.7e308] {
        let mut forged = model.clone();
        let witness = forged.witness.as_mut().unwrap();
        let patterns = witness.patterns.clone();
        witness.multipliers = HostMatrix::from_fn(40, witness.multipliers.cols(), |a, j| {
            if patterns.get(a, j % patterns.cols()) { huge } else { -huge }
        });
        for scale in [1.0, huge] {
            forged.witness.as_mut().unwrap().xi = HostMatrix::from_fn(40, 1, |a, _| scale * y[(a, 0)]);
            let found = verify(&forged, &data).unwrap();
            assert!(found.dual_bound.unwrap() <= optimum && !found.holds(), "{found:?}");
        }
    }
}

/// beta = 0 is 0/0 in the bound: a number all the same.
#[test]
fn m3_a_model_without_penalty_is_verified() {
    let data = smooth(15, 2, 3);
    let settings = Settings { patterns: 4, beta: Beta::Value(0.0), max_iterations: 50, ..sharp(1e-6) };
    let found = verify(&train(&data, None, &settings).unwrap().model, &data).unwrap();
    assert!(found.holds() && found.dual_bound.is_some_and(f64::is_finite), "{found:?}");
    assert!(found.relative_gap.is_some_and(|gap| (0.0..=1.0).contains(&gap)));
}
