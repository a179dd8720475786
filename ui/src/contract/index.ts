// Made from the Rust crate `contract`; never edited by hand. To make it again after a change there:
// ANABRANCH_WRITE=1 cargo test -p contract

/**
 * The state of everything at one moment.
 */
export type Status = { 
/**
 * The folders of one engine process.
 */
folders: Array<Folder>, 
/**
 * Folders that should be synced but cannot be now. Each is also listed among the problems.
 */
refused: Array<Refused>, 
/**
 * The mounted drives.
 */
drives: Array<Drive>, 
/**
 * Problems of the program itself, and of folders that cannot be synced.
 */
problems: Array<Problem>, 
/**
 * The settings.
 */
settings: Settings, };

/**
 * A message to a watcher: first the whole status, then only the changes.
 */
export type News = { "whole": Status } | { "changed": Update };

/**
 * A folder that should be synced but cannot be now.
 */
export type Refused = { 
/**
 * The path where it should be, by which it can also be left.
 */
path: string, 
/**
 * The reason, as text for the user.
 */
why: string, };

/**
 * The differences between two statuses.
 */
export type Update = { 
/**
 * All folders, in order; none if unchanged.
 */
folders: Array<Entry> | null, 
/**
 * The folders that cannot be synced; none if unchanged.
 */
refused: Array<Refused> | null, 
/**
 * The drives; none if unchanged.
 */
drives: Array<Drive> | null, 
/**
 * The problems; none if unchanged.
 */
problems: Array<Problem> | null, 
/**
 * The settings; none if unchanged.
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
 * Its description, which all clones share.
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
 * True once the first scan since the start has ended; before that, the counts are incomplete.
 */
has_looked: boolean, 
/**
 * Its work.
 */
work: Work, 
/**
 * The number of annexed keys that some repository wants, as last observed.
 */
keys: number, 
/**
 * Their size in bytes.
 */
bytes: number, 
/**
 * Its settings in git and git-annex; none if unknown, as without an engine.
 */
settings: FolderSettings | null, 
/**
 * The other repositories it knows.
 */
places: Array<Place>, 
/**
 * Files it wants and lacks whose transfer was cancelled; none if there are none.
 */
held: Held | null, 
/**
 * Transfers in progress.
 */
transfers: Array<Progress>, 
/**
 * Why it is paused; none if it is not.
 */
pause: Pause | null, 
/**
 * The question that waits for the user.
 */
question: Question | null, 
/**
 * Its problems.
 */
problems: Array<Problem>, 
/**
 * How many damaged copies were found, here or in places, and are not repaired yet.
 */
damaged: number, 
/**
 * How many unresolved conflicts there are: files kept in several versions because they were changed in two places
 * at once.
 */
conflicts: number, 
/**
 * How many keys have fewer copies, in repositories that count, than git-annex is told to keep.
 */
few_copies: number, 
/**
 * The disks with no space left for content that is wanted there: names of places, and the path of this folder for
 * its own disk.
 */
full: Array<string>, 
/**
 * Why something is still waiting, one sentence each; empty if nothing waits.
 */
waiting: Array<string>, 
/**
 * Notes about things that are left alone or noticed late, for as long as that lasts; one sentence each. Nothing
 * waits for them.
 */
notes: Array<string>, 
/**
 * The latest changes, newest first.
 */
recent: Array<Change>, };

/**
 * The settings of git and git-annex for one folder that the window can change.
 */
export type FolderSettings = { 
/**
 * How many copies of each file to keep: `numcopies`, which all clones share.
 */
copies: Chosen, 
/**
 * How much space to leave free on the folder's disk: `annex.diskreserve`.
 */
reserve: Chosen, 
/**
 * Whether new files are added unlocked: `annex.addunlocked`, `true`, `false` or an expression of git-annex.
 */
unlocked: Chosen, 
/**
 * Whether git asks the engine which files have changed, instead of looking at all of them: `true` or `false`.
 */
quick_git: Chosen, };

/**
 * The effective value of a setting, and where it comes from.
 */
