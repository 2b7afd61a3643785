//! Extraction of members of a `.tar.gz` archive.

use crate::error::FetchError;
use flate2::bufread::GzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use tar::Archive;
use tempfile::Builder;

/// Limit in bytes on a member.
const MAX_MEMBER: u64 = 256 << 20;

/// Writes the members of these names into `folder`. Their folders in the archive are ignored: no path of the archive is
/// ever opened. Other members and links are skipped.
pub(crate) fn members(archive: &Path, names: &[&str], folder: &Path) -> Result<(), FetchError> {
    let broken = |reason: String| FetchError::Archive { path: archive.into(), reason };
    let file = File::open(archive).map_err(|source| FetchError::io(archive, source))?;
    let mut tar = Archive::new(GzDecoder::new(BufReader::new(file)));
    let mut missing: Vec<&str> = names.to_vec();
    for entry in tar.entries().map_err(|error| broken(error.to_string()))? {
        let mut entry = entry.map_err(|error| broken(error.to_string()))?;
        let name = entry.path().ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        let Some(at) = missing.iter().position(|wanted| name.as_deref() == Some(wanted)) else { continue };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        if entry.size() > MAX_MEMBER {
            return Err(broken(format!("{} has {} bytes", missing[at], entry.size())));
        }
        let path = folder.join(missing.swap_remove(at));
        write(&mut entry, &path).map_err(|error| match error {
            Failure::Reading(error) => broken(error.to_string()),
            Failure::Writing(source) => FetchError::io(&path, source),
        })?;
    }
    match missing.first() {
        Some(name) => Err(broken(format!("it has no {name}"))),
        None => Ok(()),
    }
}

enum Failure {
    Reading(io::Error),
    Writing(io::Error),
}

/// Writes a file atomically: under a temporary name, which is replaced when the file is complete.
fn write(content: &mut impl Read, path: &Path) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes).map_err(Failure::Reading)?;
    let mut builder = Builder::new();
    #[cfg(unix)]
    {
        // Permissions of an ordinary new file: temporary files are private by default.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = builder.tempfile_in(folder).map_err(Failure::Writing)?;
    io::Write::write_all(&mut file, &bytes).map_err(Failure::Writing)?;
    file.as_file().sync_all().map_err(Failure::Writing)?;
    file.persist(path).map(drop).map_err(|error| Failure::Writing(error.error))
}
