//! The data sets there are.

use cvx_fetch::DataSet;
use std::fs;
use tempfile::TempDir;

#[test]
fn data_sets_are_found_by_name_and_are_well_formed() {
    for data_set in DataSet::ALL {
        assert_eq!(DataSet::by_name(data_set.name), Some(&data_set));
        assert!(data_set.base.starts_with("http") && !data_set.base.ends_with('/'));
        for file in data_set.files {
            let is_hexadecimal = file.md5.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
            assert!(file.md5.len() == 32 && is_hexadecimal && file.size > 0);
            assert!(!file.name.contains(['/', '\\']));
        }
    }
    assert_eq!(DataSet::by_name("imagenet"), None);
}

#[test]
fn a_data_set_is_there_when_all_of_its_files_are() {
    for data_set in DataSet::ALL {
        let folder = TempDir::new().unwrap();
        let files = data_set.files.iter().map(|file| file.name);
        let names: Vec<&str> = if data_set.members.is_empty() { files.collect() } else { data_set.members.into() };
        for name in names {
            assert!(!data_set.is_in(folder.path()));
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert!(data_set.is_in(folder.path()));
    }
}
