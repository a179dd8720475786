//! The TypeScript copy of these types for the window, in `ui/src/contract`. A test generates it and compares it with
//! the file.

use std::fmt::Write as _;
use std::path::Path as FilePath;

use ts_rs::{Config, TS};

use crate::{
    Action, Activity, Allow, Amount, Answer, AtPlace, Branch, Change, Check, Checked, Chosen, Command, Conflict,
    Contact, Declined, Deed, Direction, Drive, Entry, File, Folder, FolderSetting, FolderSettings, Found, Held, Holder,
    Keep, Keeping, Keeps, Look, Looked, Missing, News, OnDrive, Origin, Page, Path, Pause, PauseReason, Place, Preview,
    Problem, Progress, Purpose, Question, Refused, Reply, Request, Rule, Rules, Secret, Setting, Settings, Since,
    Standing, State, Status, There, Travel, Typed, Update, Verdict, Version, Way, Which, Why, Work,
};

const FILE: &str = "../../../ui/src/contract/index.ts";

const HEAD: &str = "\
// Made from the Rust crate `contract`; never edited by hand. To make it again after a change there:
// ANABRANCH_WRITE=1 cargo test -p contract
";

#[test]
fn the_typescript_types_match_these() {
    let path = FilePath::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let made = all();
    if std::env::var_os("ANABRANCH_WRITE").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let has = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        has == made,
        "{FILE} differs from the types here: make it again with ANABRANCH_WRITE=1 cargo test -p contract"
    );
}

fn all() -> String {
    // JSON has one kind of number, and no count of bytes comes near 2^53.
    let config = Config::new().with_large_int("number");
    let mut text = HEAD.to_owned();
    for one in [
        declared::<Status>,
        declared::<News>,
        declared::<Refused>,
        declared::<Update>,
        declared::<Entry>,
        declared::<Folder>,
        declared::<FolderSettings>,
        declared::<Chosen>,
        declared::<Origin>,
        declared::<FolderSetting>,
        declared::<State>,
        declared::<Work>,
        declared::<Pause>,
        declared::<PauseReason>,
        declared::<Place>,
        declared::<Contact>,
        declared::<Held>,
        declared::<Way>,
        declared::<Progress>,
        declared::<Direction>,
        declared::<Question>,
        declared::<Typed>,
        declared::<Problem>,
        declared::<Action>,
        declared::<Change>,
        declared::<Drive>,
        declared::<Standing>,
        declared::<OnDrive>,
        declared::<Purpose>,
        declared::<Keeps>,
        declared::<Settings>,
        declared::<Look>,
        declared::<Declined>,
        declared::<Setting>,
        declared::<Why>,
        declared::<Holder>,
        declared::<Missing>,
        declared::<Path>,
        declared::<Which>,
        declared::<Page>,
        declared::<File>,
        declared::<Conflict>,
        declared::<Since>,
        declared::<Version>,
        declared::<Activity>,
        declared::<Deed>,
        declared::<Rules>,
        declared::<Rule>,
        declared::<Allow>,
        declared::<Keeping>,
        declared::<Preview>,
        declared::<Travel>,
        declared::<Amount>,
        declared::<Branch>,
        declared::<Command>,
        declared::<Secret>,
        declared::<Keep>,
        declared::<Reply>,
        declared::<Request>,
        declared::<Answer>,
        declared::<Found>,
        declared::<AtPlace>,
        declared::<Looked>,
        declared::<Checked>,
        declared::<Check>,
        declared::<Verdict>,
        declared::<There>,
    ] {
        // Writing into a String cannot fail.
        let _ = write!(text, "\n{}", one(&config));
    }
    text
}

fn declared<T: TS>(config: &Config) -> String {
    let documentation = T::docs().unwrap_or_default();
    format!("{documentation}export {}\n", T::decl(config))
}
