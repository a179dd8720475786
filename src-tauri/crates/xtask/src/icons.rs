//! `cargo xtask icons`: the PNG sets, made from the SVG sources in `icons/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use crate::place::Place;

/// The sizes of the application icon that desktops ask for.
const APPLICATION: &[u32] = &[16, 24, 32, 48, 64, 128, 256, 512];

/// A tray takes one picture and makes it smaller: this divides evenly into the usual 16 and 24.
const TRAY: u32 = 48;

/// The sets for the tray: the folder, the colour of the mark, and the colour of its edge, which keeps the mark visible on
/// a panel that is not as the desktop says.
const SETS: &[(&str, Colour, Colour)] = &[
    ("light", [0x24, 0x29, 0x2e], [0xff, 0xff, 0xff]),
    ("dark", [0xff, 0xff, 0xff], [0x1b, 0x1f, 0x23]),
];

/// Red, green, blue.
type Colour = [u8; 3];

/// How much of what lies behind it the edge hides, of 255.
const EDGE: u8 = 90;

/// Makes all PNG files from their sources.
///
/// # Errors
///
/// When a source cannot be read or is no picture, or a file cannot be written.
pub(crate) fn run() -> Result<()> {
    let folder = Place::find()?.root.join("icons");
    for (name, bytes) in make(&folder)? {
        let path = folder.join(&name);
        let parent = path.parent().context("an icon lies in a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("{} cannot be created", parent.display()))?;
        fs::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))?;
        println!("  icons/{}", name.display());
    }
    Ok(())
}

/// Every PNG file below `folder` as its source says it should be.
fn make(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut made = BTreeMap::new();
    let application = source(&folder.join("anabranch.svg"))?;
    for size in APPLICATION {
        let picture = draw(&application, *size, "")?;
        made.insert(format!("application/{size}.png").into(), picture.encode_png()?);
    }
    let tray = folder.join("tray");
    let entries = fs::read_dir(&tray).with_context(|| format!("{} cannot be read", tray.display()))?;
    for entry in entries {
        let path = entry?.path();
        let (Some(name), true) = (path.file_stem(), path.extension().is_some_and(|end| end == "svg")) else {
            continue;
        };
        let text = source(&path)?;
        for (set, mark, edge) in SETS {
            let [red, green, blue] = mark;
            let style = format!("svg {{ color: rgb({red}, {green}, {blue}) }}");
            let picture = with_edge(&draw(&text, TRAY, &style)?, *edge)?;
            let file = Path::new("tray").join(set).join(name).with_extension("png");
            made.insert(file, picture.encode_png()?);
        }
    }
    Ok(made)
}

fn source(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn draw(source: &str, size: u32, style: &str) -> Result<Pixmap> {
    let options = Options {
        style_sheet: Some(style.to_owned()),
        ..Options::default()
    };
    let tree = Tree::from_str(source, &options).context("an icon's source is no picture")?;
    let mut picture = Pixmap::new(size, size).context("an icon has a size")?;
    #[expect(clippy::cast_precision_loss, reason = "sizes of icons are small")]
    let (width, height) = (size as f32 / tree.size().width(), size as f32 / tree.size().height());
    resvg::render(&tree, Transform::from_scale(width, height), &mut picture.as_mut());
    Ok(picture)
}

/// Puts a faint edge around what is drawn, as wide as one pixel of the smallest size that it is shown in.
fn with_edge(picture: &Pixmap, colour: Colour) -> Result<Pixmap> {
    let size = picture.width();
    let reach = i64::from(TRAY / 16) - 1;
    let covered = |x: i64, y: i64| {
        let point = u32::try_from(x).ok().zip(u32::try_from(y).ok());
        point
            .and_then(|(x, y)| picture.pixel(x, y))
            .map_or(0, resvg::tiny_skia::PremultipliedColorU8::alpha)
    };
    let mut edged = Pixmap::new(size, size).context("an icon has a size")?;
    for y in 0..size {
        for x in 0..size {
            let around = (-reach..=reach).flat_map(|down| (-reach..=reach).map(move |right| (right, down)));
            let around = around.filter(|(right, down)| right * right + down * down <= reach * reach);
            let nearest = around.map(|(right, down)| covered(i64::from(x) + right, i64::from(y) + down));
            let alpha = u16::from(nearest.max().unwrap_or(0)) * u16::from(EDGE) / 255;
            let at = 4 * (y as usize * size as usize + x as usize);
            let (under, over) = (&mut edged.data_mut()[at..at + 4], &picture.data()[at..at + 4]);
            let rest = 255 - u16::from(over[3]);
            for (channel, value) in [colour[0], colour[1], colour[2], 255].into_iter().enumerate() {
                let behind = u16::from(value) * alpha / 255 * rest / 255;
                under[channel] = over[channel].saturating_add(u8::try_from(behind).unwrap_or(u8::MAX));
            }
        }
    }
    Ok(edged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pictures_are_those_of_their_sources() {
        let folder = Place::find().unwrap().root.join("icons");
        let made = make(&folder).unwrap();
        for (name, bytes) in &made {
            // The points, not the bytes: how well they are packed depends on what else is built.
            let points = |bytes: &[u8]| Pixmap::decode_png(bytes).unwrap().take();
            let is_same = fs::read(folder.join(name)).is_ok_and(|found| points(&found) == points(bytes));
            assert!(is_same, "icons/{} has drifted: run cargo xtask icons", name.display());
        }
        let mut found = Vec::new();
        for place in ["application", "tray/light", "tray/dark"] {
            for entry in fs::read_dir(folder.join(place)).unwrap() {
                found.push(Path::new(place).join(entry.unwrap().file_name()));
            }
        }
        found.retain(|name| !made.contains_key(name));
        assert!(found.is_empty(), "these have no source: {found:?}");
    }

    #[test]
    fn no_two_states_look_alike() {
        let made = make(&Place::find().unwrap().root.join("icons")).unwrap();
        let tray: Vec<_> = made.iter().filter(|(name, _)| name.starts_with("tray/dark")).collect();
        assert_eq!(tray.len(), 8);
        for (number, (name, bytes)) in tray.iter().enumerate() {
            for (other, same) in &tray[..number] {
                assert_ne!(bytes, same, "{} and {}", name.display(), other.display());
            }
        }
    }
}
