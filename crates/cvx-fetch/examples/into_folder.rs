//! Lists the data sets and their folders, or fetches the one that is named, from its own server or from a mirror.
//!
//! `cargo run --release -p cvx-fetch --example into_folder -- mnist [ADDRESS]`

use cvx_fetch::{DataSet, cache_folder, fetch};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        for data_set in DataSet::ALL {
            let folder = cache_folder()?.join(data_set.name);
            let bytes: u64 = data_set.files.iter().map(|file| file.size).sum();
            let state = if data_set.is_in(&folder) { "in" } else { "not yet in" };
            println!("{}: {bytes} bytes, {state} {}", data_set.name, folder.display());
        }
        return Ok(());
    };
    let data_set = DataSet::by_name(&name).ok_or("no such data set")?;
    let base = arguments.next().unwrap_or_else(|| data_set.base.to_string());
    let folder = cache_folder()?.join(data_set.name);
    fetch(data_set, &base, &folder, &mut |file, bytes| println!("{}: {bytes} of {} bytes", file.name, file.size))?;
    println!("{name} is in {}", folder.display());
    Ok(())
}
