//! `cvx data fetch`, and data sets by name. The tests of cvx-fetch cover how files are fetched.

use crate::lab::{Lab, Run, idx};
use std::net::TcpListener;

/// Runs the program with a cache in the folder of the lab.
fn cached(lab: &Lab, arguments: &str) -> Run {
    lab.cvx_with(&[("CVX_CACHE", lab.path("cache").to_str().unwrap())], arguments)
}

/// 60 images of 2 x 2 in the files of MNIST: one digit is bright above, the other below.
fn write_digits(lab: &Lab, folder: &str) {
    let pixels: Vec<u8> =
        (0..60).flat_map(|k| if k % 2 == 0 { [180 + k, 180, 3, k] } else { [5, k, 190, 200] }).collect();
    let labels: Vec<u8> = (0..60).map(|k| k % 2).collect();
    for part in ["train", "t10k"] {
        lab.write(&format!("{folder}/{part}-images-idx3-ubyte.gz"), gz(&idx(&[60, 2, 2], &pixels)));
        lab.write(&format!("{folder}/{part}-labels-idx1-ubyte.gz"), gz(&idx(&[60], &labels)));
    }
}

fn gz(content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_data_set_is_a_source_by_its_name_once_it_is_in_the_cache() {
    let lab = Lab::new();
    for command in ["train --data mnist", "info mnist", "train --data planted:20x4 --test mnist"] {
        let run = cached(&lab, command);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{}", run.stderr);
        assert!(run.stderr.contains("fetch it with: cvx data fetch mnist") && run.stderr.contains("cache"));
    }
    write_digits(&lab, "cache/mnist");
    let trained = cached(&lab, "train --beta-fraction 0.001 --data mnist --patterns 5 --model m.cvx");
    assert!(trained.stdout.contains("cvx verify m.cvx --data mnist"), "{}{}", trained.stdout, trained.stderr);
    let verified = cached(&lab, "verify m.cvx --data mnist");
    assert!(verified.stdout.ends_with("The claims hold.\n"), "{}", verified.stderr);
    assert!(cached(&lab, "predict m.cvx --data mnist --out p.csv").stderr.contains("60 samples: accuracy 100.00 %"));
    assert!(cached(&lab, "info mnist").stdout.contains("pixels, 1 x 2 x 2"));

    // A folder of that name takes precedence.
    lab.write("mnist/x.txt", "no data");
    assert!(cached(&lab, "info mnist").stderr.contains("mnist: the folder has no"));
}

#[test]
fn a_data_set_that_cannot_be_fetched_can_be_put_there_by_hand() {
    let lab = Lab::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let run = cached(&lab, &format!("data fetch cifar10 --from http://127.0.0.1:{port}/x/"));
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    let address = format!("http://127.0.0.1:{port}/x");
    for word in [&format!("{address}/cifar-10-binary.tar.gz cannot be reached"), "By hand: put", "cache"] {
        assert!(run.stderr.contains(word), "{word} is not in: {}", run.stderr);
    }
    assert_eq!(run.stderr.trim_end().lines().count(), 1, "{}", run.stderr);

    let batches = (1..6).map(|k| format!("data_batch_{k}")).chain(["test_batch".to_string()]);
    batches.for_each(|name| lab.write(&format!("here/{name}.bin"), [0; 3073]));
    lab.write("here/batches.meta.txt", "airplane\n");
    let done = lab.done("data fetch cifar10 --to here");
    assert_eq!(done.stdout, "cifar10 is in here: train on it with --data here\n");
    assert_eq!(lab.done("data fetch cifar10 --to here --quiet").stdout, "");
    assert_eq!(lab.cvx("data fetch imagenet").code, Some(2));
}
