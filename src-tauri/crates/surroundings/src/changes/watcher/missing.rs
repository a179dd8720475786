//! Places that are missing or cannot be watched, and starting over.

use super::*;
impl Watcher {
    /// Has the kernel tell when a missing place comes, by a watch on the nearest directory above it that is there.
    pub(super) fn await_missing(&mut self) {
        // Until no part of a way has come while the one above it was not watched yet.
        loop {
            let above = self
                .missing()
                .filter_map(|place| place.ancestors().skip(1).find(|above| is_directory(above)));
            let wanted: BTreeSet<PathBuf> = above.map(Path::to_owned).collect();
            for gone in self.awaited.difference(&wanted) {
                if self.inotify.scope(gone).is_none() {
                    self.inotify.unwatch(gone);
                }
            }
            for above in &wanted {
                if !self.inotify.is_watched(above) {
                    // Where it cannot be watched, the place is found by polling.
                    let _ = self.inotify.watch(&Arc::from(&**above), None, true);
                }
            }
            if wanted == self.awaited {
                break;
            }
            self.awaited = wanted;
        }
        let here: Vec<PathBuf> = self.missing().filter(|place| is_directory(place)).cloned().collect();
        for place in here {
            self.visit(self.places_within(&place), Some(Why::Missing));
        }
    }

    pub(super) fn missing(&self) -> impl Iterator<Item = &PathBuf> {
        let missing = self.blind.iter().filter(|(_, why)| **why == Why::Missing);
        missing.map(|(place, _)| place)
    }

    /// Tries the blind directories again, and asks for each to be looked through in any case.
    pub(super) fn poll(&mut self) {
        let started = Instant::now();
        for (path, why) in std::mem::take(&mut self.blind) {
            let scope = path.ancestors().find_map(|above| self.places.get(above)).copied();
            if let Some(scope) = scope {
                // A blind place may hold directories that are watched; to watch them again changes nothing.
                self.enter(&path, scope, false);
                self.outlet.put(Change::Rescan(path, why));
            }
        }
        let places: Vec<PathBuf> = self.places.keys().cloned().collect();
        for place in places {
            self.note_elsewhere(&place);
        }
        let now = Instant::now();
        self.next_poll = now + self.poll_every.max((now - started) * POLLING_PART);
    }

    /// Begins anew after events were lost: directories may have come and gone unseen.
    pub(super) fn start_over(&mut self) {
        self.paths.clear();
        self.visit_all(Path::new("/"), Why::Overflow);
    }
}
