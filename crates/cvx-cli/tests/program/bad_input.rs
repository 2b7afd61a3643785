//! Refused input: exit code 2, one line that names the place and the remedy, and no file is written.

use crate::lab::{GREY_PNG, Lab, ONCE, cats_and_dogs, npy};

#[test]
fn f8_files_that_are_not_there() {
    let lab = Lab::new();
    lab.refused("train --data missing.csv", &["missing.csv", "no such file", "check the name"]);
    lab.refused("train --data missing", &["missing"]);
    for command in ["info x.cvx", "predict x.cvx --data planted", "verify x.cvx --data planted"] {
        let message = lab.refused(command, &["x.cvx", "check the name"]).to_lowercase();
        assert_eq!(message.matches("does not exist").count(), 1, "said twice or not at all: {message}");
    }
    lab.write("t.csv", cats_and_dogs(30, 1));
    lab.refused("train --data t.csv --test missing.csv", &["missing.csv", "check the name"]);
    lab.refused("train --data t.csv --gates missing.npy", &["--gates", "missing.npy", "check the name"]);
    lab.write("folder/readme.txt", "");
    lab.refused(
        "train --data folder",
        &["folder", "data_batch_1.bin", "for each class", "check that it is the right one"],
    );
    lab.refused("predict folder --data t.csv", &["folder"]);
}

#[test]
fn f8_csv_tables_that_are_no_tables() {
    let lab = Lab::new();
    for (content, words) in [
        ("", &["t.csv", "give at least one"][..]),
        ("a,b,label\n", &["t.csv", "no samples", "give at least one"]),
        ("a,b,label\n1,2,x\n3,y\n", &["t.csv line 3", "expected 3 fields, found 2", "complete or remove"]),
        ("a,b,label\n1,2,x\n\n3,4,5,y\n", &["t.csv line 4", "expected 3 fields, found 4"]),
        ("a,b,label\n1,2,\n3,4,NA\n", &["t.csv", "no rows with a label", "give at least one"]),
        ("a,b,label\n1,2,x\n1,2,y\n", &["t.csv", "no column is left", "a (constant), b (constant)", "--numeric"]),
        ("label\nx\ny\n", &["t.csv", "features"]),
    ] {
        lab.write("t.csv", content);
        lab.refused("train --data t.csv --model m.cvx", words);
        if !content.is_empty() {
            lab.refused("info t.csv", &[]);
        }
    }
    let numbers: String = (0..40).map(|k| format!("1,{k}.5,x\n3,{k},y\n")).collect();
    lab.write("t.csv", format!("a,b,label\n{numbers}3,abc,y\n"));
    let words = ["t.csv line 82, column 2 ('b')", "'abc' is not a number", "correct or remove", "--label-column names"];
    lab.refused("train --data t.csv --model m.cvx", &words);
    lab.refused("train --data t.csv", &["--categorical those of categories"]);
    lab.write("t.csv.gz", "not packed");
    lab.refused("train --data t.csv.gz", &["t.csv.gz", "damaged", "fetch the file again"]);
    lab.write("t.csv", b"a,b,label\n1,2,\xff\xfe\n");
    lab.refused("train --data t.csv", &["t.csv line 2, column 3"]);
}

#[test]
fn r1_numbers_that_are_not_finite() {
    let lab = Lab::new();
    for bad in ["inf", "-inf", "1e999"] {
        lab.write("t.csv", format!("a,b,label\n1,2,x\n3,{bad},y\n"));
        let place = "t.csv line 3, column 2 ('b')";
        lab.refused("train --data t.csv", &[place, "is not a finite number", "correct or remove it"]);
        lab.write("t.csv", format!("a,b,label\n1,2,0.5\n3,4,{bad}\n5,6,0.25\n"));
        lab.refused("train --data t.csv", &["t.csv line 3, column 3 ('label')", "is not a finite number"]);
    }
    // A number that f64 holds and f32 does not.
    lab.write("t.csv", "a,b,label\n1,2,x\n3,1e39,y\n");
    for command in [ONCE, "train", "path"] {
        let command = format!("{command} --data t.csv --normalize none");
        lab.refused(&command, &["--data t.csv", "row 2, column 2 (counted from 1)", "precision"]);
    }
    lab.train_once("--data t.csv --normalize none --precision f64");
    let report = lab.report_once("--data t.csv");
    assert_eq!(report["status"], "Optimal", "normalised, the same number fits");
}