export type Chosen = { 
/**
 * The value as written, even if invalid; git-annex's default if it is not written anywhere.
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
export type FolderSetting = { "copies": number } | { "reserve": string | null } | { "unlocked": boolean | null } | { "quick-git": boolean };

/**
 * The state of a folder: the most important one that applies.
 */
export type State = "needs-you" | "stopped" | "paused" | "working" | "waiting" | "safe";

/**
 * The work of a folder, independent of its [`State`].
 */
export type Work = "nothing" | "under-way" | "held-up";

/**
 * A pause.
 */
export type Pause = { 
/**
 * Its reason.
 */
reason: PauseReason, 
/**
 * When it ends by itself, in seconds since the epoch; none if it does not, or if that is unknown.
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
 * True if it has this folder's commits, as far as known.
 */
has_commits: boolean, 
/**
 * Why no content is sent to it, if git's settings or the rules forbid it; as text for the user.
 */
takes_nothing: string | null, 
/**
 * How many keys it wants and lacks.
 */
wants: number, 
/**
 * Their size in bytes.
 */
wants_bytes: number, 
/**
 * When a check (`git annex fsck`) last ran on it, in seconds since the epoch; none if unknown. That check may have
 * covered only a part.
 */
checked: number | null, 
/**
 * What it keeps; none if that cannot be known or set, because its kind is not supported or its repository was
 * never seen.
 */
keeps: Keeps | null, 
/**
 * The wanted files whose transfer was cancelled; none if there are none.
 */
held: Held | null, 
/**
 * How long an answer takes from another computer that is reached by ssh, in milliseconds; none if there is no connection, or
 * that is not known.
 */
round_trip: number | null, 
/**
 * The other remotes that lead there, which are not used now.
 */
other_ways: Array<Way>, };

/**
 * Whether a place can be reached.
 */
export type Contact = "unknown" | "here" | { "away": string } | { "unsupported": string };

/**
 * Files whose transfer the user cancelled. They resume by themselves after a while, and at once if the user moves them
 * to the front of the queue or asks for a sync.
 */
export type Held = { 
/**
 * The number of files.
 */
files: number, 
/**
 * When the first of them resumes, in seconds since the epoch.
 */
until: number, };

/**
 * A remote that leads to the same repository as that of a place.
 */
export type Way = { 
/**
 * The name of the remote.
 */
name: string, 
/**
 * Whether it can be reached.
 */
contact: Contact, };

/**
 * A transfer in progress.
 */
export type Progress = { 
/**
 * Its unique id, never used again.
 */
id: string, 
/**
 * The place at the other end.
 */
place: string, 
/**
 * Its direction.
 */
direction: Direction, 
/**
 * The file being transferred now, or the number of files.
 */
what: string, 
/**
 * Bytes that have arrived so far.
 */
done: number, 
/**
 * Bytes in all.
 */
total: number, };

/**
 * The direction of a transfer.
 */
export type Direction = "receiving" | "sending";

/**
 * A question that only the user can answer.
 */
export type Question = { 
/**
 * Identifies its subject: a different question, or the same question about more files, has a different id.
 */
id: string, 
/**
 * The text of the question.
 */
text: string, 
/**
 * The label of the button for yes, which says what yes does. If something is to be typed, yes sends it.
 */
yes: string, 
/**
 * The label of the button for no, which says what no does.
 */
no: string, 
/**
 * What is to be typed; none if yes or no is the whole answer.
 */
typed: Typed | null, };

/**
 * What the user types to answer a question.
 */
export type Typed = "secret" | "text";

/**
 * A problem that does not go away by waiting.
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
 * The remedy that one click offers; none if no click helps.
 */
action: Action | null, };

/**
 * A remedy that one click offers for a [`Problem`].
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
 * An absolute path. If it no longer exists, its nearest existing parent is shown.
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
 * What happened, as text for the user.
 */
what: string, };

/**
 * A mounted drive that is removable or holds a place of some folder.
 */
export type Drive = { 
/**
 * The uuid of its file system, which identifies it in requests.
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
 * The type of its file system, such as `vfat`.
 */
file_system: string, 
/**
 * Its capacity in bytes.
 */
bytes: number, 
/**
 * Its free space in bytes.
 */
free: number, 
/**
 * How Anabranch uses it.
 */
standing: Standing, 
/**
 * Notes that the user should read before using it, such as the largest file it can hold; one sentence each.
 */
notes: Array<string>, 
/**
 * True if Anabranch can unmount it.
 */
can_eject: boolean, };

/**
 * How Anabranch uses a drive.
 */
