// Made from the Rust crate `contract`; never edited by hand. To make it anew after a change there:
// ANABRANCH_WRITE=1 cargo test -p contract

/**
 * Everything there is to see, at one moment.
 */
export type Status = { 
/**
 * The folders of one engine process.
 */
folders: Array<Folder>, 
/**
 * Folders that are to be kept in sync and cannot be now. Each is among the problems too.
 */
refused: Array<Refused>, 
/**
 * The drives that are mounted.
 */
drives: Array<Drive>, 
/**
 * What is not as it should be with the program itself, or with a folder that cannot be kept in sync.
 */
problems: Array<Problem>, 
/**
 * The settings.
 */
settings: Settings, };

/**
 * What whoever watches is told: first everything, then what is otherwise.
 */
export type News = { "whole": Status } | { "changed": Update };

/**
 * A folder that is to be kept in sync and cannot be now.
 */
export type Refused = { 
/**
 * Where it should be; it can be left by this path.
 */
path: string, 
/**
 * Why, in words for people.
 */
why: string, };

/**
 * What is to be seen otherwise than before.
 */
export type Update = { 
/**
 * All folders in their order; none if they are as they were.
 */
folders: Array<Entry> | null, 
/**
 * The folders that cannot be kept in sync; none if they are as they were.
 */
refused: Array<Refused> | null, 
/**
 * The drives; none if they are as they were.
 */
drives: Array<Drive> | null, 
/**
 * The problems; none if they are as they were.
 */
problems: Array<Problem> | null, 
/**
 * The settings; none if they are as they were.
 */
settings: Settings | null, };

/**
 * A folder in an [`Update`].
 */
export type Entry = { "same": number } | { "new": Folder };

/**
 * One folder.
 */
export type Folder = { 
/**
 * Where it is.
 */
path: string, 
/**
 * Its annex uuid.
 */
uuid: string, 
/**
 * What it is called in all clones.
 */
description: string, 
/**
 * Its state.
 */
state: State, 
/**
 * The state in one sentence.
 */
headline: string, 
/**
 * True once the first look since the start has ended: before that, what is counted is not all.
 */
has_looked: boolean, 
/**
 * What it has to do.
 */
work: Work, 
/**
 * Files in the annex, as last observed.
 */
keys: number, 
/**
 * Their bytes.
 */
bytes: number, 
/**
 * What git and git-annex are told of it; none without an engine.
 */
settings: FolderSettings | null, 
/**
 * The other repositories that it knows.
 */
places: Array<Place>, 
/**
 * Contents that it wants and lacks and whose transfer was cancelled; none if there are none.
 */
held: Held | null, 
/**
 * Transfers under way.
 */
transfers: Array<Progress>, 
/**
 * Why it is paused; none if it is not.
 */
pause: Pause | null, 
/**
 * What waits for the user.
 */
question: Question | null, 
/**
 * What is not as it should be.
 */
problems: Array<Problem>, 
/**
 * Contents that were found damaged, here or in a place, and are not made good yet.
 */
damaged: number, 
/**
 * Files that are kept in several versions because they were changed in two places at once, and are not settled yet.
 */
conflicts: number, 
/**
 * Files of which there are fewer copies than git-annex is told to keep, in repositories that count.
 */
few_copies: number, 
/**
 * What has no room for contents that are wanted there: names of places, and the path of this folder if it is its
 * own disk.
 */
full: Array<string>, 
/**
 * Why something is still waiting, one sentence each; empty if nothing is.
 */
waiting: Array<string>, 
/**
 * What is left alone, or noticed late, as long as it is as it is; one sentence each. Nothing waits for it.
 */
notes: Array<string>, 
/**
 * What happened last, newest first.
 */
recent: Array<Change>, };

/**
 * What git and git-annex are told of one folder, as far as the window sets it.
 */
export type FolderSettings = { 
/**
 * How many copies of each file are to be kept: `numcopies`, which all clones share.
 */
copies: Chosen, 
/**
 * How much of the folder's disk is left free: `annex.diskreserve`.
 */
reserve: Chosen, 
/**
 * Whether new files are added unlocked: `annex.addunlocked`, `true`, `false` or an expression of git-annex.
 */
unlocked: Chosen, };

/**
 * A setting as it is in force.
 */
export type Chosen = { 
/**
 * As it is written, whatever that means; where it is not written, what git-annex does then.
 */
value: string, 
/**
 * Where it is written.
 */
origin: Origin, };