/// `cvx info` reads only the first bytes to see that a file is not a model.
#[cfg(unix)]
#[test]
fn f8_a_file_larger_than_the_memory() {
    let lab = Lab::new();
    let file = std::fs::File::create(lab.path("huge.npy")).unwrap();
    file.set_len(1 << 42).unwrap();
    let run = lab.cvx("info huge.npy");
    assert!(run.code == Some(2) && run.stderr.contains("it is not a NumPy array"), "{}", run.stderr);
}

#[test]
fn f8_binary_files_that_are_cut_short_or_something_else() {
    let lab = Lab::new();
    lab.write("cifar/data_batch_1.bin", [0; 3073 + 1000]);
    lab.refused("train --data cifar", &["data_batch_1.bin", "byte 3073", "found 4073", "fetch the file again"]);
    lab.write("cifar/data_batch_1.bin", [10; 3073]);
    lab.refused("train --data cifar", &["data_batch_1.bin", "label 10 at byte 0", "10 classes"]);

    let header = |magic: u32, lengths: &[u32]| -> Vec<u8> {
        [magic].iter().chain(lengths).flat_map(|word| word.to_be_bytes()).collect()
    };
    let images = [header(0x803, &[2, 3, 3]), vec![7; 18]].concat();
    lab.write("idx/train-images-idx3-ubyte", &images[..images.len() - 1]);
    lab.write("idx/train-labels-idx1-ubyte", [header(0x801, &[2]), vec![0, 1]].concat());
    lab.refused("train --data idx", &["train-images-idx3-ubyte", "cut short at byte 16", "fetch the file again"]);
    lab.write("idx/train-images-idx3-ubyte", &images);
    lab.write("idx/train-labels-idx1-ubyte", [header(0x801, &[1]), vec![0]].concat());
    lab.refused("train --data idx", &["train-labels-idx1-ubyte", "expected 2 labels, found 1"]);
    lab.write("idx/train-labels-idx1-ubyte", [header(0x803, &[1]), vec![0]].concat());
    lab.refused("train --data idx", &["train-labels-idx1-ubyte", "0x00000803", "0x00000801"]);

    lab.write("t.npz", b"PK\x03\x04\x14\x00\x00\x00\x00\x00");
    lab.refused("train --data t.npz", &["t.npz", "damaged", "fetch the file again"]);
    lab.write("t.npz", "x_train");
    lab.refused("train --data t.npz", &["t.npz", "0x504b", "it is not an archive of NumPy arrays"]);
    let array = npy(3, 2, &[1.0; 6]);
    lab.write("t.npy", &array[..array.len() - 1]);
    lab.refused("train --data t.npy", &["t.npy", "cut short at byte", "fetch the file again"]);
    lab.write("t.svm", "1 1:0.5 2:x\n");
    lab.refused("train --data t.svm", &["t.svm line 1, entry 2", "'2:x'"]);
}

