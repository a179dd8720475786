//! What most tests of the desktop program begin with: a desktop, and somebody's pictures on it.

use std::fs;
use std::path::PathBuf;

use crate::asking::is_in_state;
use crate::clones::{Actor, pictures};
use crate::{Desktop, Dunst, Engine, Sandbox, TrayHost, Window};

/// A desktop on which nothing runs yet, and a folder that is up to date. It may be cloned before the program starts.
pub struct Scene {
    /// The desktop.
    pub desktop: Desktop,
    /// The folder.
    pub photos: PathBuf,
    /// The world that both are in, which ends last.
    pub sandbox: Sandbox,
}

impl Scene {
    /// Makes one with so many pictures.
    #[track_caller]
    #[must_use]
    pub fn of_pictures(count: u32) -> Scene {
        let sandbox = Sandbox::new();
        Scene {
            photos: pictures(&sandbox, "Photos", count),
            desktop: Desktop::start(&sandbox),
            sandbox,
        }
    }

    /// Clones the folder to a name in the sandbox.
    #[track_caller]
    pub fn cloned_to(&self, name: &str) -> PathBuf {
        Actor::Anabranch.clone(&self.sandbox, &self.photos, name, false)
    }

    /// Syncs the folder with its remotes once, by the program if it runs.
    #[track_caller]
    pub fn sync(&self) {
        Actor::Anabranch.sync(&self.sandbox, &self.photos);
    }

    /// Puts a tray on the desktop.
    #[must_use]
    pub fn tray(&self) -> TrayHost {
        TrayHost::start(&self.desktop)
    }

    /// Puts a notification server on the desktop.
    #[track_caller]
    #[must_use]
    pub fn dunst(&self) -> Dunst {
        Dunst::start(&self.sandbox, &self.desktop)
    }

    /// Starts the desktop program on the folder, and waits until it answers.
    #[track_caller]
    pub fn run(&self) -> Engine {
        self.desktop.run(&self.sandbox, &[&self.photos])
    }

    /// Starts the desktop program on the folder with its window open.
    #[track_caller]
    #[must_use]
    pub fn window(&self) -> Window {
        Window::open(&self.desktop, &self.sandbox, &[&self.photos])
    }

    /// Deletes all pictures but the first while the program stands still: it sees them gone at once, also where that takes a
    /// while. Few that are seen to go before the others would be taken for deleted on purpose.
    ///
    /// # Panics
    ///
    /// When one cannot be deleted.
    pub fn delete_pictures(&self, engine: &Engine) {
        engine.freeze();
        let pictures = (1..).map(|number| self.photos.join(format!("{number}.jpg")));
        for picture in pictures.take_while(|picture| picture.exists()) {
            fs::remove_file(picture).unwrap();
        }
        engine.thaw();
    }

    /// Waits until the folder is in a state.
    #[track_caller]
    pub fn is(&self, state: &str) {
        is_in_state(&self.sandbox, &self.photos, state);
    }
}