/**
 * Where a [`Chosen`] setting is written.
 */
export type Origin = "default" | "here" | { "weaker": string } | { "stronger": string };

/**
 * One of the [`FolderSettings`] with a new value.
 */
export type FolderSetting = { "copies": number } | { "reserve": string | null } | { "unlocked": boolean | null };

/**
 * The state of a folder; the first that applies.
 */
export type State = "needs-you" | "stopped" | "paused" | "working" | "waiting" | "safe";

/**
 * What a folder has to do, whatever its state says first.
 */
export type Work = "nothing" | "under-way" | "held-up";

/**
 * A pause.
 */
export type Pause = { 
/**
 * Who or what asked for it.
 */
reason: PauseReason, 
/**
 * When it ends by itself, seconds since the epoch; none if it does not, or nobody knows.
 */
until: number | null, };

/**
 * Why a folder is paused.
 */
export type PauseReason = "asked" | "battery";

/**
 * Another repository of the same files.
 */
export type Place = { 
/**
 * The name of the remote.
 */
name: string, 
/**
 * Whether it can be reached.
 */
contact: Contact, 
/**
 * True if it has our commits, as far as known.
 */
has_commits: boolean, 
/**
 * Why no contents are sent to it, if git's settings say so; in words for people.
 */
takes_nothing: string | null, 
/**
 * Contents that it wants and lacks.
 */
wants: number, 
/**
 * Their bytes.
 */
wants_bytes: number, 
/**
 * When a check (`git annex fsck`) last ran over it, seconds since the epoch; none if none is known. It may have looked
 * at a part only.
 */
checked: number | null, 
/**
 * What it keeps; none if that cannot be said or set: it is not supported, or nobody has seen its repository yet.
 */
keeps: Keeps | null, 
/**
 * Those of them whose transfer was cancelled; none if there are none.
 */
held: Held | null, };

/**
 * Whether a place can be reached.
 */
export type Contact = "unknown" | "here" | { "away": string } | { "unsupported": string };

/**
 * Contents whose transfer the user cancelled. They go on by themselves after a while, and at once when they are put first
 * or a sync is asked for.
 */
export type Held = { 
/**
 * How many.
 */
files: number, 
/**
 * When the first of them goes on, seconds since the epoch.
 */
until: number, };

/**
 * A transfer under way.
 */
export type Progress = { 
/**
 * Names it, and no other transfer ever.
 */
id: string, 
/**
 * The other end.
 */
place: string, 
/**
 * Which way.
 */
direction: Direction, 
/**
 * The file that is moving now, or the number of files.
 */
what: string, 
/**
 * Bytes arrived.
 */
done: number, 
/**
 * Bytes in all.
 */
total: number, };

/**
 * Which way a content travels.
 */
export type Direction = "receiving" | "sending";

/**
 * Something only the user can decide.
 */
export type Question = { 
/**
 * Names what it is about: another question, and one about more of the same, has another name.
 */
id: string, 
/**
 * The question in words.
 */
text: string, 
/**
 * What yes does, as the words of a button.
 */
yes: string, 
/**
 * What no does, as the words of a button.
 */
no: string, };

/**
 * Something that is not as it should be and does not go away by waiting alone.
 */
export type Problem = { 
/**
 * What happened.
 */
what: string, 
/**
 * Whether anything is lost.
 */
lost: string, 
/**
 * What happens next by itself.
 */
next: string, 
/**
 * What to do about it.
 */
remedy: string, 
/**
 * What can be done about it with one click; none if that helps nothing.
 */
action: Action | null, };

/**
 * What can be done about a [`Problem`].
 */
export type Action = { "sync": { 
/**
 * The folder, by its path.
 */
folder: string, } } | { "leave": { 
/**
 * The folder, by its path.
 */
folder: string, } } | "see-drives" | { "show": { 
/**
 * An absolute path. If nothing is there any more, what is above it is shown.
 */
path: string, } };

/**
 * Something that happened.
 */
export type Change = { 
/**
 * Seconds since the epoch.
 */
at: number, 
/**
 * In words.
 */
what: string, };

/**
 * A drive that is mounted now, and that can be taken out or holds a place of some folder.
 */