#[test]
fn r3_labels_that_make_no_task() {
    let lab = Lab::new();
    lab.write("one.csv", "a,label\n1,x\n2,x\n");
    lab.refused("train --data one.csv", &["--data one.csv", "a single class, 'x'", "at least two"]);
    lab.write("same.csv", "a,label\n1,3\n2,3\n");
    lab.refused("train --data same.csv", &["a single class, '3'", "at least two"]);
    lab.write("t.csv", "a,label\n1,cat\n2,dog\n3,cow\n");
    lab.refused("train --data t.csv --classes cat", &["a single class, 'cat'"]);
    lab.refused("train --data t.csv --classes cat,zebra", &["--classes", "'zebra'", "the classes are cat, cow, dog"]);
    lab.refused("train --data t.csv --limit 1", &["single class"]);
    lab.refused("train --data t.csv --task binary", &["3 classes", "--classes", "--task multiclass"]);
    lab.refused("train --data t.csv --task regression", &["t.csv line 2, column 2 ('label')", "'cat' is not a number"]);
    lab.refused("train --data t.csv --label-column colour", &["'colour'", "the columns are a, label"]);
    lab.write("bare.npy", npy(3, 2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    for command in ["train", "path"] {
        lab.refused(&format!("{command} --data bare.npy"), &["--data bare.npy", "no labels", "x_train and y_train"]);
    }
    lab.write("images/a.png", GREY_PNG);
    let message =
        lab.refused("train --data images", &["--data images", "no labels", "the images of each class into a folder"]);
    assert!(!message.contains("column"), "{message}");
}

#[test]
fn f8_names_that_are_nearly_right_and_files_of_another_kind() {
    let lab = Lab::new();
    lab.write("table.csv", cats_and_dogs(30, 1));
    for command in ["info tabel.csv", "train --data table.cvs", "train --data planted:5x5x5", "info planted:5"] {
        let message = lab.refused(command, &[]);
        let expected =
            if command.contains("planted") { "planted:NxD" } else { "check the name; did you mean 'table.csv'?" };
        assert!(message.contains(expected), "{message}");
    }
    lab.refused("train --data mnits", &["mnits: there is no such file", "did you mean 'mnist'?"]);
    assert!(!lab.refused("info nowhere/x.csv", &["check the name"]).contains("did you mean"));
    let train = "train --data table.csv --patterns 5 --max-iterations 3 --gap 1e-9 --quiet";
    lab.done(&format!("{train} --checkpoint run.ckpt --model m.cvx"));
    for command in ["info run.ckpt", "train --data run.ckpt", "predict m.cvx --data run.ckpt"] {
        lab.refused(command, &["the checkpoint of a run after 3 iterations", "cvx train --resume run.ckpt"]);
    }
    lab.refused("train --data m.cvx", &["m.cvx is a model", "cvx info m.cvx"]);
}

#[cfg(target_os = "linux")]
#[test]
fn f2_the_file_that_cannot_be_written_is_named_not_the_temporary_one() {
    let message = Lab::new().refused("train --model /proc/x", &["--model /proc/x: no file can be made in /proc"]);
    assert!(!message.contains("partial"), "{message}");
}

/// Class names come from files: a line break in one must not break the message.
#[test]
fn f8_a_class_name_cannot_break_the_message() {
    let lab = Lab::new();
    lab.write("t.csv", "a,label\n1,\"one\nerror: two\"\n2,\"\x1b[31mred\"\n3,plain\n");
    let message = lab.refused("train --data t.csv --classes zebra", &["--classes", "'zebra'"]);
    assert!(!message.contains('\x1b'));
    lab.write("t.csv", "a,label\n1,\"one\nerror: two\"\n2,\"one\nerror: two\"\n");
    lab.refused("train --data t.csv", &["single class"]);
}

/// What is printed about a table or a model of somebody else has no commands for the terminal.
#[test]
fn f8_a_class_name_cannot_command_the_terminal() {
    let lab = Lab::new();
    let rows = (0..20).map(|row| format!("{row},{}\n", if row < 10 { "\"\x1b[31mred\"" } else { "\"pl\x07ain\"" }));
    lab.write("t.csv", format!("a,label\n{}", rows.collect::<String>()));
    for command in ["info t.csv", "train --data t.csv --beta 0.1 --model m.cvx", "info m.cvx"] {
        let shown = lab.done(command).stdout;
        assert!(shown.contains("\\u{1b}[31mred") && !shown.contains(['\x1b', '\x07']), "{command}: {shown}");
    }
}

#[test]
fn r3_sizes_of_zero() {
    let lab = Lab::new();
    lab.refused("train --limit 0", &["--limit", "at least one"]);
    lab.refused("train --patterns 0", &["patterns is 0", "1 or more"]);
    lab.refused("train --max-iterations 0", &["max-iterations is 0", "1 or more"]);
    lab.refused("train --data planted:0x5", &["planted", "samples"]);
    lab.refused("train --data planted:5x0", &["planted", "features"]);
}

#[test]
fn r2_settings_out_of_range() {
    let lab = Lab::new();
    for (name, range, values) in [
        ("beta", "0 or larger", &["-1", "-0.001", "nan", "inf"][..]),
        ("beta-fraction", "0 or larger", &["-1", "nan", "inf"]),
        ("gap", "a positive number", &["-1", "0", "nan", "inf"]),
        ("rho", "a positive number", &["-1", "0", "nan", "inf"]),
        ("sigma", "a positive number", &["-1", "0", "nan", "inf"]),
        ("time-limit", "from 0", &["-1", "nan", "inf"]),
        ("threads", "4096 or fewer", &["5000"]),
        ("memory-budget", "a positive number", &["-1", "0", "nan", "inf"]),
    ] {
        for value in values {
            // Settings are checked before any file is read.
            for spelling in [format!("--{name} {value}"), format!("--{name}={value}")] {
                lab.refused(&format!("train --data missing.csv {spelling}"), &[&format!("{name} is "), range]);
            }
        }
    }
}

/// The messages of the parser of arguments may take several lines.
#[test]
fn r2_arguments_that_are_none() {
    let lab = Lab::new();
    for (arguments, word) in [
        ("train --device gpu", "expected auto, cpu, cuda or cuda:I"),
        ("train --device cuda:x", "expected auto, cpu, cuda or cuda:I"),
        ("train --solver magic", "possible values: auto, cholesky"),
        ("train --precision f16", "possible values: f32, f64"),
        ("train --patterns many", "--patterns"),
        ("train --seed -1", "-1"),
        ("train --beta 1 --beta-fraction 0.1", "cannot be used with"),
        ("train --verbose --quiet", "cannot be used with"),
        ("train --verbose --log json", "cannot be used with"),
        ("train --betta 1", "--beta"),
        ("predict", "<MODEL>"),
        ("trian", "train"),
    ] {
        let run = lab.cvx(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{arguments}");
        assert!(run.stderr.starts_with("error: ") && run.stderr.contains(word), "{arguments}: {}", run.stderr);
    }
}

#[test]
fn r3_gates_of_another_shape() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(30, 1));
    // Three features and the bias make four.
    lab.write("g.npy", npy(3, 2, &[1.0; 6]));
    lab.refused("train --data t.csv --gates g.npy", &["gates", "expected 4", "found 3"]);
    lab.write("g.npy", npy(4, 1, &[1.0, 2.0, f64::NAN, 3.0]));
    lab.refused("train --data t.csv --gates g.npy", &["--gates", "g.npy", "row 3, column 1 (counted from 1)"]);
    lab.write("g.npy", npy(4, 0, &[]));
    lab.refused("train --data t.csv --gates g.npy", &["g.npy", "give at least one"]);
    lab.refused("train --data t.csv --gates t.csv", &["--gates", "t.csv"]);
}

#[test]
fn f2_places_that_cannot_be_written_are_refused_before_the_work() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(30, 1));
    lab.write("folder/x", "");
    lab.train_once("--data t.csv --patterns 4 --quiet --model m.cvx");
    for (option, command) in [
        ("--json", "train --data none.csv"),
        ("--model", "train --data none.csv"),
        ("--out", "predict m.cvx --data none.csv"),
    ] {
        lab.refused(&format!("{command} {option} none/there/file"), &[option, "none/there", "make it first"]);
        lab.refused(&format!("{command} {option} folder"), &[option, "folder", "name a file in it"]);
    }
}

