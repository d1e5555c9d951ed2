//! This process's time zone (`tzset(3)`).

use crate::platform::files;
use jiff::tz::TimeZone;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// The time zone database folders, besides `$TZDIR`.
const FOLDERS: [&str; 3] = ["/usr/share/zoneinfo", "/etc/zoneinfo", "/usr/lib/zoneinfo"];
/// The largest time zone file that is read.
const LARGEST: u64 = 1 << 20;

/// `$TZ`, else the system's time zone, else UTC.
pub(crate) fn of_this_process() -> TimeZone {
    by_name(&|name| std::env::var_os(name)).or_else(|| TimeZone::try_system().ok()).unwrap_or(TimeZone::UTC)
}

/// The zone that `$TZ` names. Reads only that file: jiff's database would scan all of them.
fn by_name(env: &dyn Fn(&str) -> Option<OsString>) -> Option<TimeZone> {
    let zone = env("TZ")?;
    let name = zone.to_str()?.trim_start_matches(':');
    let is_name = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || !is_name {
        return None;
    }
    let folders = env("TZDIR").map(PathBuf::from).into_iter().chain(FOLDERS.map(PathBuf::from));
    folders.into_iter().find_map(|folder| {
        let file = files::opening().read(true).open(folder.join(name)).and_then(files::regular).ok()?;
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).ok()?;
        TimeZone::tzif(name, &bytes).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(zone: &str, folder: &Path) -> Option<TimeZone> {
        by_name(&|name| match name {
            "TZ" => Some(zone.into()),
            "TZDIR" => Some(folder.into()),
            _ => None,
        })
    }

    #[test]
    fn an_invalid_name_reads_no_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("zone"), "no time zone").unwrap();
        for odd in ["", ":", "../../etc/passwd", "/etc/passwd", "zone", "Nowhere/City", "a\0b", "."] {
            assert!(named(odd, &folder.path().join("x/y")).is_none(), "{odd}");
            assert!(named(odd, folder.path()).is_none(), "{odd}");
        }
    }
}