export type Drive = { 
/**
 * What it is asked for by: the uuid of its file system.
 */
id: string, 
/**
 * Its label, or else its maker and model.
 */
name: string, 
/**
 * Where it is mounted.
 */
path: string, 
/**
 * The kind of its file system, such as `vfat`.
 */
file_system: string, 
/**
 * The bytes it has room for.
 */
bytes: number, 
/**
 * The bytes that are free on it.
 */
free: number, 
/**
 * What it is to this program.
 */
standing: Standing, 
/**
 * What people should know before they use it, such as the largest file it can hold; one sentence each.
 */
notes: Array<string>, 
/**
 * True if it can be unmounted from here.
 */
can_eject: boolean, };

/**
 * What a drive is to this program.
 */
export type Standing = "new" | "declined" | { "unusable": string } | { "in-use": { 
/**
 * Them.
 */
places: Array<OnDrive>, 
/**
 * True if everything that belongs on it is on it.
 */
up_to_date: boolean, } } | { "ejecting": { 
/**
 * What is still to be done, in words for people.
 */
what: string, } };

/**
 * A place on a drive.
 */
export type OnDrive = { 
/**
 * The path of the folder.
 */
folder: string, 
/**
 * The name that the folder knows the place by.
 */
place: string, };

/**
 * What a drive or another place is for.
 */
export type Purpose = "carry" | "backup" | "only-new" | "archive";

/**
 * What a place keeps: what it wants, as all clones of the folder know it. Groups are git-annex's standard groups; those
 * that somebody has named are not among them.
 */
export type Keeps = { "for": Purpose } | { "all": { 
/**
 * The groups that it is in all the same.
 */
groups: Array<string>, } } | { "own": { 
/**
 * Its groups.
 */
groups: Array<string>, 
/**
 * Its preferred content; empty if only required content is set.
 */
wanted: string, } };

/**
 * The settings of the program itself, as they are in force.
 */
export type Settings = { 
/**
 * The file that they are written in, which people may edit; empty if this process uses none.
 */
file: string, 
/**
 * Whether the program starts with the desktop; none if the user was not asked yet.
 */
autostart: boolean | null, 
/**
 * Whether ordinary notifications are shown; those about danger always are.
 */
notifications: boolean, 
/**
 * Contents sent, bytes a second, all folders together; none without limit.
 */
limit_up: number | null, 
/**
 * Contents received, bytes a second, all folders together; none without limit.
 */
limit_down: number | null, 
/**
 * Whether all folders pause while this computer runs on battery.
 */
pause_on_battery: boolean, 
/**
 * Whether places that are reached through a network count as away while the network costs money.
 */
pause_on_metered: boolean, 
/**
 * How the window looks.
 */
look: Look, 
/**
 * Drives that the user does not want to be asked about.
 */
declined: Array<Declined>, };

/**
 * How the window looks.
 */
export type Look = "system" | "light" | "dark";

/**
 * A drive that the user does not want to be asked about.
 */
export type Declined = { 
/**
 * The uuid of its file system.
 */
id: string, 
/**
 * What it was called.
 */
name: string, };

/**
 * One setting with a new value.
 */
export type Setting = { "autostart": boolean } | { "notifications": boolean } | { "limit-up": number | null } | { "limit-down": number | null } | { "pause-on-battery": boolean } | { "pause-on-metered": boolean } | { "look": Look };

/**
 * Where a file is, where it should be, and what it is waiting for.
 */
export type Why = { 
/**
 * The file.
 */
path: string, 
/**
 * Its key; none if it is in git itself or unknown.
 */
key: string | null, 
/**
 * The repositories that have it.
 */
have: Array<Holder>, 
/**
 * The repositories that want it.
 */
want: Array<string>, 
/**
 * Those of them that do not have it.
 */
missing: Array<Missing>, 
/**
 * All that in one sentence, which does not name the file.
 */
sentence: string, };

/**
 * A repository that has a content.
 */
export type Holder = { 
/**
 * Which.
 */
place: string, 
/**
 * When a check (`git annex fsck`) last ran over the repository, seconds since the epoch; none if none is known. It may
 * have looked at other contents only.
 */
checked: number | null, };

/**
 * A repository that wants a content and does not have it.
 */
export type Missing = { 
/**
 * Which.
 */
place: string, 
/**
 * Why it does not, in words for people.
 */
reason: string, };

/**
 * A path inside a folder. Not every name is text.
 */
export type Path = { 
/**
 * For people: bytes that are no text are replaced.
 */
shown: string, 
/**
 * Its bytes in hexadecimal: it is asked for by these.
 */
bytes: string, };

/**
 * Which files of a folder are listed.
 */
