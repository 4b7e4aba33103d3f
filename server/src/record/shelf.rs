//! The directory of recordings: which files are this replica's, and how much room they may take.

use crate::trouble::Trouble;
use seedfast_core::NodeId;
use seedfast_runtime_real::device::past_the_cache;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The recordings of one replica. Their names sort by age: `n1-000007.rec`.
pub(super) struct Shelf {
    directory: PathBuf,
    prefix: String,
    limit: u64,
    /// Those of former lives, oldest first, and how many bytes each has.
    former: VecDeque<(PathBuf, u64)>,
    next: u64,
}

impl Shelf {
    /// Looks at what is in `directory`, which is made if it does not exist.
    ///
    /// # Errors
    /// It cannot be made or looked at.
    pub(super) fn open(directory: &Path, node: NodeId, limit: u64) -> Result<Shelf, Trouble> {
        let trouble = |why: io::Error| {
            let at = directory.display();
            Trouble::usage(format!(
                "recordings cannot be kept in {at}: {why}; name another directory with --record"
            ))
        };
        fs::create_dir_all(directory).map_err(trouble)?;
        let prefix = format!("n{}-", node.0);
        let mut found = Vec::new();
        for entry in fs::read_dir(directory).map_err(trouble)? {
            let entry = entry.map_err(trouble)?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(".rec"));
            if let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) {
                found.push((number, entry.path(), entry.metadata().map_err(trouble)?.len()));
            }
        }
        found.sort();
        let next = found.last().map_or(1, |(number, ..)| number + 1);
        let former = found.into_iter().map(|(_, path, length)| (path, length)).collect();
        Ok(Shelf { directory: directory.into(), prefix, limit, former, next })
    }

    /// A file for the next recording, and the same past the page cache if its file system does that.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn create(&self) -> Result<(PathBuf, File, Option<File>), Trouble> {
        let path = self.directory.join(format!("{}{:06}.rec", self.prefix, self.next));
        let made = File::options().write(true).create_new(true).open(&path);
        let file = made.map_err(|why| {
            let at = path.display();
            Trouble::usage(format!(
                "the recording {at} cannot be made: {why}; name another directory with --record"
            ))
        })?;
        let direct = past_the_cache(&path);
        Ok((path, file, direct))
    }

    /// Whether files can be made here: makes one, and removes it.
    ///
    /// # Errors
    /// They cannot.
    pub(super) fn try_out(&self) -> Result<(), Trouble> {
        let (path, ..) = self.create()?;
        let _ = fs::remove_file(path);
        Ok(())
    }

    /// How large all recordings may be together, in bytes.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Makes room for a present recording of `present` bytes.
    ///
    /// # Errors
    /// A former one cannot be removed.
    pub(super) fn make_room(&mut self, present: u64) -> io::Result<()> {
        let mut total = present + self.former.iter().map(|(_, length)| length).sum::<u64>();
        while total > self.limit {
            let Some((path, length)) = self.former.pop_front() else { return Ok(()) };
            match fs::remove_file(&path) {
                Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
                _ => total -= length,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_this_replica_go_first_and_no_more_than_must() {
        let directory = std::env::temp_dir().join(format!("seedfast-shelf-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let put = |name: &str| fs::write(directory.join(name), [0; 100]).unwrap();
        let names = ["n1-000009.rec", "n1-000010.rec", "n1-000008.rec", "n2-000001.rec", "notes", "n1-x.rec"];
        names.into_iter().for_each(put);
        let mut shelf = Shelf::open(&directory, NodeId(1), 350).unwrap();
        let (path, ..) = shelf.create().unwrap();
        assert!(path.ends_with("n1-000011.rec"), "{}", path.display());
        let left = || {
            let names = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
            names.sort();
            names.join(" ")
        };
        shelf.make_room(50).unwrap();
        assert_eq!(
            left(),
            "n1-000008.rec n1-000009.rec n1-000010.rec n1-000011.rec n1-x.rec n2-000001.rec notes"
        );
        shelf.make_room(51).unwrap();
        assert_eq!(left(), "n1-000009.rec n1-000010.rec n1-000011.rec n1-x.rec n2-000001.rec notes");
        shelf.make_room(400).unwrap();
        assert_eq!(left(), "n1-000011.rec n1-x.rec n2-000001.rec notes");
        fs::remove_dir_all(&directory).unwrap();
    }
}
