//! `DIR/identity`: who a data directory belongs to, in text, so that a person can look and a program can refuse before
//! it touches the journal. The journal says the same and is believed; this file is read first and never written again.
//!
//! ```text
//! seedfast-kv data directory
//! format: 1
//! cluster: 2f6c0f0d5c1d9f0be0b7f4a1f1c5a9d3
//! name: orders
//! node: 1
//! members: 1=127.0.0.1:7101,2=127.0.0.1:7102,3=127.0.0.1:7103
//! media: disk
//! size: 1073741824
//! standing: founding
//! checksum: 8d1c3a3f8f0e1b52
//! ```
//! `name` is missing if the cluster has none. The checksum is XXH3-64 of everything before its line.

use crate::cluster::Cluster;
use crate::trouble::Trouble;
use seedfast_core::journal::Standing;
use seedfast_core::{ClusterId, NodeId};
use std::fmt::Write;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// The name of the file.
pub(crate) const FILE: &str = "identity";
/// Its name while it is written.
pub(crate) const DRAFT: &str = "identity.new";
/// The name of the journal beside it.
pub(crate) const JOURNAL: &str = "journal";
/// The version of the data directory's format.
const FORMAT: u32 = 1;
/// How its text begins.
pub(crate) const TITLE: &str = "seedfast-kv data directory";

/// What the journal lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// A file that is written and synced.
    Disk,
    /// A file that is mapped and stored to: on persistent memory (DAX) without the kernel, elsewhere with `msync`.
    Nvm,
}

/// Who a data directory belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) cluster: ClusterId,
    pub(crate) name: Option<String>,
    pub(crate) node: NodeId,
    /// The replicas when it was formatted.
    pub(crate) members: Cluster,
    pub(crate) media: Media,
    /// Of the journal, in bytes.
    pub(crate) size: u64,
    pub(crate) standing: Standing,
}

/// The journal of a data directory, as a path.
pub(crate) fn journal(directory: &Path) -> PathBuf {
    directory.join(JOURNAL)
}

impl Identity {
    /// The journal, as the runtime knows it.
    pub(crate) fn device(&self, directory: &Path) -> String {
        let path = journal(directory);
        match self.media {
            Media::Disk => path.display().to_string(),
            Media::Nvm => format!("nvm:{}", path.display()),
        }
    }

    pub(crate) fn encode(&self) -> String {
        let mut text = format!("{TITLE}\nformat: {FORMAT}\ncluster: {:032x}\n", self.cluster.0);
        if let Some(name) = &self.name {
            let _ = writeln!(text, "name: {name}");
        }
        let media = match self.media {
            Media::Disk => "disk",
            Media::Nvm => "nvm",
        };
        let standing = match self.standing {
            Standing::Founding => "founding",
            Standing::Replacement => "replacement",
        };
        let Identity { node, members, size, .. } = self;
        let _ = write!(
            text,
            "node: {}\nmembers: {members}\nmedia: {media}\nsize: {size}\nstanding: {standing}\n",
            node.0
        );
        let _ = writeln!(text, "checksum: {:016x}", xxh3_64(text.as_bytes()));
        text
    }

    /// Writes it, durably, where none is.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<()> {
        // Under its name it is whole: a crash leaves it or nothing.
        let (path, draft) = (directory.join(FILE), directory.join(DRAFT));
        let mut file = OpenOptions::new().write(true).create_new(true).open(&draft)?;
        file.write_all(self.encode().as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(directory)?.sync_all()
    }

    /// Reads that of a data directory.
    ///
    /// # Errors
    /// There is none, or it cannot be used; one sentence.
    pub(crate) fn read(directory: &Path) -> Result<Identity, Trouble> {
        let path = directory.join(FILE);
        let at = path.display();
        let text = fs::read(&path).map_err(|why| match why.kind() {
            io::ErrorKind::NotFound => absent(directory),
            _ => Trouble::usage(format!("{at} cannot be read: {why}")),
        })?;
        let damaged =
            || Trouble::usage(format!("{at} is damaged: put back the whole file, or replace this replica"));
        let text = String::from_utf8(text).map_err(|_| damaged())?;
        let Some(rest) = text.strip_prefix(TITLE).and_then(|rest| rest.strip_prefix("\nformat: ")) else {
            return Err(Trouble::usage(format!(
                "{at} is no identity of seedfast-kv: check which directory this is"
            )));
        };
        let format = rest.lines().next().and_then(|format| format.parse().ok()).unwrap_or(0_u32);
        if format > FORMAT {
            return Err(Trouble::usage(format!(
                "{} has format {format} and this program reads up to {FORMAT}: start a newer program",
                directory.display()
            )));
        }
        let (body, checksum) = text.rsplit_once("checksum: ").ok_or_else(damaged)?;
        if checksum.strip_suffix('\n') != Some(&format!("{:016x}", xxh3_64(body.as_bytes()))) {
            return Err(damaged());
        }
        decode(body).ok_or_else(damaged)
    }
}

/// The sentence for a directory without an identity.
fn absent(directory: &Path) -> Trouble {
    let at = directory.display();
    Trouble::usage(match fs::read_dir(directory) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            format!("{at} does not exist: make it with `seedfast-kv format`")
        }
        Err(why) => format!("{at} cannot be read: {why}"),
        Ok(mut entries) => match entries.next() {
            None => format!("{at} is empty: format it with `seedfast-kv format`"),
            Some(_) if journal(directory).exists() => format!(
                "{at} has a journal and no file `{FILE}`: if `format` was interrupted there, remove the directory \
                 and format again; otherwise put the file back"
            ),
            Some(_) => format!("{at} is no data directory: it has no file `{FILE}`"),
        },
    })
}

/// The fields of an identity whose checksum holds.
pub(crate) fn decode(body: &str) -> Option<Identity> {
    let field = |name: &str| body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Some(Identity {
        cluster: ClusterId(u128::from_str_radix(field("cluster")?, 16).ok()?),
        name: field("name").map(str::to_owned),
        node: NodeId(field("node")?.parse().ok()?),
        members: field("members")?.parse().ok()?,
        media: match field("media")? {
            "disk" => Media::Disk,
            "nvm" => Media::Nvm,
            _ => return None,
        },
        size: field("size")?.parse().ok()?,
        standing: match field("standing")? {
            "founding" => Standing::Founding,
            "replacement" => Standing::Replacement,
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written() {
        for (name, media, standing) in
            [(None, Media::Disk, Standing::Founding), (Some("orders"), Media::Nvm, Standing::Replacement)]
        {
            let members: Cluster = "1=a:1,2=b:1/6379".parse().expect("it is well written");
            let (cluster, name) = (members.id(name, 77), name.map(str::to_owned));
            let identity = Identity { cluster, name, node: NodeId(2), members, media, size: 77, standing };
            let text = identity.encode();
            let (body, _) = text.rsplit_once("checksum").expect("it has one");
            assert_eq!(decode(body), Some(identity));
        }
    }
}
