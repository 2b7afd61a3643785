//! The data sets that can be fetched, and their servers.

use crate::error::FetchError;
use md5::{Digest, Md5};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A file on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its name on the server and on the disk.
    pub name: &'static str,
    /// Its length in bytes.
    pub size: u64,
    /// Its published MD5 checksum, in hexadecimal. It detects damage, and also another file: no practical way is known
    /// to make a second file with the MD5 checksum of a given one.
    pub md5: &'static str,
}

/// A public data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSet {
    /// Its short name.
    pub name: &'static str,
    /// The address of its files without their names.
    pub base: &'static str,
    /// Its files.
    pub files: &'static [Remote],
    /// Files to extract from its `.tar.gz` archive; empty if the files are used as they are.
    pub members: &'static [&'static str],
}

const fn file(name: &'static str, size: u64, md5: &'static str) -> Remote {
    Remote { name, size, md5 }
}

impl DataSet {
    /// All data sets.
    pub const ALL: [DataSet; 3] = [
        DataSet {
            name: "cifar10",
            base: "https://www.cs.toronto.edu/~kriz",
            files: &[Remote {
                name: "cifar-10-binary.tar.gz",
                size: 170_052_171,
                md5: "c32a1d4ab5d03f1284b67883e8d87530",
            }],
            members: &[
                "batches.meta.txt",
                "data_batch_1.bin",
                "data_batch_2.bin",
                "data_batch_3.bin",
                "data_batch_4.bin",
                "data_batch_5.bin",
                "test_batch.bin",
            ],
        },
        DataSet {
            name: "mnist",
            base: "https://ossci-datasets.s3.amazonaws.com/mnist",
            files: &[
                file("train-images-idx3-ubyte.gz", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
                file("train-labels-idx1-ubyte.gz", 28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
                file("t10k-images-idx3-ubyte.gz", 1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
                file("t10k-labels-idx1-ubyte.gz", 4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
            ],
            members: &[],
        },
        DataSet {
            name: "fashion-mnist",
            base: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            files: &[
                file("train-images-idx3-ubyte.gz", 26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
                file("train-labels-idx1-ubyte.gz", 29_515, "25c81989df183df01b3e8a0aad5dffbe"),
                file("t10k-images-idx3-ubyte.gz", 4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
                file("t10k-labels-idx1-ubyte.gz", 5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
            ],
            members: &[],
        },
    ];

    /// The data set of that name.
    pub fn by_name(name: &str) -> Option<&'static DataSet> {
        const ALL: &[DataSet] = &DataSet::ALL;
        ALL.iter().find(|data_set| data_set.name == name)
    }

    /// Whether files with the names of all of its files are in the folder.
    pub fn is_in(&self, folder: &Path) -> bool {
        let files = self.files.iter().map(|file| file.name);
        let wanted: Vec<&str> = if self.members.is_empty() { files.collect() } else { self.members.to_vec() };
        wanted.iter().all(|name| folder.join(name).is_file())
    }

    /// Whether all members of an archive are in the folder. Always false for a data set without an archive, whose files
    /// are checked one by one.
    pub(crate) fn is_unpacked_in(&self, folder: &Path) -> bool {
        !self.members.is_empty() && self.is_in(folder)
    }
}

impl Remote {
    /// Whether a file on the disk has the published length and checksum.
    pub(crate) fn is_whole(&self, path: &Path) -> Result<bool, FetchError> {
        let io = |source| FetchError::io(path, source);
        let length = path.metadata().map_err(io)?.len();
        Ok(length == self.size && checksum(path).map_err(io)? == self.md5)
    }
}

/// MD5 checksum of a file, in hexadecimal.
pub(crate) fn checksum(path: &Path) -> io::Result<String> {
    let (mut file, mut hasher, mut buffer) = (File::open(path)?, Md5::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
