use std::fs;

use model::RepoPath;
use proptest::prelude::*;

use super::{Attribute, Attributes};
use crate::scratch_repository::Scratch;

const NAMES: [&str; 5] = ["filter", "text", "lfs", "diff", "annex.largefiles"];

/// As `git check-attr` says it.
fn told(attribute: &Attribute) -> String {
    match attribute {
        Attribute::None => "unspecified".to_owned(),
        Attribute::Set => "set".to_owned(),
        Attribute::Unset => "unset".to_owned(),
        Attribute::Text(text) => text.to_string(),
    }
}

/// Compares with git what holds for all these paths.
fn compare(repo: &Scratch, paths: &[&str]) {
    // git is to see what Anabranch sees: all but git-annex's line.
    let info = repo.path(".git/info/attributes");
    let hidden = fs::read(&info).unwrap();
    let attributes = Attributes::of_work_tree(&repo.annex, &repo.annex.git().unwrap()).unwrap();
    fs::write(&info, super::without_annex(&hidden)).unwrap();
    let asked = [&["check-attr", "-z"][..], &NAMES, &["--"], paths].concat();
    let expected = repo.git(&asked);
    let mut ours = String::new();
    for path in paths {
        let values = attributes
            .of(&RepoPath::parse(path.as_bytes()).unwrap(), NAMES)
            .unwrap();
        for (name, value) in NAMES.iter().zip(&values) {
            ours += &format!("{path}\0{name}\0{}\0", told(value));
        }
    }
    fs::write(&info, hidden).unwrap();
    assert_eq!(ours.replace('\0', "|\n"), expected.to_string().replace('\0', "|\n"));
}

const PATHS: [&str; 10] = [
    "a",
    "a.psd",
    "B.psd",
    "d/a.psd",
    "d/e/a.psd",
    "d/e/x",
    "with space",
    "#hash",
    "[attr]x",
    "d/[x]",
];

#[test]
fn each_rule_of_git_holds() {
    let repo = Scratch::new();
    fs::write(
        repo.path(".git/info/attributes"),
        "a diff=info\n* filter=annex\n/d/e/x filter=here\n",
    )
    .unwrap();
    repo.write(
        ".gitattributes",
        "\u{feff}[attr]lfs filter=lfs diff=lfs -text\n*.psd lfs\nd/a.psd -lfs text=auto\r\n\"with space\" diff text\n\
         a text -text !text # no comment\n!a filter=no\nB.psd binary\n\"\\043hash\" lfs\n#hash text\n\
         [attr]twice lfs filter=other\n/a twice\n\"[attr]x\" text\nd/ filter=directory\n  a.psd\tdiff=tab\n\
         a bad~name text\nd/**/x text=rest\n*.psd annex.largefiles=((mimeencoding=binary)and(largerthan=0))\n",
    );
    repo.write(
        "d/.gitattributes",
        "[attr]inner text\na.psd !filter\ne/* inner\n/[[]x] lfs\n\\[x] text\n",
    );
    repo.write("d/e/.gitattributes", "* -diff\nx diff=e\n");
    compare(&repo, &PATHS);
}

#[test]
fn a_link_in_place_of_the_file_is_passed_over() {
    let repo = Scratch::new();
    repo.write("real", "* text\n");
    std::os::unix::fs::symlink("real", repo.path(".gitattributes")).unwrap();
    let attributes = Attributes::of_work_tree(&repo.annex, &repo.annex.git().unwrap()).unwrap();
    let [text] = attributes.of(&RepoPath::parse(b"a").unwrap(), ["text"]).unwrap();
    assert_eq!(text, Attribute::None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn git_says_the_same(
        top in proptest::collection::vec((0..8_usize, proptest::collection::vec(0..12_usize, 1..4)), 0..8),
        below in proptest::collection::vec((0..8_usize, proptest::collection::vec(0..12_usize, 1..4)), 0..5),
    ) {
        let patterns = ["*", "*.psd", "a*", "/a", "d/*", "d/**", "**/a.psd", "[attr]m"];
        let words = [
            "text", "-text", "!text", "text=auto", "filter=x", "-filter", "!filter", "lfs", "m", "-m", "binary", "diff",
        ];
        let lines = |chosen: &[(usize, Vec<usize>)]| {
            let line = |(pattern, said): &(usize, Vec<usize>)| {
                let said: Vec<_> = said.iter().map(|&word| words[word]).collect();
                format!("{} {}\n", patterns[*pattern], said.join(" "))
            };
            chosen.iter().map(line).collect::<String>()
        };
        let repo = Scratch::new();
        repo.write(".gitattributes", &lines(&top));
        repo.write("d/.gitattributes", &lines(&below));
        compare(&repo, &PATHS);
    }
}