/// A missing GPU is an error if it was asked for, never a silent run on the processor.
#[test]
fn e5_a_device_that_is_not_there_is_no_cpu() {
    let lab = Lab::new();
    for device in ["cuda", "cuda:99"] {
        let arguments = format!("{ONCE} --device {device} --model m.cvx --json r.json");
        if device == "cuda" && lab.cvx(&arguments).code == Some(0) {
            assert_eq!(lab.json("r.json")["device"], "cuda");
        } else {
            lab.refused(&arguments, &["cuda", "--device cpu"]);
        }
    }
}

#[test]
fn e8_a_run_that_will_not_fit_is_refused_with_its_bytes() {
    let lab = Lab::new();
    for command in [ONCE, "train", "path"] {
        let command = format!("{command} --memory-budget 0.0001");
        lab.refused(&command, &["needs about", "100000 bytes", "use fewer samples"]);
    }
    let sketched = "train --beta-fraction 0.001 --solver nystrom-pcg --rank 1000000 --memory-budget 0.05";
    lab.refused(sketched, &["nystrom-pcg needs", "bytes", "--solver cholesky would fit"]);
}

#[test]
fn f5_files_that_are_no_models() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(30, 1));
    lab.train_once("--data t.csv --patterns 4 --quiet --model m.cvx");
    let whole = std::fs::read(lab.path("m.cvx")).unwrap();
    let mut newer = whole.clone();
    newer[8] = 99;
    let mut long = whole;
    long[12..16].fill(0xff);
    for (content, words) in [
        (&b""[..], &["bad.cvx", "not a cvx model"][..]),
        (b"width,height\n1,2\n", &["bad.cvx", "not a cvx model"]),
        (&newer, &["bad.cvx", "format 99", "use a newer program"]),
        (&long, &["bad.cvx", "damaged", "copy or make it again"]),
    ] {
        lab.write("bad.cvx", content);
        lab.refused("predict bad.cvx --data t.csv --out p.csv", words);
        lab.refused("verify bad.cvx --data t.csv", words);
    }
}

