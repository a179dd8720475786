// Made from the Rust crate `contract`; never edited by hand. To make it anew after a change there:
// ANABRANCH_WRITE=1 cargo test -p contract

/**
 * Everything there is to see, at one moment.
 */
export type Status = { 
/**
 * The folders of one engine process.
 */
folders: Array<Folder>, };

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
 * Files in the annex, as last observed.
 */
keys: number, 
/**
 * Their bytes.
 */
bytes: number, 
/**
 * The other repositories that it knows.
 */
places: Array<Place>, 
/**
 * Transfers under way.
 */
transfers: Array<Progress>, 
/**
 * What waits for the user.
 */
question: Question | null, 
/**
 * What is not as it should be.
 */
problems: Array<Problem>, 
/**
 * Why something is still waiting, one sentence each; empty if nothing is.
 */
waiting: Array<string>, 
/**
 * What happened last, newest first.
 */
recent: Array<Change>, };

/**
 * The state of a folder; the first that applies.
 */
export type State = "needs-you" | "stopped" | "paused" | "working" | "waiting" | "safe";

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
 * Contents that it wants and lacks.
 */
wants: number, 
/**
 * Their bytes.
 */
wants_bytes: number, };

/**
 * Whether a place can be reached.
 */
export type Contact = "unknown" | "here" | { "away": string } | { "unsupported": string };

/**
 * A transfer under way.
 */
export type Progress = { 
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
 * The question in words, with what yes and no do.
 */
text: string, };

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
remedy: string, };

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
have: Array<string>, 
/**
 * The repositories that want it.
 */
want: Array<string>, 
/**
 * All that in one sentence.
 */
sentence: string, };

/**
 * Something asked of the engine of one folder. One line of JSON on its socket; one [`Reply`] line comes back.
 */
export type Command = "status" | { "why": { 
/**
 * The path.
 */
path: string, } } | "pause" | "resume" | "sync" | { "answer": { 
/**
 * Yes or no, as the question says.
 */
yes: boolean, } };

/**
 * The answer to a [`Command`].
 */
export type Reply = { "status": Folder } | { "why": Why } | "done" | { "refused": string };
