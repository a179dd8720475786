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

    /// Compares the places on file systems that others change unseen, but for work trees, and no others.
    pub(super) fn compare_elsewhere(&mut self) {
        let elsewhere = self
            .blind
            .iter()
            .filter(|(path, why)| **why == Why::Elsewhere && self.places.contains_key(*path));
        let wanted: BTreeMap<PathBuf, Vec<_>> = elsewhere
            .map(|(path, _)| (path.clone(), self.places_within(path)))
            .filter(|(_, places)| places.iter().all(|(_, scope)| *scope != WatchScope::WorkTree))
            .collect();
        self.polled
            .retain(|path, polled| wanted.get(path) == Some(&polled.places));
        for (path, places) in wanted {
            if !self.polled.contains_key(&path)
                // Without a thread it is scanned as any other.
                && let Ok(polled) = Polled::start(path.clone(), places, self.poll_every, self.messages.clone())
            {
                self.polled.insert(path, polled);
            }
        }
    }

    /// Tries the blind directories again, and asks for each that is not compared to be looked through in any case.
    pub(super) fn poll(&mut self) {
        let started = Instant::now();
        for (path, why) in std::mem::take(&mut self.blind) {
            let scope = path.ancestors().find_map(|above| self.places.get(above)).copied();
            if let Some(scope) = scope {
                // A blind place may hold directories that are watched; to watch them again changes nothing.
                self.enter(&path, scope, false);
                if self.blind.contains_key(&path) || !self.polled.contains_key(&path) {
                    self.outlet.put(Change::Rescan(path, why));
                }
            }
        }
        let places: Vec<PathBuf> = self.places.keys().cloned().collect();
        for place in places {
            self.note_elsewhere(&place);
        }
        let now = Instant::now();
        self.next_poll = now + self.poll_every.max((now - started) * POLLING_PART);
    }

    /// Starts again after events were lost: directories may have come and gone unseen.
    pub(super) fn start_over(&mut self) {
        self.paths.clear();
        self.visit_all(Path::new("/"), Why::Overflow);
    }
}
