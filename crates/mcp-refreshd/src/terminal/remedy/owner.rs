//! What belongs to another user, and the commands about it.

use crate::platform::process::user_name;
use crate::terminal::shell::quoted;
use crate::terminal::wording::visible;
use std::path::Path;

/// A user by name, or by number where nobody has a name for it.
pub(crate) fn user(id: u32) -> String {
    user_name(id).map_or_else(|| id.to_string(), |name| visible(&name))
}

/// This command, run by that user.
pub(crate) fn as_user(id: u32, arguments: &[String]) -> String {
    let sudo = match id {
        0 => "sudo".to_owned(),
        _ => format!("sudo -u {}", quoted(&user_name(id).unwrap_or_else(|| format!("#{id}")))),
    };
    let words = arguments.iter().map(|argument| quoted(argument));
    [sudo, "mcp-refreshd".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

/// Makes that user the owner of these files alone.
pub(crate) fn give_to(id: u32, paths: &[&Path]) -> String {
    let owner = user_name(id).unwrap_or_else(|| id.to_string());
    let paths = paths.iter().map(|path| quoted(&path.display().to_string()));
    ["sudo chown".to_owned(), quoted(&owner)].into_iter().chain(paths).collect::<Vec<_>>().join(" ")
}

/// The same for a folder with all that is in it.
pub(crate) fn give_with_content(id: u32, folder: &Path) -> String {
    give_to(id, &[folder]).replacen("sudo chown ", "sudo chown -R ", 1)
}

// Commands for a POSIX shell; no file belongs to another user elsewhere.
#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_a_name_goes_by_the_number() {
        let arguments = ["token".to_owned(), "my lab".to_owned()];
        assert_eq!(as_user(0, &arguments), "sudo mcp-refreshd token 'my lab'");
        assert_eq!(as_user(3_999_999_999, &[]), "sudo -u '#3999999999' mcp-refreshd");
        assert_eq!(user(3_999_999_999), "3999999999");
        assert_eq!(user(0), "root");
        let paths = [Path::new("/a b"), Path::new("/c")];
        assert_eq!(give_to(3_999_999_999, &paths), "sudo chown 3999999999 '/a b' /c");
        assert_eq!(give_with_content(0, Path::new("/c")), "sudo chown -R root /c");
    }
}
