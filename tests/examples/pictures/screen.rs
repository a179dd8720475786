//! What is on the screen, and a hand on the mouse.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::{Duration, Instant};

use whole_system::{Desktop, PATIENCE};
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ChangeWindowAttributesAux, ConnectionExt as _, ImageFormat, Window};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

/// What has not changed for so long is drawn.
const STILL: Duration = Duration::from_millis(700);

/// The frame of a window is not higher than this at its top; it is lower at its bottom.
const FRAME: usize = 40;

/// What the X protocol calls a pressed and a let go button, a moved mouse.
const PRESS: u8 = 4;
const RELEASE: u8 = 5;
const MOVE: u8 = 6;

/// A part of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) x: u16,
    pub(crate) y: u16,
    pub(crate) width: u16,
    pub(crate) height: u16,
}

/// A desktop's screen.
pub(crate) struct Screen {
    connection: RustConnection,
    root: Window,
    width: u16,
    height: u16,
}

impl Screen {
    pub(crate) fn of(desktop: &Desktop) -> Screen {
        let (connection, number) = RustConnection::connect(Some(&desktop.display())).unwrap();
        let screen = &connection.setup().roots[number];
        let (root, width, height) = (screen.root, screen.width_in_pixels, screen.height_in_pixels);
        Screen {
            connection,
            root,
            width,
            height,
        }
    }

    /// The top of the screen at its right.
    pub(crate) fn top(&self, width: u16, height: u16) -> Area {
        Area {
            x: self.width - width,
            y: 0,
            width,
            height,
        }
    }

    /// The bottom of the screen, over its whole width.
    pub(crate) fn bottom(&self, height: u16) -> Area {
        self.corner(self.width, height)
    }

    /// The corner at the right below.
    pub(crate) fn corner(&self, width: u16, height: u16) -> Area {
        Area {
            x: self.width - width,
            y: self.height - height,
            width,
            height,
        }
    }

    /// Where the window of this title is, with its frame and a little of what is around.
    pub(crate) fn window(&self, desktop: &Desktop, title: &str) -> Area {
        let window = *desktop.windows(title).first().expect("the window is open");
        let mut outer = window;
        loop {
            let tree = self.connection.query_tree(outer).unwrap().reply().unwrap();
            if tree.parent == self.root {
                break;
            }
            outer = tree.parent;
        }
        let frame = self.connection.get_geometry(outer).unwrap().reply().unwrap();
        let (x, y) = (frame.x.max(0).cast_unsigned(), frame.y.max(0).cast_unsigned());
        Area {
            x,
            y,
            width: frame.width.min(self.width - x),
            height: frame.height.min(self.height - y),
        }
    }

    /// Paints the desktop below all windows.
    pub(crate) fn paint(&self, colour: u32) {
        let attributes = ChangeWindowAttributesAux::new().background_pixel(colour);
        self.connection
            .change_window_attributes(self.root, &attributes)
            .unwrap()
            .check()
            .unwrap();
        self.connection
            .clear_area(false, self.root, 0, 0, 0, 0)
            .unwrap()
            .check()
            .unwrap();
    }

    /// Clicks somewhere with a button, 1 for the left one, and leaves the mouse there.
    pub(crate) fn click(&self, x: u16, y: u16, button: u8) {
        self.point(x, y);
        for kind in [PRESS, RELEASE] {
            let event = self.connection.xtest_fake_input(kind, button, 0, self.root, 0, 0, 0);
            event.unwrap().check().unwrap();
        }
    }

    /// Moves the mouse.
    pub(crate) fn point(&self, x: u16, y: u16) {
        let (x, y) = (x.cast_signed(), y.cast_signed());
        let event = self.connection.xtest_fake_input(MOVE, 0, 0, self.root, x, y, 0);
        event.unwrap().check().unwrap();
    }

    /// An area, once it is as it should be and no longer changes.
    #[track_caller]
    pub(crate) fn still(&self, what: &str, area: Area, is_right: impl Fn(&Picture) -> bool) -> Picture {
        let began_at = Instant::now();
        let mut last = self.look(area);
        let mut same_since = Instant::now();
        loop {
            std::thread::sleep(Duration::from_millis(50));
            let next = self.look(area);
            if next != last {
                last = next;
                same_since = Instant::now();
            }
            if same_since.elapsed() > STILL && is_right(&last) {
                return last;
            }
            if began_at.elapsed() > PATIENCE {
                last.save(&std::env::temp_dir().join("anabranch-not-seen.png"));
                panic!("not seen: {what}");
            }
        }
    }

    fn look(&self, area: Area) -> Picture {
        let (x, y) = (area.x.cast_signed(), area.y.cast_signed());
        let image = self
            .connection
            .get_image(ImageFormat::Z_PIXMAP, self.root, x, y, area.width, area.height, !0);
        let image = image.unwrap().reply().unwrap();
        // Blue, green, red and nothing, as Xvfb has it.
        let points = image
            .data
            .chunks_exact(4)
            .map(|point| [point[2], point[1], point[0]])
            .collect();
        Picture { area, points }
    }
}

/// What was seen in an area.
#[derive(PartialEq, Eq)]
pub(crate) struct Picture {
    area: Area,
    points: Vec<[u8; 3]>,
}

impl Picture {
    /// Whether there is nothing but one colour.
    pub(crate) fn is_plain(&self) -> bool {
        self.points.iter().all(|point| *point == self.points[0])
    }

    /// Whether there is something of a page: a window shows its frame first.
    pub(crate) fn is_drawn(&self) -> bool {
        let width = usize::from(self.area.width);
        let page = FRAME..usize::from(self.area.height) - FRAME;
        let below_the_title = self.points.chunks_exact(width).skip(page.start).take(page.len());
        let mut inside = below_the_title.flat_map(|row| &row[width / 4..width / 4 * 3]);
        let first = inside.next();
        inside.any(|point| Some(point) != first)
    }

    /// The middle of what is otherwise here than in an older picture of the same area.
    pub(crate) fn middle_of_change(&self, old: &Picture) -> Option<(u16, u16)> {
        let width = usize::from(self.area.width);
        let pairs = self.points.iter().zip(&old.points).enumerate();
        let changed = pairs
            .filter(|(_, (new, old))| new != old)
            .map(|(at, _)| (at % width, at / width));
        let (xs, ys): (Vec<usize>, Vec<usize>) = changed.unzip();
        let middle = |of: &[usize]| Some((of.iter().min()? + of.iter().max()?) / 2);
        let number = |of: usize| u16::try_from(of).expect("a screen is small");
        Some((self.area.x + number(middle(&xs)?), self.area.y + number(middle(&ys)?)))
    }

    pub(crate) fn save(&self, path: &Path) {
        let file = BufWriter::new(File::create(path).unwrap());
        let mut encoder = png::Encoder::new(file, self.area.width.into(), self.area.height.into());
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(self.points.as_flattened()).unwrap();
    }
}
