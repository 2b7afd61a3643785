//! What `--data` accepts, for the help of the program, of `train` and of `path`.

/// A literal, so that other texts can end with it.
macro_rules! sources {
    () => {
        "\
Data sources:
  planted, planted:NxD            built in: two classes drawn from a random network
  cifar10, mnist, fashion-mnist   once fetched: cvx data fetch NAME
  FOLDER                          CIFAR-10 batches, IDX files, or a folder of images per class
  FILE.npz                        keys x_train, y_train and, optionally, x_test, y_test
  FILE.csv, FILE.tsv              a table with a label column; texts and missing values are encoded
  FILE.svm                        LIBSVM lines; every file may also be compressed (.gz)
  -                               standard input, in any of the formats of files"
    };
}
pub(super) use sources;