export type Which = "all" | { "named": string } | { "wanted-by": string } | "wanted-here" | "few-copies";

/**
 * A part of a list of files, in the order of their paths.
 */
export type Page = { 
/**
 * How many files the whole list has.
 */
total: number, 
/**
 * From the one that was asked for on, a few hundred at the most.
 */
files: Array<File>, };

/**
 * A file of the annex.
 */
export type File = { 
/**
 * Where it is.
 */
path: Path, 
/**
 * Its bytes; none if not known.
 */
bytes: number | null, 
/**
 * True if its content is here.
 */
is_here: boolean, 
/**
 * Copies that are known, the one here included.
 */
copies: number, };

/**
 * Versions of one file that were made at the same time, all of which are kept.
 */
export type Conflict = { 
/**
 * The name that the file had.
 */
path: Path, 
/**
 * The versions. A single one was changed in one place and deleted in the other, or is what the user left of several.
 */
versions: Array<Version>, };

/**
 * One version of a file in conflict.
 */
export type Version = { 
/**
 * The name under which it is kept.
 */
path: Path, 
/**
 * Its bytes; none if not known.
 */
bytes: number | null, 
/**
 * Whose commit brought it; none if not known.
 */
who: string | null, 
/**
 * When that was, seconds since the epoch.
 */
at: number | null, 
/**
 * True if its content is here.
 */
is_here: boolean, };

/**
 * A part of who did what in a folder, from git's history.
 */
export type Activity = { 
/**
 * What was done, newest first, a few hundred at the most.
 */
deeds: Array<Deed>, 
/**
 * How many commits to leave out to go on from here; none at the beginning of the history.
 */
next: number | null, };

/**
 * What one commit did.
 */
export type Deed = { 
/**
 * The commit.
 */
commit: string, 
/**
 * Whose it is.
 */
who: string, 
/**
 * When it was made, seconds since the epoch.
 */
at: number, 
/**
 * Files that came.
 */
added: number, 
/**
 * Files that became others.
 */
changed: number, 
/**
 * Files that went.
 */
deleted: number, 
/**
 * Files that went while the same came under another name.
 */
renamed: number, 
/**
 * A few of their names.
 */
names: Array<Path>, };

/**
 * The rules of a folder.
 */
export type Rules = { 
/**
 * In the order of the file.
 */
rules: Array<Rule>, 
/**
 * Why the file cannot be read, with its line; the rules here are then those in force.
 */
mistake: string | null, };

/**
 * What may travel, by place and directory. Of those that fit, the longest directory wins, then the one that names the
 * place, then the last.
 */
export type Rule = { 
/**
 * The name of the place; none for all.
 */
place: string | null, 
/**
 * The directory, with all below it; none for the whole folder.
 */
directory: string | null, 
/**
 * What may travel.
 */
allow: Allow, };

/**
 * What may travel between a folder and a place.
 */
export type Allow = "everything" | "git-only" | "content-up" | "content-down" | "nothing";

/**
 * A place that is to keep something else.
 */
export type Keeping = { 
/**
 * The name of the place.
 */
place: string, 
/**
 * What it kept when the user last saw it.
 */
before: Keeps, 
/**
 * What it is to keep.
 */
after: Keeps, };

/**
 * What rules would change, before they are set.
 */
export type Preview = { 
/**
 * What would still have to travel to and from each place.
 */
travels: Array<Travel>, 
/**
 * The fewest copies that any file would have, in this folder and the places that are known, when all that has
 * travelled; none without files.
 */
fewest_copies: number | null, 
/**
 * How many files would have so few.
 */
files_with_fewest: number, };

/**
 * Contents that travel to and from a place.
 */
export type Travel = { 
/**
 * The place.
 */
place: string, 
/**
 * Files to it and their bytes.
 */
up: Amount, 
/**
 * Files from it and their bytes.
 */
down: Amount, 
/**
 * Files that it wants or that are wanted from it, and that the rules hold back.
 */
held_back: Amount, };

/**
 * A number of files.
 */
export type Amount = { 
/**
 * How many.
 */
files: number, 
/**
 * Their bytes, as far as known.
 */
bytes: number, };

/**
 * A directory or file of a folder, as a tree shows it.
 */
export type Branch = { 
/**
 * Where it is.
 */
path: Path, 
/**
 * All files below it.
 */
holds: Amount, 
/**
 * True if it has directories of its own.
 */
has_directories: boolean, };

