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
            if wanted == self.awaited {
                break;
            }
            for gone in self
                .awaited
                .difference(&wanted)
                .filter(|gone| !self.watched.contains_key(*gone))
            {
                let _ = self.kernel.unwatch(gone);
            }
            for new in wanted.difference(&self.awaited) {
                // Where it cannot be watched, the place is found by polling.
                let _ = self.kernel.watch(new, RecursiveMode::NonRecursive);
            }
            self.awaited = wanted;
        }
        let here: Vec<PathBuf> = self.missing().filter(|place| is_directory(place)).cloned().collect();
        for place in here {
            self.revisit_places_within(&place);
        }
    }

    pub(super) fn missing(&self) -> impl Iterator<Item = &PathBuf> {
        let missing = self.blind.iter().filter(|(_, why)| **why == Why::Missing);
        missing.map(|(place, _)| place)
    }

    /// Tries the blind directories again, and asks for each to be looked through in any case.
    pub(super) fn poll(&mut self) {
        if self.must_start_over {
            return self.start_over();
        }
        let started = Instant::now();
        for (path, why) in std::mem::take(&mut self.blind) {
            let scope = path.ancestors().find_map(|above| self.places.get(above)).copied();
            if let Some(scope) = scope {
                // A blind place may hold directories that are watched; to watch them again changes nothing.
                self.enter(path.clone(), scope, false);
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

    /// Begins anew after events were lost: directories may have come and gone unseen. Without another watcher of the kernel
    /// the one before is kept, and the places are polled until there is one.
    pub(super) fn start_over(&mut self) {
        let generation = self.generation + 1;
        self.stale.clear();
        self.blind.clear();
        self.paths.clear();
        self.events_lost.store(false, Ordering::Release);
        let places: Vec<_> = self.places.clone().into_iter().collect();
        let kernel = kernel_watcher(generation, self.messages.clone(), self.events_lost.clone());
        self.must_start_over = kernel.is_err();
        match kernel {
            Ok(kernel) => {
                (self.kernel, self.generation) = (kernel, generation);
                self.watched.clear();
                self.awaited.clear();
                for (path, scope) in &places {
                    self.enter(path.clone(), *scope, false);
                    self.note_elsewhere(path);
                }
            }
            Err(_) => {
                for (path, _) in &places {
                    self.make_blind(path.clone(), Why::WatchLimit);
                }
            }
        }
        for (path, _) in places {
            self.outlet.put(Change::Rescan(path, Why::Overflow));
        }
    }
}