export type Standing = "new" | "declined" | { "unusable": string } | { "in-use": { 
/**
 * The places on it.
 */
places: Array<OnDrive>, 
/**
 * True if every place on it is up to date.
 */
up_to_date: boolean, } } | { "ejecting": { 
/**
 * The remaining work, as text for the user.
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
 * The folder's name for the place.
 */
place: string, };

/**
 * The purpose of a drive or another place.
 */
export type Purpose = "carry" | "backup" | "only-new" | "archive";

/**
 * The content that a place keeps, that is, wants, as all clones of the folder know it. Groups here are git-annex's
 * standard groups; groups that users named are not included.
 */
export type Keeps = { "for": Purpose } | { "all": { 
/**
 * The groups it is in nevertheless.
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
 * The effective settings of the program itself.
 */
export type Settings = { 
/**
 * The file that holds them, which people may edit; empty if this process uses none.
 */
file: string, 
/**
 * Whether the program starts with the desktop; none if the user has not been asked yet.
 */
autostart: boolean | null, 
/**
 * Whether ordinary notifications are shown; warnings of danger always are.
 */
notifications: boolean, 
/**
 * The upload limit of all folders together, in bytes per second; none for no limit.
 */
limit_up: number | null, 
/**
 * The download limit of all folders together, in bytes per second; none for no limit.
 */
limit_down: number | null, 
/**
 * Whether all folders pause while this computer runs on battery.
 */
pause_on_battery: boolean, 
/**
 * Whether places on the network count as away while the connection is metered.
 */
pause_on_metered: boolean, 
/**
 * The color scheme of the window.
 */
look: Look, 
/**
 * Drives that Anabranch no longer asks about.
 */
declined: Array<Declined>, };

/**
 * The color scheme of the window.
 */
export type Look = "system" | "light" | "dark";

/**
 * A drive that Anabranch no longer asks about.
 */
export type Declined = { 
/**
 * The uuid of its file system.
 */
id: string, 
/**
 * Its name at that time.
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
 * The repositories that want it and do not have it.
 */
missing: Array<Missing>, 
/**
 * A summary in one sentence that does not name the file.
 */
sentence: string, };

/**
 * A repository that has the content of a key.
 */
export type Holder = { 
/**
 * The name of the repository.
 */
place: string, 
/**
 * When a check (`git annex fsck`) last ran on the repository, in seconds since the epoch; none if unknown. That
 * check may have covered only other files.
 */
checked: number | null, };

/**
 * A repository that wants the content of a key and does not have it.
 */
export type Missing = { 
/**
 * The name of the repository.
 */
place: string, 
/**
 * Why it does not have it, as text for the user.
 */
reason: string, };

/**
 * A path inside a folder. Not every name is text.
 */
export type Path = { 
/**
 * Its text for the user, with bytes that are not UTF-8 replaced.
 */
shown: string, 
/**
 * Its bytes in hexadecimal, for use in commands.
 */
bytes: string, };

/**
 * Which files of a folder to list.
 */
export type Which = "all" | { "named": string } | { "wanted-by": string } | "wanted-here" | "few-copies";

/**
 * One page of a list of files, ordered by path.
 */
export type Page = { 
/**
 * The number of files in the whole list.
 */
total: number, 
/**
 * The files of this page, at most a few hundred.
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
 * Its size in bytes; none if unknown.
 */
bytes: number | null, 
/**
 * True if its content is in this folder.
 */
is_here: boolean, 
/**
 * How many copies are known, including the one in this folder.
 */
copies: number, };

/**
 * The versions of a file that was changed in several places at once. All of them are kept.
 */
export type Conflict = { 
/**
 * The original name of the file.
 */
path: Path, 
/**
 * The versions. A single one remains if the file was deleted in the other place, or if the user removed the
 * others.
 */
versions: Array<Version>, };

/**
 * What has changed since a moment.
 */
export type Since = { 
/**
 * The moment of the answer, for the next question.
 */
moment: string, 
/**
 * The paths of files and directories below the top, as bytes in hexadecimal; none if anything may have changed. A
 * directory stands for everything below it.
 */
paths: Array<string> | null, };

/**
 * One version of a file in conflict.
 */
export type Version = { 
/**
 * The name it is kept under.
 */
path: Path, 
/**
 * Its size in bytes; none if unknown.
 */
bytes: number | null, 
/**
 * The author of the commit that brought it; none if unknown.
 */
who: string | null, 
/**
 * When that commit was made, in seconds since the epoch.
 */
at: number | null, 
/**
 * True if its content is in this folder.
 */
is_here: boolean, };

/**
 * One page of a folder's activity, from git's history.
 */
export type Activity = { 
/**
 * The commits, newest first; at most a few hundred.
 */
deeds: Array<Deed>, 
/**
 * How many commits to skip to get the next page; none if the history ends here.
 */
next: number | null, };

/**
 * The changes of one commit.
 */
export type Deed = { 
/**
 * The commit.
 */
commit: string, 
/**
 * Its author.
 */
who: string, 
/**
 * When it was made, seconds since the epoch.
 */
at: number, 
/**
 * Files it added.
 */
added: number, 
/**
 * Files whose content it changed.
 */
changed: number, 
/**
 * Files it deleted.
 */
deleted: number, 
/**
 * Files it renamed.
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
 * The rules, in the order of the file.
 */
rules: Array<Rule>, 
/**
 * Why the file cannot be read, with the line; then the rules here are those still in effect.
 */
mistake: string | null, };

/**
 * A rule: what may be transferred, by place and directory. Of the rules that match, the one with the longest directory
 * wins, then the one that names the place, then the last.
 */
export type Rule = { 
/**
 * The name of the place; none for all places.
 */
place: string | null, 
/**
 * The directory, with everything below it; none for the whole folder.
 */
directory: string | null, 
/**
 * The transfers that are allowed.
 */
allow: Allow, };

/**
 * The transfers allowed between a folder and a place.
 */
export type Allow = "everything" | "git-only" | "content-up" | "content-down" | "nothing";

/**
 * A change of what one place keeps.
 */
export type Keeping = { 
/**
 * The name of the place.
 */
place: string, 
/**
 * The setting that the user last saw.
 */
before: Keeps, 
/**
 * The new setting.
 */
after: Keeps, };

/**
 * The effect of new rules, before they are set.
 */
export type Preview = { 
/**
 * The transfers still needed to and from each place.
 */
travels: Array<Travel>, 
/**
 * The smallest number of copies that any file would have in this folder and the known places after all transfers;
 * none without files.
 */
fewest_copies: number | null, 
/**
 * How many files would have that number of copies.
 */
files_with_fewest: number, };

/**
 * The files to transfer to and from a place.
 */
export type Travel = { 
/**
 * The place.
 */
place: string, 
/**
 * Files to send to it.
 */
up: Amount, 
/**
 * Files to receive from it.
 */
down: Amount, 
/**
 * Files that it wants, or that are wanted from it, but that the rules hold back.
 */
held_back: Amount, };

/**
 * A number of files and their size.
 */
export type Amount = { 
/**
 * The number of files.
 */
files: number, 
/**
 * Their size in bytes, as far as known.
 */
bytes: number, };

/**
 * An entry of the directory tree.
 */
export type Branch = { 
/**
 * Where it is.
 */
path: Path, 
/**
 * The files below it.
 */
holds: Amount, 
/**
 * True if it contains directories.
 */
has_directories: boolean, };

/**
 * A command to the engine of one folder. It is sent as one line of JSON over the engine's socket, which answers with
 * one [`Reply`] line.
 */
export type Command = "status" | { "why": { 
/**
 * The path below the top of the folder, as bytes in hexadecimal, since not every name is text.
 */
path: string, } } | { "pause": { 
/**
 * When to resume automatically, in seconds since the epoch; none to wait for [`Command::Resume`].
 */
until: number | null, } } | "resume" | "sync" | { "first": { 
/**
 * The path of the file, as bytes in hexadecimal.
 */
path: string, 
/**
 * The name of the place to send it to; none to download it to this folder.
 */
place: string | null, } } | { "cancel": { 
/**
 * Its [`crate::Progress::id`].
 */
transfer: string, } } | { "answer": { 
/**
 * The id of the question; none for the one shown now.
 */
question: string | null, 
/**
 * True for yes.
 */
yes: boolean, } } | { "enter": { 
/**
 * The id of the question.
 */
question: string, 
/**
 * The answer.
 */
text: Secret, } } | { "files": { 
/**
 * Which files.
 */
which: Which, 
/**
 * How many files to skip.
 */
skip: number, 
/**
 * How many files to return; never more than a few hundred.
 */
count: number, } } | { "tree": { 
/**
 * Its path, as bytes in hexadecimal; empty for the folder itself.
 */
directory: string, } } | { "activity": { 
/**
 * How many commits to skip: [`Activity::next`] of the previous page.
 */
skip: number, 
/**
 * How many commits to return; never more than a few hundred.
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
 * The new rules.
 */
rules: Array<Rule>, 
/**
 * The places whose setting changes.
 */
keeps: Array<Keeping>, } } | { "set-folder": { 
/**
 * The setting with its new value.
 */
setting: FolderSetting, } } | { "changed-since": { 
/**
 * [`Since::moment`] of an earlier answer, or any other text.
 */
moment: string, 
/**
 * The top of the folder as git sees it, as bytes in hexadecimal.
 */
top: string, } } | "conflicts" | { "resolve": { 
/**
 * The path of the file, as bytes in hexadecimal.
 */
path: string, 
/**
 * Which versions to keep.
 */
keep: Keep, } } | { "reopen": { 
/**
 * The path of the file, as bytes in hexadecimal.
 */
path: string, } };

/**
 * A text that only its receiver may see. It is overwritten when it is not needed any more.
 */
export type Secret = string;

/**
 * Which versions to keep when a conflict is resolved.
 */
export type Keep = "all" | { "one": string } | "nothing";

/**
 * The answer to a [`Command`].
 */
export type Reply = { "status": Folder } | { "why": Why } | { "files": Page } | { "tree": Array<Branch> } | { "activity": Activity } | { "rules": Rules } | { "preview": Preview } | { "conflicts": Array<Conflict> } | { "changed-since": Since } | "done" | { "said": string } | { "refused": string };

/**
 * A request to the program as a whole, not to one folder.
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
 * An absolute path, or one that begins with `~/`. Either nothing or an empty directory must be there.
 */
path: string, } } | "computers" | { "look": { 
/**
 * An address for ssh, such as `HOST:PATH`.
 */
address: string, } } | { "answer-login": { 
/**
 * The id of the question.
 */
question: string, 
/**
 * False if the user does not want to log in.
 */
yes: boolean, 
/**
 * What the user has typed, if the question asks for something.
 */
text: Secret | null, } } | "make-key" | { "add-computer": { 
/**
 * The folder, by its path.
 */
folder: string, 
/**
 * An address for ssh. Nothing, an empty directory, or a clone of the folder must be there.
 */
address: string, 
/**
 * True for a place that holds content, but shows no files.
 */
bare: boolean, } } | { "clone-from": { 
/**
 * An address for ssh.
 */
address: string, 
/**
 * An absolute path, or one that begins with `~/`. Either nothing or an empty directory must be there.
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
 * The purpose of the drive.
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
export type Answer = { "done": string } | { "found": Found } | { "suggested": Array<string> } | { "computers": Array<string> } | { "looked": Looked } | { "key": string } | { "refused": string };

/**
 * The result of [`Request::Inspect`] for a path.
 */
export type Found = { 
/**
 * The path with `~` and links resolved.
 */
path: string, 
/**
 * What is there.
 */
what: AtPlace, 
/**
 * The number of files there; none if there are too many, or if they were not counted.
 */
files: number | null, };

/**
 * What a path holds.
 */
export type AtPlace = "nothing" | "directory" | "git" | "annex" | "kept" | { "unusable": string };

/**
 * The result of [`Request::Look`].
 */
export type Looked = { 
/**
 * The checks, in their order.
 */
checks: Array<Checked>, 
/**
 * What is at the path; none if a check failed.
 */
there: There | null, 
/**
 * Bytes that are free there, if the computer says.
 */
free: number | null, 
/**
 * What the login asks. Look again after [`Request::AnswerLogin`].
 */
question: Question | null, };

/**
 * One check of [`Request::Look`].
 */
export type Checked = { 
/**
 * What is checked.
 */
check: Check, 
/**
 * How it ended.
 */
verdict: Verdict, 
/**
 * Why it did not pass and what to do, as text for the user; else empty.
 */
words: string, };

/**
 * What [`Request::Look`] checks.
 */
export type Check = "reach" | "login" | "git" | "annex" | "place" | "room";

/**
 * How a check ended.
 */
export type Verdict = "passed" | "lacking" | "asking" | "failed" | "not-reached";

/**
 * What is at a path of another computer.
 */
export type There = "nothing" | "repository" | "unknown";
