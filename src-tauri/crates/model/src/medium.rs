/// What lies between this computer and another repository, and so which event tells that it may have come or gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// A path of this computer, on its own disk, a drive or a mount: the table of mounts tells.
    Disk,
    /// Another computer: changes of the network tell.
    Network,
}
