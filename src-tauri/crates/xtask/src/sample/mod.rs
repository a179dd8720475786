//! The main job on a sample: Anabranch syncs a laptop's folder, a desk's clone and a drive before your eyes.

mod crossing;
mod scene;
mod verify;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crossing::{Crossing, watch};
use scene::Scene;

use crate::steps::seconds;

/// How many bytes a film has here.
const FILM: usize = 64 << 20;

/// Makes the sample, runs Anabranch on it, edits files, shows each crossing with its time, and verifies every clone.
///
/// # Errors
///
/// When something cannot be made or started, a change does not arrive, or a clone is not whole at the end; the sample
/// is left where it is, and the message says where.
pub(crate) fn run(anabranch: &Path, git_annex: &Path) -> Result<()> {
    let scene = Scene::make(anabranch, git_annex)?;
    let result = perform(&scene);
    println!("\nLook around in {}", scene.folder.display());
    println!(
        "  laptop/ and desk/ are clones with all files, drive/ is a bare repository, engine.log is what the engine said"
    );
    println!("  to go on: {}", scene.go_on());
    println!(
        "  to remove it: chmod -R u+w '{0}' && rm -r '{0}'",
        scene.folder.display()
    );
    result
}

fn perform(scene: &Scene) -> Result<()> {
    let mut engine = scene.start_engine()?;
    println!("\n{:<46} {:>10} {:>10}", "what happens", "clone", "drive");
    let told = tell(scene);
    if told.is_err() {
        eprintln!("\nThe engine's last words:\n{}", scene.last_words());
    }
    let stopped = engine.stop();
    told.and(stopped)?;
    verify::everything(scene)
}

/// The story: one change after the other, each waited for.
fn tell(scene: &Scene) -> Result<()> {
    let (laptop, desk) = (scene.laptop(), scene.desk());
    let note = noise(1, 4 << 10);
    let crossing = Crossing::of("note.txt", &note).to(&desk).and_drive();
    show(scene, "a note of 4 KiB is saved on the laptop", &crossing, || {
        fs::write(laptop.join("note.txt"), &note)
    })?;

    let note = noise(2, 4 << 10);
    let crossing = Crossing::of("note.txt", &note).to(&desk).and_drive();
    show(scene, "the note is edited", &crossing, || {
        fs::write(laptop.join("note.txt"), &note)
    })?;

    let photos: Vec<(String, Vec<u8>)> = (0..200)
        .map(|number| (format!("album/photo {number}.jpg"), noise(1_000 + number, 16 << 10)))
        .collect();
    let crossing = Crossing::all(photos.clone()).to(&desk).and_drive();
    show(scene, "200 photos are dropped in at once", &crossing, || {
        fs::create_dir(laptop.join("album"))?;
        photos
            .iter()
            .try_for_each(|(path, content)| fs::write(laptop.join(path), content))
    })?;

    let film = noise(3, FILM);
    let crossing = Crossing::of("film.mkv", &film).to(&desk).and_drive();
    show(scene, "a film of 64 MiB is saved", &crossing, || {
        fs::write(laptop.join("film.mkv"), &film)
    })?;

    let renamed = photos
        .into_iter()
        .map(|(path, content)| (path.replace("album/", "summer/"), content))
        .collect();
    let crossing = Crossing::all(renamed).without("album").to(&desk);
    show(scene, "the folder of photos is renamed", &crossing, || {
        fs::rename(laptop.join("album"), laptop.join("summer"))
    })?;

    let letter = noise(4, 9_000);
    let crossing = Crossing::of("letter.odt", &letter).to(&laptop).and_drive();
    show(scene, "a letter is written at the desk", &crossing, || {
        fs::write(desk.join("letter.odt"), &letter)
    })?;

    let crossing = Crossing::all(Vec::new()).without("note.txt").to(&laptop);
    show(scene, "the note is deleted at the desk", &crossing, || {
        fs::remove_file(desk.join("note.txt"))
    })
}

/// Makes a change, waits until it has arrived everywhere it should, and tells how long that took.
fn show(scene: &Scene, what: &str, crossing: &Crossing, change: impl FnOnce() -> std::io::Result<()>) -> Result<()> {
    change().with_context(|| format!("“{what}” could not be done"))?;
    let times = watch(scene, crossing, Duration::from_secs(60))
        .with_context(|| format!("“{what}” did not arrive; nothing is lost: it is still where it was written"))?;
    let drive = times.drive.map_or_else(|| "·".to_owned(), seconds);
    println!("{what:<46} {:>10} {drive:>10}", seconds(times.clone));
    Ok(())
}

/// Bytes that nothing can compress, the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
