//! What CI systems want to hear of a campaign beside its report.

use crate::annotate;
use crate::campaign::Findings;
use crate::cli::ForCi;
use crate::files;
use crate::junit;
use crate::report::{Again, Saved};
use crate::scenarios::printed;
use crate::text::Console;
use crate::trouble::Trouble;

impl ForCi {
    /// Before anything is known: the file says so, because the one of an earlier build may still be there.
    pub(crate) fn begin(&self) -> Result<(), Trouble> {
        self.junit.as_ref().map_or(Ok(()), |path| files::write(path, junit::unfinished().as_bytes()))
    }

    /// At the end; `missing` is what merged parts lack, in words, and `again` how a finding is brought back.
    pub(crate) fn tell(
        &self,
        findings: &Findings,
        saved: &Saved,
        missing: &[String],
        again: Again<'_>,
        is_json: bool,
        console: &mut Console<'_>,
    ) -> Result<(), Trouble> {
        if let Some(path) = &self.junit {
            files::write(path, junit::file(findings, saved, missing, again).as_bytes())?;
        }
        if self.annotate || annotate::is_asked_for() {
            let lines = annotate::lines(findings, saved, missing, again);
            // A runner obeys both streams; a program that reads JSON reads one.
            if is_json {
                console.note(&lines);
            } else {
                printed(console, &lines)?;
            }
        }
        Ok(())
    }
}
