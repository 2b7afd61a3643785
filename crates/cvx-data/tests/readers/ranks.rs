//! Samples that are read by several ranks, as threads of this process: each has its rows of the whole.

use std::ops::Range;
use std::sync::Arc;
use std::thread;

use cvx_data::{DataError, Header, Request, open, open_over};
use cvx_linalg::{Communicator, RankError, Ranks, SampleSums, Shards, Threads};
use cvx_model::{ColumnChoices, DataSplit, Dataset, ModelError};
use proptest::prelude::*;
use zip::CompressionMethod::{Deflated, Stored};

use crate::images::grey;
use crate::lab::{Lab, cifar_record, idx, npy, npy_f64, npz, text};

/// What each of `size` ranks reads, and its rows.
fn on_ranks(source: &str, size: usize, shards: usize) -> Vec<(Range<usize>, Result<DataSplit, DataError>)> {
    on_ranks_as(source, &Request::default(), size, shards)
}

fn on_ranks_as(
    source: &str,
    request: &Request,
    size: usize,
    shards: usize,
) -> Vec<(Range<usize>, Result<DataSplit, DataError>)> {
    thread::scope(|scope| {
        let read = |threads: Threads| {
            let world: Arc<dyn Communicator> = Arc::new(threads);
            move || {
                let over =
                    |n: usize| Ok(SampleSums::of_rank(Arc::new(Ranks::new(world.clone(), Shards::cut(n, shards))?)));
                let read = open_over(source, request, &|_| {}, &over);
                let own = read.as_ref().ok().and_then(|split| split.train.samples().ranks()).map(|ranks| ranks.own());
                (own.unwrap_or_default(), read)
            }
        };
        let ranks: Vec<_> = Threads::connected(size).into_iter().map(|rank| scope.spawn(read(rank))).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

fn rows_of(data: &Dataset, rows: Range<usize>) -> Dataset {
    data.select(&rows.collect::<Vec<_>>()).unwrap()
}

/// Fails unless the ranks have all samples together, each its own, and the whole test set.
fn assert_parts(source: &str, size: usize, shards: usize) {
    let whole = open(source, &Request::default()).unwrap();
    let mut next = 0;
    for (rows, part) in on_ranks(source, size, shards) {
        let part = part.unwrap();
        assert_eq!((rows.start, part.train.n_samples()), (next, rows.len()), "{source}");
        next = rows.end;
        assert_eq!(part.train, rows_of(&whole.train, rows), "{source}");
        assert_eq!(part.test, whole.test, "{source}");
    }
    assert_eq!(next, whole.train.n_samples(), "{source}");
}

#[test]
fn folders_and_planted_samples_are_read_in_parts() {
    let [cifar, mnist, images] = [Lab::new(), Lab::new(), Lab::new()];
    cifar.write("data_batch_1.bin", [cifar_record(1, 10), cifar_record(2, 20)].concat());
    cifar.write("data_batch_2.bin", [cifar_record(3, 30), cifar_record(4, 40), cifar_record(5, 50)].concat());
    for ending in ["", ".gz"] {
        let pixels: Vec<u8> = (0..7 * 6).collect();
        mnist.write(&format!("train-images-idx3-ubyte{ending}"), idx(&[7, 2, 3], &pixels));
        mnist.write(&format!("train-labels-idx1-ubyte{ending}"), idx(&[7], &[0, 1, 2, 3, 4, 5, 6]));
        mnist.write("t10k-images-idx3-ubyte", idx(&[1, 2, 3], &[255; 6]));
        mnist.write("t10k-labels-idx1-ubyte", idx(&[1], &[9]));
    }
    for class in ["cat", "dog"] {
        std::fs::create_dir(images.path(class)).unwrap();
        (0..4).for_each(|at| drop(images.write(&format!("{class}/{at}.png"), grey(&[at, 7, class.as_bytes()[0]]))));
    }
    for (ranks, shards) in [(1, 1), (1, 4), (2, 2), (3, 5)] {
        for lab in [&cifar, &mnist, &images] {
            assert_parts(&text(&lab.path("")), ranks, shards);
        }
        assert_parts("planted:30x4", ranks, shards);
    }
    std::fs::remove_file(mnist.path("train-images-idx3-ubyte")).unwrap();
    std::fs::remove_file(mnist.path("train-labels-idx1-ubyte")).unwrap();
    assert_parts(&text(&mnist.path("")), 3, 5);
}

#[test]
fn more_ranks_than_shards_are_refused() {
    for (_, read) in on_ranks("planted:30x4", 3, 2) {
        let error = read.unwrap_err();
        assert!(matches!(error, DataError::Ranks(RankError::TooManyRanks { ranks: 3, shards: 2, .. })), "{error}");
    }
}

/// [`assert_parts`] of a table. The means in its recipe are sums over the shards, in another order than in one process,
/// and stand for levels that are none of training's: they are compared on their own.
fn assert_table_parts(source: &str, request: &Request, size: usize, shards: usize) {
    let whole = open(source, request);
    let parts = on_ranks_as(source, request, size, shards);
    let recipes: Vec<_> = parts.iter().filter_map(|(_, part)| part.as_ref().ok()?.train.recipe()).collect();
    assert!(recipes.windows(2).all(|pair| pair[0] == pair[1]));
    for (rows, part) in &parts {
        let (whole, part) = match (&whole, part) {
            (Ok(whole), Ok(part)) => (&whole.train, &part.train),
            // Rows without a label are no samples.
            (_, Err(DataError::Ranks(RankError::TooManyRanks { .. }))) => continue,
            (Err(whole), Err(part)) => {
                assert_eq!(whole.to_string(), part.to_string());
                continue;
            }
            (whole, part) => panic!("{whole:?} {part:?}"),
        };
        let whole = rows_of(whole, rows.clone());
        assert_eq!(part.values(), whole.values());
        assert_eq!((part.labels(), part.feature_names()), (whole.labels(), whole.feature_names()));
        assert_eq!((part.label_name(), part.notes()), (whole.label_name(), whole.notes()));
        let (ours, theirs) = (part.recipe().unwrap(), whole.recipe().unwrap());
        assert_eq!((ours.columns(), ours.dropped()), (theirs.columns(), theirs.dropped()));
        for (ours, theirs) in ours.features().iter().zip(theirs.features()) {
            assert_eq!((ours.source, ours.part), (theirs.source, theirs.part));
            assert!((ours.mean - theirs.mean).abs() <= 1e-13 * (1.0 + theirs.mean.abs()), "{ours:?} {theirs:?}");
        }
    }
}

/// A row of labels too many is an error of every rank, wherever its own rows are.
#[test]
fn labels_of_another_number_are_refused_on_every_rank() {
    let arrays = [("X", npy_f64("(6, 1)", &[1.0; 6])), ("y", npy_f64("(7,)", &[1.0; 7]))];
    let lab = Lab::new();
    for (_, read) in on_ranks(&lab.write("t.npz", npz(Stored, &arrays)), 2, 2) {
        let error = read.unwrap_err();
        assert!(matches!(error, DataError::Mismatch { expected: 6, found: 7, .. }), "{error}");
    }
}

/// An error of one sample is one of the rank that has it, with the row among all.
#[test]
fn a_number_that_is_none_is_told_by_its_rank() {
    let lab = Lab::new();
    let mut values = [1.0; 8];
    values[6] = f64::NAN;
    let source = lab.write("t.npy", npy_f64("(8, 1)", &values));
    let [first, second] = <[_; 2]>::try_from(on_ranks(&source, 2, 2)).unwrap_or_else(|_| unreachable!());
    assert!(first.1.is_ok());
    let error = second.1.unwrap_err();
    assert!(matches!(error, DataError::Unusable { error: ModelError::NonFinite { row: 6, .. }, .. }), "{error}");
}

/// The other ranks do not wait for it, whatever they are to agree on.
#[test]
fn a_text_that_is_no_date_is_told_by_its_rank() {
    let lab = Lab::new();
    let line = |row: usize| format!("{},2024-01-{}0,{}\n", row % 3, if row == 5 { 7 } else { 1 }, row % 2);
    let source = lab.write("t.csv", (0..9).map(line).collect::<String>());
    let columns = ColumnChoices { dates: vec!["2".into()], ..ColumnChoices::default() };
    let read = on_ranks_as(&source, &Request { columns, ..Request::default() }, 3, 3);
    let errors: Vec<DataError> = read.into_iter().map(|(_, read)| read.unwrap_err()).collect();
    assert!(
        matches!(&errors[1], DataError::Unusable { error: ModelError::BadValue { row: 5, .. }, .. }),
        "{}",
        errors[1]
    );
    for error in [&errors[0], &errors[2]] {
        assert!(matches!(error, DataError::Ranks(RankError::Lost { .. })), "{error}");
    }
}

/// Bytes without a pattern.
fn noise(k: usize) -> u8 {
    ((k as u64).wrapping_add(0x9e37).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as u8
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arrays_are_read_in_parts(
        rows in 1usize..40,
        width in 1usize..5,
        ranks in 1usize..5,
        more in 0usize..4,
        by_columns in any::<bool>(),
        is_wide in any::<bool>(),
    ) {
        let (ranks, shards) = (ranks.min(rows), (ranks + more).min(rows));
        let order = if by_columns { "True" } else { "False" };
        let bytes: Vec<u8> = (0..rows * 2 * width).map(noise).collect();
        let (descr, shape) = if is_wide { ("<i2", format!("({rows}, {width})")) } else {
            ("|u1", format!("({rows}, 2, {width})"))
        };
        let x = npy(descr, order, &shape, &bytes);
        let texts: Vec<u8> = (0..rows).flat_map(|row| [b'a' + noise(row) % 5, 0]).collect();
        let labels = [
            npy("|S2", order, &format!("({rows},)"), &texts),
            npy("|u1", order, &format!("({rows}, 2)"), &bytes[..2 * rows]),
        ];
        let lab = Lab::new();
        for name in ["x.npy", "x.npy.gz"] {
            assert_parts(&lab.write(name, &x), ranks, shards);
        }
        let x_test = npy(descr, "False", &shape, &bytes);
        for (y, method) in labels.into_iter().zip([Stored, Deflated]) {
            let arrays = [("x_train", x.clone()), ("y_train", y.clone()), ("x_test", x_test.clone()), ("y_test", y)];
            assert_parts(&lab.write("x.npz", npz(method, &arrays)), ranks, shards);
        }
    }

    /// Columns of every kind, whose first text, level, gap or second value may be on any rank.
    #[test]
    fn tables_are_read_in_parts(
        rows in 2usize..70,
        ranks in 1usize..5,
        more in 0usize..4,
        seed in 0usize..1000,
        names_are_texts in any::<bool>(),
        is_named in any::<bool>(),
    ) {
        let (ranks, shards) = (ranks.min(rows), (ranks + more).min(rows));
        let at = |row: usize, column: usize, most: u8| noise(seed + 7 * row + 1013 * column) % most;
        let rare = |row: usize, column: usize| at(row, column, 40) == 0;
        let line = |row: usize| {
            let number = if rare(row, 1) { String::new() } else { format!("{}.5", i32::from(at(row, 2, 200)) - 99) };
            let level = ["red", "green", "", "blue"][usize::from(at(row, 3, 4))];
            // A number until a text comes, and texts that begin late.
            let mixed = if rare(row, 4) { "x".to_string() } else { at(row, 5, 3).to_string() };
            let late = if rare(row, 6) { "once" } else { "NA" };
            let constant = if rare(row, 7) { "2" } else { "1" };
            let label = match (at(row, 8, 20), names_are_texts) {
                (0, _) => String::new(),
                (k, true) => if k < 3 { k.to_string() } else { "abc"[usize::from(k % 3)..].to_string() },
                (k, false) => k.to_string(),
            };
            let (level_again, day) = (if rare(row, 9) { "grey" } else { level }, 1 + at(row, 10, 28));
            let key = format!("k{}", if rare(row, 11) { 0 } else { row });
            let [id, count] = [2, 13].map(|column| if rare(row, column) { 0 } else { row });
            let zero = ["-0", "0"][usize::from(at(row, 12, 2))];
            format!(
                "{id},{count},{number},{level},{mixed},{late},{constant},{level_again},2024-01-{day:02},{key},{},{zero},\
                 {label}\n",
                at(row, 14, 70),
            )
        };
        let header = "id,,number,level,mixed,late,constant,again,day,key,codes,zero,label\n";
        let content: String = (0..rows).map(line).collect();
        let content = if is_named { format!("{header}{content}") } else { content };
        let lab = Lab::new();
        let columns = ColumnChoices {
            dates: vec!["9".into()],
            categorical: vec!["11".into()],
            ..ColumnChoices::default()
        };
        let header = if is_named { Header::Yes } else { Header::No };
        let request = Request { columns, header, ..Request::default() };
        for name in ["t.csv", "t.csv.gz"] {
            assert_table_parts(&lab.write(name, &content), &request, ranks, shards);
        }
    }

    #[test]
    fn sparse_lines_are_read_in_parts(rows in 1usize..60, ranks in 1usize..5, more in 0usize..4) {
        let (ranks, shards) = (ranks.min(rows), (ranks + more).min(rows));
        let line = |row: usize| match noise(row) % 4 {
            0 => format!("# none\n{row}\n"),
            _ => format!("{row} {}:1.5 300:{}\n", 1 + noise(row + 999), row + 1),
        };
        let lab = Lab::new();
        for name in ["t.svm", "t.svm.gz"] {
            // One sample alone has the largest index.
            let text: String = (0..rows).map(line).collect::<String>() + "7 301:2\n";
            assert_parts(&lab.write(name, text), ranks, shards);
        }
    }
}
