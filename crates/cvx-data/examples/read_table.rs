//! Reads a table, prints its features and classes, and shows the error for a table with a mistake.

use cvx_data::{LabelColumn, Request, open, open_in_memory};
use cvx_model::Labels;

const FRUIT: &str = "firmness,weight,colour,ripe\n4.1,152,green,no\n2.2,161,red,yes\n,148,yellow,yes\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // From the disk. `open` also reads CIFAR-10, IDX, NumPy and LIBSVM sources, by their names.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("fruit.csv");
    std::fs::write(&path, FRUIT)?;
    let request = Request { label_column: LabelColumn::Column("ripe".to_string()), ..Request::default() };
    let data = open(&path.to_string_lossy(), &request)?.train;
    println!("{} samples of {:?}", data.n_samples(), data.feature_names().unwrap_or_default());
    if let Some(Labels::Names { index, names }) = data.labels() {
        println!("the classes are {names:?}, the labels {index:?}");
    }

    // From memory, with a mistake.
    let wrong = FRUIT.replace("161", "inf");
    let files = [("fruit.csv".to_string(), wrong.into_bytes())].into();
    match open_in_memory(&files, "fruit.csv", &request) {
        Ok(_) => println!("it was read"),
        Err(error) => println!("refused: {error}"),
    }
    Ok(())
}