#[test]
fn r3_samples_that_do_not_fit_the_model() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(30, 1));
    lab.train_once("--data t.csv --patterns 4 --quiet --model m.cvx");
    lab.write("other.csv", "a,b,c,d,label\n1,2,3,4,cat\n");
    for command in ["predict m.cvx --data other.csv --out p.csv", "train --data t.csv --test other.csv --model n.cvx"] {
        lab.refused(command, &["other.csv", "lacks 3 columns that the model was trained on: width, height, depth"]);
    }
    lab.write("wide.csv", "1,2,3,4,cat\n");
    for command in ["predict m.cvx --data wide.csv --out p.csv", "train --data t.csv --test wide.csv --model n.cvx"] {
        lab.refused(command, &["wide.csv", "expected 3 columns of features", "found 4"]);
    }
    lab.write("cow.csv", "1,2,3,cow\n4,5,6,cow\n");
    lab.refused("predict m.cvx --data cow.csv --out p.csv", &["'cow'", "cat, dog"]);
    lab.refused("predict m.cvx --data cow.csv", &["'cow'", "cat, dog"]);
    lab.refused("predict m.cvx --data cow.csv --quiet", &["'cow'", "cat, dog"]);
    lab.refused("verify m.cvx --data cow.csv", &["'cow'", "cat, dog"]);
    lab.refused("train --data t.csv --test cow.csv --model n.cvx", &["test samples", "'cow'", "cat, dog"]);
    lab.refused("train --data planted --test t.csv", &["planted", "leave the test source out"]);
    lab.write("bare.npy", npy(2, 3, &[1.0; 6]));
    lab.refused("verify m.cvx --data bare.npy", &["no labels"]);
}

#[test]
fn f2_no_output_takes_the_place_of_an_input_or_of_another_output() {
    let lab = Lab::new();
    lab.write("t.csv", "a,b,label\n1,2,x\n3,1,y\n2,2,x\n4,0,y\n");
    lab.train_once("--data t.csv --model m.cvx --quiet");
    for (arguments, words) in [
        ("train --data t.csv --model t.csv", "--model t.csv is the file of --data"),
        ("train --data t.csv --model ./t.csv", "--model ./t.csv is the file of --data"),
        ("train --data t.csv --test m.cvx --json m.cvx", "--json m.cvx is the file of --test"),
        ("train --data t.csv --checkpoint t.csv", "--checkpoint t.csv is the file of --data"),
        ("train --data t.csv --model a --json a", "--json a is the file of --model"),
        ("train --data t.csv --model a --checkpoint a", "--checkpoint a is the file of --model"),
        ("path --data t.csv --model t.csv", "--model t.csv is the file of --data"),
        ("predict m.cvx --data t.csv --out t.csv", "--out t.csv is the file of --data"),
        ("predict m.cvx --data t.csv --out m.cvx", "--out m.cvx is the file of the model"),
        ("info t.csv --json t.csv", "--json t.csv is the file of what is described"),
        ("export m.cvx --to npz --out m.cvx", "--out m.cvx is the file of the model"),
    ] {
        lab.refused(arguments, &[words, "name another"]);
    }
    // A device is not a file, and a resumed run may write its checkpoints to the same file.
    lab.done("predict m.cvx --data t.csv --out /dev/null --json /dev/null");
    lab.cvx("train --data t.csv --max-iterations 2 --gap 1e-9 --checkpoint c --quiet");
    lab.cvx("train --data t.csv --max-iterations 4 --gap 1e-9 --checkpoint c --resume c --quiet");
    lab.refused("train --data t.csv --gap 1e-9 --model c --resume c", &["--model c is the file of --resume"]);
}
