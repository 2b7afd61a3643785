//! F4, F5: model files that are damaged or malicious.

mod common;

use common::frame::{Frame, NOWHERE, bytes, matrix, parse, small};
use common::textures::{on_patches, textures};
use cvx_admm::{Beta, FileError, Model, Settings, train, verify};
use cvx_linalg::{BitMask, HostMatrix};
use cvx_model::{Column, ColumnChoices, Dataset, FeatureKind, Labels, Patches, Recipe, Table, Task};
use std::sync::Arc;
use std::time::Instant;

/// The sections that hold a matrix.
const MATRICES: [&str; 7] = ["offset", "scale", "w1", "w2", "proof0.gates", "proof0.xi", "proof0.eta"];

// ---- F4 ----------------------------------------------------------------------------------------------------------

#[test]
fn f4_a_file_cut_off_at_any_byte_is_refused() {
    let whole = bytes(&small().1);
    assert!(parse(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(parse(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
    }
    // The same files with valid checksums.
    let frame = Frame::of(&bytes(&small().1));
    for at in 0..frame.sections.len() {
        let (name, section) = &frame.sections[at];
        for length in 0..section.len() {
            let mut cut = frame.clone();
            cut.sections[at].1.truncate(length);
            assert!(parse(&cut.sealed()).is_err(), "{length} bytes of {name}, sealed");
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

/// With valid checksums, a flipped bit may give another model, but no panic and no excessive allocation.
#[test]
fn f4_a_flipped_bit_under_a_fitting_checksum_never_panics() {
    let (data, model) = small();
    let mut readable = 0;
    let mut use_it = |bytes: &[u8]| {
        if let Ok(model) = parse(bytes) {
            readable += 1;
            assert!(model.network.w1.values().iter().all(|weight| weight.is_finite()));
            if let Ok(prediction) = model.predict(&data) {
                let _ = model.classes(&prediction);
            }
            let _ = verify(&model, &data);
        }
    };
    let mut frame = Frame::of(&bytes(&model));
    for section in 0..frame.sections.len() {
        for at in 0..frame.sections[section].1.len() {
            // Every bit of the header and of the shapes, and a sample of the bits of the numbers.
            let every = frame.sections[section].0 == "header" || at < 24;
            for bit in (0..8).filter(|bit| every || (at + bit) % 23 == 0) {
                frame.sections[section].1[at] ^= 1 << bit;
                use_it(&frame.sealed());
                frame.sections[section].1[at] ^= 1 << bit;
            }
        }
    }
    assert!(readable > 0, "bits of weights make other weights");
}

/// A recipe with every kind of column, and the network on its features.
fn with_recipe() -> (Dataset, Model) {
    let texts =
        Column::Texts { index: vec![0, 1, 1, u32::MAX, 0, 2, 0, 1], levels: ["b", "a", "c"].map(String::from).into() };
    let numbers = Column::Numbers(vec![1.0, 2.5, f64::NAN, 4.0, -1.0, 0.5, 2.0, 3.0]);
    let names = ["number", "text", "same"].map(String::from).to_vec();
    let table = Table::new(vec![numbers, texts, Column::Numbers(vec![1.0; 8])], Some(names)).unwrap();
    let recipe = Arc::new(Recipe::fit(&table, &ColumnChoices::default()).unwrap());
    let labels = Labels::numbers((0..8).map(|k| f64::from(k % 2)).collect());
    let data = Dataset::encode(table, recipe, Some(labels)).unwrap().with_label_name(Some("y".into()));
    let settings = Settings { patterns: 3, beta: Beta::Fraction(0.05), ..Settings::default() };
    let model = train(&data, None, &settings).unwrap().model;
    (data, model)
}

#[test]
fn f4_a_recipe_is_read_as_it_was_written_and_damage_never_panics() {
    let (data, model) = with_recipe();
    let mut frame = Frame::of(&bytes(&model));
    assert!(model.transform.recipe.is_some() && parse(&frame.sealed()).unwrap() == model);
    for name in ["recipe", "label"] {
        for length in 0..frame.section(name).len() {
            let mut cut = frame.clone();
            cut.section(name).truncate(length);
            assert!(parse(&cut.sealed()).is_err(), "{length} bytes of {name}, sealed");
        }
        for at in 0..frame.section(name).len() {
            for bit in 0..8 {
                frame.section(name)[at] ^= 1 << bit;
                if let Ok(model) = parse(&frame.sealed()) {
                    let _ = model.predict(&data);
                    let _ = model.transform.recipe.map(|recipe| (recipe.feature_names(), recipe.describe().len()));
                }
                frame.section(name)[at] ^= 1 << bit;
            }
        }
        for at in 0..frame.section(name).len().saturating_sub(8) {
            for length in [1u64 << 32, 1 << 60, u64::MAX] {
                let mut lying = frame.clone();
                lying.section(name)[at..at + 8].copy_from_slice(&length.to_le_bytes());
                let begin = Instant::now();
                let _ = parse(&lying.sealed());
                assert!(begin.elapsed().as_secs_f64() < 0.5, "{length} at byte {at} of {name}");
            }
        }
    }
    let mut other = model.clone();
    other.transform.recipe = Some(Recipe::plain(99, None));
    assert_refused(&bytes(&other), "a recipe of other features");
}

// ---- F5 ----------------------------------------------------------------------------------------------------------

/// The file is refused, and quickly.
fn assert_refused(bytes: &[u8], what: &str) {
    let begin = Instant::now();
    let result = parse(bytes);
    assert!(result.is_err(), "{what} was accepted");
    assert!(begin.elapsed().as_secs_f64() < 0.5, "{what} took {:?}", begin.elapsed());
}

#[test]
fn f5_other_versions_and_magics_are_named() {
    let whole = bytes(&small().1);
    for (version, advice) in [(0u32, "too old"), (5, "too old"), (7, "newer program"), (u32::MAX, "newer program")] {
        let mut other = Frame::of(&whole).sealed();
        other[8..12].copy_from_slice(&version.to_le_bytes());
        match parse(&other) {
            Err(error @ FileError::Version { .. }) => {
                let text = error.to_string();
                assert!(text.contains(&format!("format {version},")) && text.contains(advice), "{text}");
            }
            other => panic!("{version}: {:?}", other.map(|_| ())),
        }
    }
    for at in 0..8 {
        let mut other = whole.clone();
        other[at] = b'x';
        assert!(matches!(parse(&other), Err(FileError::Magic { .. })));
    }
    let text = parse(b"w1,w2\n0.5,0.25\n").unwrap_err();
    assert!(text.to_string().contains(NOWHERE) && text.to_string().contains("not a cvx model"));
    assert!(matches!(parse(&[]), Err(FileError::Magic { .. })));
}

#[test]
fn f5_hostile_lengths_are_refused_at_once() {
    let frame = Frame::of(&bytes(&small().1));
    let refused = |what: &str, change: &dyn Fn(&mut Frame)| {
        let mut frame = frame.clone();
        change(&mut frame);
        assert_refused(&frame.sealed(), what);
    };
    let put =
        |section: &mut Vec<u8>, at: usize, number: u64| section[at..at + 8].copy_from_slice(&number.to_le_bytes());
    for length in [1u64 << 32, 1 << 40, 1 << 60, 1 << 63, u64::MAX] {
        for name in MATRICES {
            for (at, what) in [(0, "rows"), (8, "columns"), (16, "bytes to a number")] {
                refused(&format!("{name} of {length} {what}"), &|frame| put(frame.section(name), at, length));
            }
        }
        // A length in the header has these eight bytes.
        let mut header = frame.clone();
        for at in 0..header.section("header").len() - 8 {
            let mut lying = header.clone();
            put(lying.section("header"), at, length);
            let begin = Instant::now();
            let _ = parse(&lying.sealed());
            assert!(begin.elapsed().as_secs_f64() < 0.5, "{length} at byte {at} of the header");
        }
    }
    // Products that wrap around to the true size, or to zero.
    for name in MATRICES {
        for (rows, columns) in
            [(1u64 << 32, 1u64 << 32), (1 << 63, 2), (1 << 61, 8), (u64::MAX, u64::MAX), (u64::MAX, 0), (0, u64::MAX)]
        {
            refused(&format!("{name} of {rows} x {columns}"), &|frame| {
                put(frame.section(name), 0, rows);
                put(frame.section(name), 8, columns);
            });
            refused(&format!("an empty {name} of {rows} x {columns}"), &|frame| {
                *frame.section(name) = matrix(rows, columns, &[]);
            });
        }
    }
    for at in 0..frame.sections.len() {
        refused("a longer section", &|frame| frame.sections[at].1.extend([0; 8]));
    }
    refused("an unknown section", &|frame| frame.sections.push(("more".into(), vec![1])));
    refused("an empty file", &|frame| frame.sections.clear());
    for at in 0..frame.sections.len() {
        refused("a missing section", &|frame| drop(frame.sections.remove(at)));
        refused("a section that comes twice", &|frame| frame.sections.push(frame.sections[at].clone()));
    }
    assert_refused(&[&frame.sealed()[..], &[0; 4]].concat(), "bytes after the last section");
}

/// Empty shapes may have any size in the other dimension, and no loop may run over it.
#[test]
fn f5_no_features_and_no_samples_are_refused_at_once() {
    let (_, mut model) = small();
    model.transform.bias = false;
    model.claim.n_samples = 0;
    let mut frame = Frame::of(&bytes(&model));
    for (name, rows, columns) in [
        ("offset", 0, 1),
        ("scale", 0, 1),
        ("w1", 0, 0),
        ("w2", 0, 1),
        ("proof0.gates", 0, 1 << 60),
        ("proof0.xi", 0, 1),
        ("proof0.eta", 0, 1 << 61),
        ("proof0.bits", 0, 0),
    ] {
        *frame.section(name) = if name == "proof0.bits" { Vec::new() } else { matrix(rows, columns, &[]) };
    }
    assert_refused(&frame.sealed(), "2^60 patterns of no sample");
}

#[test]
fn f5_weights_that_are_no_numbers_are_refused() {
    let (_, mut model) = small();
    model.claim.weights = Some(vec![1.5; 8]);
    assert!(parse(&bytes(&model)).unwrap() == model);
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let spoil = |choose: &dyn Fn(&mut Model) -> &mut f64| {
            let mut model = model.clone();
            *choose(&mut model) = value;
            assert_refused(&bytes(&model), &format!("{value}"));
        };
        spoil(&|model| &mut model.network.w1.values_mut()[0]);
        spoil(&|model| model.network.w2.values_mut().last_mut().unwrap());
        spoil(&|model| &mut model.parts[0].witness.as_mut().unwrap().xi.values_mut()[3]);
        spoil(&|model| &mut model.parts[0].witness.as_mut().unwrap().gates.values_mut()[1]);
        spoil(&|model| &mut model.parts[0].witness.as_mut().unwrap().multipliers.values_mut()[2]);
        spoil(&|model| &mut model.transform.scale[0]);
        spoil(&|model| &mut model.transform.offset[1]);
        spoil(&|model| &mut model.claim.weights.as_mut().unwrap()[4]);
        // The same change in the bytes of the file.
        let frame = Frame::of(&bytes(&model));
        for name in MATRICES {
            let mut changed = frame.clone();
            let section = changed.section(name);
            match section[16] {
                4 => section[24..28].copy_from_slice(&(value as f32).to_le_bytes()),
                _ => section[24..32].copy_from_slice(&value.to_le_bytes()),
            }
            assert_refused(&changed.sealed(), &format!("{value} in {name}"));
        }
    }
    for weight in [0.0, -1.0] {
        model.claim.weights.as_mut().unwrap()[2] = weight;
        assert_refused(&bytes(&model), &format!("a weight of {weight}"));
    }
}

/// With a negative beta an objective falls without limit, and any claim about it could be made to hold.
#[test]
fn f5_a_beta_that_is_negative_or_no_number_is_refused() {
    let (_, model) = small();
    for beta in [-1.0, -f64::MIN_POSITIVE, f64::NAN, f64::INFINITY] {
        let of_part = &mut model.clone();
        of_part.parts[0].beta = beta;
        assert_refused(&bytes(of_part), &format!("a part with a beta of {beta}"));
        let of_claim = &mut model.clone();
        of_claim.claim.beta = beta;
        assert_refused(&bytes(of_claim), &format!("a claim with a beta of {beta}"));
    }
}

/// Parts that are each readable but inconsistent; each would cause a panic in prediction or verification.
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
    check("another number of features", &|model| {
        model.transform.scale.truncate(1);
        model.transform.offset.truncate(1);
    });
    check("another bias", &|model| model.transform.bias = !model.transform.bias);
    check("another w1", &|model| model.network.w1 = HostMatrix::zeros(3, 99));
    check("another w2", &|model| model.network.w2 = HostMatrix::zeros(1, 7));
    check("no outputs", &|model| model.task = Task::Regression { columns: 0 });
    check("more outputs", &|model| model.task = Task::Regression { columns: 2 });
    check("other samples", &|model| model.claim.n_samples += 1);
    check("fewer weights than samples", &|model| model.claim.weights = Some(vec![1.0; 7]));
    check("fewer names than features", &|model| model.transform.feature_names = Some(vec!["a".into()]));
    let majority = |majority| Task::Binary { classes: ["a".into(), "b".into()], majority };
    assert!(parse(&bytes(&Model { task: majority(1), ..model.clone() })).is_ok());
    check("a majority beyond the classes", &|model| model.task = majority(2));
    check("a majority far beyond the classes", &|model| model.task = majority(usize::MAX));
    check("several classes with a majority beyond them", &|model| {
        model.network.w2 = HostMatrix::zeros(model.network.n_neurons(), 3);
        model.parts[0].output_bias = vec![0.0; 3];
        model.task = Task::Multiclass { classes: ["a", "b", "c"].map(String::from).into(), majority: 3 };
        model.parts[0].witness = None;
    });
    check("multipliers of other patterns", &|model| {
        let witness = model.parts[0].witness.as_mut().unwrap();
        witness.multipliers = HostMatrix::zeros(witness.multipliers.rows(), witness.multipliers.cols() + 2);
    });
    check("a proof about no pattern", &|model| {
        let witness = model.parts[0].witness.as_mut().unwrap();
        witness.gates = HostMatrix::zeros(witness.gates.rows(), 0);
        witness.multipliers = HostMatrix::zeros(witness.multipliers.rows(), 0);
        witness.patterns = BitMask::from_fn(witness.xi.rows(), 0, |_, _| false);
    });
    check("an xi of other samples", &|model| model.parts[0].witness.as_mut().unwrap().xi = HostMatrix::zeros(3, 1));
    check("gates of other features", &|model| {
        let gates = &mut model.parts[0].witness.as_mut().unwrap().gates;
        *gates = HostMatrix::zeros(gates.rows() + 1, gates.cols());
    });
}

// ---- gates of patches --------------------------------------------------------------------------------------------

fn of_patches() -> (Dataset, Model) {
    let data = textures(12, 2, 1);
    let settings = Settings { patterns: 3, max_iterations: 20, ..on_patches() };
    let model = train(&data, None, &settings).unwrap().model;
    assert!(model.network.n_neurons() > 0);
    (data, model)
}

#[test]
fn f5_hostile_sizes_of_patches_are_refused_at_once() {
    let (_, model) = of_patches();
    let frame = Frame::of(&bytes(&model));
    // Channels, rows, columns, side, stride, regions, mirrored.
    let words: Vec<u64> =
        frame.clone().section("patches").chunks(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
    assert_eq!(words, [1, 16, 16, 3, 1, 2, 1]);
    let refused = |words: &[u64], what: &str| {
        let mut frame = frame.clone();
        *frame.section("patches") = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_refused(&frame.sealed(), what);
    };
    for (at, name) in ["channels", "height", "width", "side", "stride", "regions", "mirrored"].iter().enumerate() {
        for number in [0, 2, 17, 255, 1 << 16, 1 << 31, 1 << 32, 1 << 60, 1 << 63, u64::MAX - 1, u64::MAX] {
            let mut other = words.clone();
            other[at] = number;
            // A stride of 2 and no mirror images make another network, and 2 is the number of regions.
            let another = match *name {
                "stride" => number == 2,
                "mirrored" => number == 0,
                _ => other == words,
            };
            if !another {
                refused(&other, &format!("{name} {number}"));
            }
        }
    }
    for eighth in [0, 1, 8, 32, u64::MAX] {
        refused(&[&words[..], &[eighth]].concat(), &format!("an eighth number {eighth}"));
    }
    refused(&[&words[..], &[16, 16]].concat(), "nine numbers");
    refused(&[&words[..6], &[16]].concat(), "16 in place of the seventh");
    refused(&words[..6], "six numbers");
    refused(&[], "no numbers");
    // The same numbers in the kind of the features, so that the two agree.
    for (channels, height, width) in [
        (0, 16, 16),
        (1, 0, 16),
        (1 << 32, 1 << 32, 1),
        (1 << 40, 16, 16),
        (1, 1 << 63, 2),
        (1, usize::MAX, 16),
        (2, 16, 16),
        (1, 16, 17),
    ] {
        let mut other = model.clone();
        other.kind = FeatureKind::Image { channels, height, width };
        let patches = Patches { channels, height, width, ..(**model.network.patches.as_ref().unwrap()).clone() };
        // Values that fit the channels, where they can exist.
        let values = if channels < 3 { HostMatrix::zeros(9 * channels + 1, 7) } else { patches.values.clone() };
        other.network.patches = Some(Arc::new(Patches { values, ..patches }));
        assert_refused(&bytes(&other), &format!("images of {channels} x {height} x {width}"));
    }
}

#[test]
fn f5_parts_of_patches_that_do_not_fit_are_refused() {
    let (_, model) = of_patches();
    let frame = Frame::of(&bytes(&model));
    assert!(parse(&frame.sealed()).unwrap() == model);
    let refused = |what: &str, change: &dyn Fn(&mut Frame)| {
        let mut frame = frame.clone();
        change(&mut frame);
        assert_refused(&frame.sealed(), what);
    };
    for (name, rows, columns) in [
        ("patches.values", 10, 6),
        ("patches.values", 9, 7),
        ("patches.values", 10, 0),
        ("patches.values", 0, 7),
        ("patches.contrast", 2, 1),
        ("patches.contrast", 0, 1),
        ("gates", 256, 3),
        ("gates", 10, 0),
        ("gates", 9, 3),
        ("proof0.gates", 256, 3),
        ("proof0.gates", 10, 0),
        ("w1", 256, 3),
        ("w1", 28, 0),
    ] {
        let values = vec![0.5; (rows * columns) as usize];
        refused(&format!("{name} of {rows} x {columns}"), &|frame| {
            *frame.section(name) = matrix(rows, columns, &values)
        });
    }
    for (rows, columns) in [(1u64 << 32, 1u64 << 32), (u64::MAX, 0), (0, u64::MAX), (10, 1 << 60)] {
        for name in ["patches.values", "patches.contrast", "gates"] {
            refused(&format!("{name} of {rows} x {columns}"), &|frame| {
                *frame.section(name) = matrix(rows, columns, &[]);
            });
        }
    }
    refused("bits of patches", &|frame| *frame.section("proof0.bits") = vec![0; 24]);
    for name in ["patches", "patches.values", "patches.contrast", "gates"] {
        refused(&format!("no {name}"), &|frame| frame.sections.retain(|(other, _)| other != name));
    }
    for contrast in [-1.0, f64::NAN, f64::INFINITY] {
        refused("the contrast", &|frame| *frame.section("patches.contrast") = matrix(1, 1, &[contrast]));
    }
    for value in [f64::NAN, f64::INFINITY] {
        refused("a value", &|frame| {
            let section = frame.section("patches.values");
            match section[16] {
                4 => section[24..28].copy_from_slice(&(value as f32).to_le_bytes()),
                _ => section[24..32].copy_from_slice(&value.to_le_bytes()),
            }
        });
    }
    let check = |what: &str, change: &dyn Fn(&mut Model)| {
        let mut model = model.clone();
        change(&mut model);
        assert_refused(&bytes(&model), what);
    };
    check("no images", &|model| model.kind = FeatureKind::Table);
    check("a bias", &|model| model.transform.bias = true);
    check("no gates", &|model| model.network.gates = None);
    check("patches of another network", &|model| model.network.patches = None);
}

/// Other weights may come out, but no panic: patches that are read can be predicted with and verified.
#[test]
fn f4_flipped_bits_of_patches_under_a_fitting_checksum_never_panic() {
    let (data, model) = of_patches();
    let mut frame = Frame::of(&bytes(&model));
    let few = data.select(&[0]).unwrap();
    let mut readable = 0;
    for name in ["patches", "patches.values", "patches.contrast", "gates"] {
        for at in 0..frame.section(name).len() {
            let every = name == "patches" || at < 24;
            for bit in (0..8).filter(|bit| every || (at + bit) % 67 == 0) {
                frame.section(name)[at] ^= 1 << bit;
                let begin = Instant::now();
                let parsed = parse(&frame.sealed());
                assert!(begin.elapsed().as_secs_f64() < 0.5, "bit {bit} of byte {at} of {name}");
                if let Ok(model) = parsed {
                    readable += 1;
                    assert!(model.predict(&few).is_ok(), "bit {bit} of byte {at} of {name}");
                    // Some low bits of numbers change nothing that can be seen.
                    let _ = verify(&model, &data);
                }
                frame.section(name)[at] ^= 1 << bit;
            }
        }
    }
    assert!(readable > 0, "bits of gates make other gates");
}
