//! Starting with the desktop: an entry in the user's XDG directory of autostarts, made and removed as the settings say.

use std::io;
use std::path::{Path, PathBuf};

/// The name of the entry, that of the program's own desktop entry.
const NAME: &str = "org.anabranch.Desktop.desktop";

/// The entry as it would be for a program in PATH.
const ENTRY: &str = include_str!("../linux/autostart.desktop");

/// Makes the entry be there, or not be there. Says in words for people what could not be done.
pub(crate) fn follow(wanted: bool) -> Result<(), String> {
    let (Some(directories), Some(program)) = (directories::BaseDirs::new(), crate::restart::place()) else {
        return Ok(());
    };
    let entry = directories.config_dir().join("autostart").join(NAME);
    put(&entry, wanted.then_some(&program)).map_err(|error| {
        let entry = entry.display();
        match wanted {
            true => format!("{entry} could not be written, so Anabranch does not start with the desktop: {error}"),
            false => format!("{entry} could not be removed, so Anabranch still starts with the desktop: {error}"),
        }
    })
}

fn put(entry: &PathBuf, program: Option<&PathBuf>) -> io::Result<()> {
    let there = std::fs::read_to_string(entry).ok();
    match (program, there) {
        (None, None) => Ok(()),
        (None, Some(_)) => std::fs::remove_file(entry),
        (Some(_), Some(there)) if is_switched_off(&there) => Ok(()),
        (Some(program), there) => {
            let text = text(program);
            if there.as_ref() == Some(&text) {
                return Ok(());
            }
            std::fs::create_dir_all(entry.parent().unwrap_or(Path::new("/")))?;
            std::fs::write(entry, text)
        }
    }
}

/// True if it was switched off with one of the desktops' own tools, which is to be respected.
fn is_switched_off(entry: &str) -> bool {
    let off = ["Hidden=true", "X-GNOME-Autostart-enabled=false"];
    entry.lines().any(|line| off.contains(&line.trim()))
}

fn text(program: &Path) -> String {
    // Desktop Entry Specification: inside quotes these four are escaped, and the backslash of that once more.
    let quoted: String = program
        .to_string_lossy()
        .chars()
        .flat_map(|letter| match letter {
            '"' | '`' | '$' => vec!['\\', '\\', letter],
            '\\' => vec!['\\'; 4],
            '%' => vec!['%', '%'],
            _ => vec![letter],
        })
        .collect();
    ENTRY.replace("Exec=anabranch-desktop\n", &format!("Exec=\"{quoted}\"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_comes_and_goes_as_the_settings_say() {
        let directory = tempfile::tempdir().unwrap();
        let entry = directory.path().join("autostart").join(NAME);
        put(&entry, None).unwrap();
        assert!(!entry.parent().unwrap().exists());
        put(&entry, Some(&"/usr/bin/anabranch-desktop".into())).unwrap();
        let text = std::fs::read_to_string(&entry).unwrap();
        assert!(text.contains("\nExec=\"/usr/bin/anabranch-desktop\"\n"), "{text}");
        // The program has moved.
        put(&entry, Some(&"/opt/100% $new/a".into())).unwrap();
        let text = std::fs::read_to_string(&entry).unwrap();
        assert!(text.contains("Exec=\"/opt/100%% \\\\$new/a\""), "{text}");
        for off in ["Hidden=true", "X-GNOME-Autostart-enabled=false"] {
            let hidden = text.clone() + off + "\n";
            std::fs::write(&entry, &hidden).unwrap();
            put(&entry, Some(&"/usr/bin/anabranch-desktop".into())).unwrap();
            assert_eq!(std::fs::read_to_string(&entry).unwrap(), hidden);
        }
        put(&entry, None).unwrap();
        assert!(!entry.exists());
    }
}