/**
 * Something asked of the engine of one folder. One line of JSON on its socket; one [`Reply`] line comes back.
 */
export type Command = "status" | { "why": { 
/**
 * The path.
 */
path: string, } } | { "pause": { 
/**
 * When to go on by itself, seconds since the epoch; none to wait for [`Command::Resume`].
 */
until: number | null, } } | "resume" | "sync" | { "first": { 
/**
 * The path of the file, as bytes in hexadecimal.
 */
path: string, 
/**
 * The name of the place that it goes to; none for this folder.
 */
place: string | null, } } | { "cancel": { 
/**
 * What [`crate::Progress::id`] says.
 */
transfer: string, } } | { "answer": { 
/**
 * Which question, by its name; none for the one that is shown now.
 */
question: string | null, 
/**
 * Yes or no, as the question says.
 */
yes: boolean, } } | { "files": { 
/**
 * Which files.
 */
which: Which, 
/**
 * How many to leave out at the beginning.
 */
skip: number, 
/**
 * How many at the most; a few hundred are given at the most.
 */
count: number, } } | { "tree": { 
/**
 * Its path, as bytes in hexadecimal; empty for the folder itself.
 */
directory: string, } } | { "activity": { 
/**
 * How many commits to leave out at the beginning: what [`Activity::next`] says, to go on from there.
 */
skip: number, 
/**
 * How many deeds at the most; a few hundred are given at the most.
 */
count: number, } } | "rules" | { "preview-rules": { 
/**
 * The rules.
 */
rules: Array<Rule>, 
/**
 * The places.
 */
keeps: Array<Keeping>, } } | { "set-rules": { 
/**
 * The rules that the user saw.
 */
before: Array<Rule>, 
/**
 * The new ones.
 */
rules: Array<Rule>, 
/**
 * The places that are to keep something else.
 */
keeps: Array<Keeping>, } } | { "set-folder": { 
/**
 * The setting with its new value.
 */
setting: FolderSetting, } } | "conflicts" | { "settle": { 
/**
 * The path of the file, as bytes in hexadecimal.
 */
path: string, 
/**
 * What becomes of the versions.
 */
keep: Keep, } } | { "unsettle": { 
/**
 * The path of the file, as bytes in hexadecimal.
 */
path: string, } };

/**
 * What is kept when a conflict is settled.
 */
export type Keep = "all" | { "one": string } | "nothing";

/**
 * The answer to a [`Command`].
 */
export type Reply = { "status": Folder } | { "why": Why } | { "files": Page } | { "tree": Array<Branch> } | { "activity": Activity } | { "rules": Rules } | { "preview": Preview } | { "conflicts": Array<Conflict> } | "done" | { "said": string } | { "refused": string };

/**
 * Something asked of the program as a whole, not of one folder.
 */
export type Request = { "inspect": { 
/**
 * An absolute path, or one that begins with `~/`.
 */
path: string, } } | "suggest" | { "add": { 
/**
 * An absolute path, or one that begins with `~/`.
 */
path: string, } } | { "clone-to": { 
/**
 * The folder, by its path.
 */
folder: string, 
/**
 * An absolute path, or one that begins with `~/`; nothing or an empty directory is there.
 */
path: string, } } | { "leave": { 
/**
 * The folder, by its path.
 */
folder: string, } } | { "use-drive": { 
/**
 * The drive, by its id.
 */
drive: string, 
/**
 * The folder, by its path.
 */
folder: string, 
/**
 * What the drive is for.
 */
purpose: Purpose, } } | { "decline-drive": { 
/**
 * The drive, by its id.
 */
drive: string, } } | { "reconsider-drive": { 
/**
 * The drive, by its id.
 */
drive: string, } } | { "eject": { 
/**
 * The drive, by its id.
 */
drive: string, } } | { "keep-drive": { 
/**
 * The drive, by its id.
 */
drive: string, } } | { "set": Setting };

/**
 * The answer to a [`Request`].
 */
export type Answer = { "done": string } | { "found": Found } | { "suggested": Array<string> } | { "refused": string };

/**
 * What is at a place.
 */
export type Found = { 
/**
 * The path without `~` or links.
 */
path: string, 
/**
 * What is there.
 */
what: AtPlace, 
/**
 * Files there, counted up to some thousands; none if not counted to the end.
 */
files: number | null, };

/**
 * What a place holds.
 */
export type AtPlace = "nothing" | "directory" | "git" | "annex" | "kept" | { "unusable": string };
