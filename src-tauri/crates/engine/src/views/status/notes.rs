//! Notes about files and places that are left alone or noticed late.

use super::*;

/// Collects the notes of a folder, one sentence each.
pub(super) fn notes(state: &FolderState) -> Vec<String> {
    let (whole, parts): (Vec<_>, Vec<_>) = state.log.nested().into_iter().partition(|(_, one)| one.tracked == 0);
    let mut notes = Vec::new();
    match &whole[..] {
        [] => {}
        [(name, _)] => notes.push(format!(
            "{name} is a git repository of its own, so Anabranch does not sync its files. To sync it, add it as a \
             folder"
        )),
        [first, rest @ ..] => {
            let mut names: Vec<&str> = rest.iter().map(|(name, _)| &**name).take(NAMED).collect();
            let more = rest.len() - names.len();
            names.insert(0, &first.0);
            let more = match more {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            notes.push(format!(
                "{}{more} are git repositories of their own, so Anabranch does not sync their files. To sync one, add \
                 it as a folder",
                names.join(", ")
            ));
        }
    }
    let (rules, settings) = (state.rules(), state.remotes.settings());
    let named = rules.policy.rules().iter().filter_map(|rule| rule.remote.as_ref());
    let unknown: BTreeSet<&RemoteName> = named.filter(|name| !settings.contains_key(name)).collect();
    notes.extend(unknown.iter().map(|name| {
        format!("a rule names the place {name}, which this folder does not have; 'git remote' lists its places")
    }));
    let mut elsewhere = BTreeSet::new();
    let reached = state.remotes.reached();
    let own = state.real();
    for (path, _) in state.log.blind().into_iter().filter(|(_, why)| *why == Why::Elsewhere) {
        if own
            .top
            .iter()
            .chain([&own.git_dir])
            .any(|directory| path.starts_with(directory))
        {
            let top = own.top.as_ref();
            let inside = top.and_then(|top| path.strip_prefix(top).ok().map(Path::to_owned));
            let inside = inside.filter(|inside| {
                inside
                    .components()
                    .next()
                    .is_some_and(|first| first.as_os_str() != ".git")
            });
            elsewhere.insert(inside.map_or_else(|| "this folder".to_owned(), |inside| inside.display().to_string()));
        }
        let remotes = reached.iter().filter(|(_, remote)| {
            let watched = remote.git().and_then(|git| git.watched());
            watched.is_some_and(|directory| path.starts_with(directory))
        });
        elsewhere.extend(remotes.map(|(name, _)| name.to_string()));
    }
    notes.extend(elsewhere.into_iter().map(|place| {
        format!(
            "Anabranch notices changes that others make in {place} only every 30 seconds, or less often if it is \
             large: its file system (on a network, or made by a program) does not report them"
        )
    }));
    notes.extend(parts.into_iter().map(|(name, one)| {
        format!(
            "{name} has become a git repository of its own: Anabranch still syncs {} in it from before, but no new \
             ones",
            files(one.tracked as u64)
        )
    }));
    notes
}

#[cfg(test)]
mod tests {
    use super::{kept_by_rules, notes};

    #[test]
    fn nested_repositories_are_named_once() {
        let scene = crate::views::lists::tests::scene();
        let told = |nested: &[(&str, usize)]| {
            let nested = nested.iter().map(|&(path, tracked)| annex::Nested {
                path: path.into(),
                tracked,
            });
            scene.state.log.set_nested(None, &nested.collect::<Vec<_>>());
            notes(&scene.state)
        };
        assert_eq!(told(&[]), [""; 0]);
        let one = "code/x is a git repository of its own, so Anabranch does not sync its files. To sync it, add it as \
                   a folder";
        assert_eq!(told(&[("code/x", 0)]), [one]);
        let part = "y has become a git repository of its own: Anabranch still syncs 30 files in it from before, but \
                    no new ones";
        assert_eq!(told(&[("code/x", 0), ("y", 30)]), [one, part]);
        let many: Vec<String> = (10..50).map(|n| format!("r{n}")).collect();
        let many: Vec<(&str, usize)> = many.iter().map(|name| (name.as_str(), 0)).collect();
        let told = told(&many);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("r10, r11, r12, r13, r14, r15, r16, r17, r18, r19 and 30 more are git"),
            "{told:?}"
        );
    }

    #[test]
    fn a_rule_for_an_unknown_place_is_noted() {
        let scene = crate::views::lists::tests::scene();
        let directory = scene.state.annex().own_dir();
        let rules =
            "[[rule]]\nplace = \"there\"\nallow = \"content-down\"\n[[rule]]\nplace = \"stik\"\nallow = \"nothing\"\n";
        std::fs::write(directory.join(crate::rules::policy::FILE), rules).unwrap();
        scene.state.read_rules();
        let notes = notes(&scene.state);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].starts_with("a rule names the place stik, which this folder does not have"));
        assert_eq!(kept_by_rules(&scene.state, &scene.remote.0), Some("a rule forbids it"));
        std::fs::write(directory.join(crate::rules::policy::FILE), "[[rule]\n").unwrap();
        scene.state.read_rules();
        assert_eq!(
            kept_by_rules(&scene.state, &scene.remote.0),
            Some("Anabranch cannot read the rules")
        );
    }
}
