use serde::{Deserialize, Serialize};

/// The effective settings of the program itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Settings {
    /// The file that holds them, which people may edit; empty if this process uses none.
    pub file: String,
    /// Whether the program starts with the desktop; none if the user has not been asked yet.
    pub autostart: Option<bool>,
    /// Whether ordinary notifications are shown; warnings of danger always are.
    pub notifications: bool,
    /// The upload limit of all folders together, in bytes per second; none for no limit.
    pub limit_up: Option<u64>,
    /// The download limit of all folders together, in bytes per second; none for no limit.
    pub limit_down: Option<u64>,
    /// Whether all folders pause while this computer runs on battery.
    pub pause_on_battery: bool,
    /// Whether places on the network count as away while the connection is metered.
    pub pause_on_metered: bool,
    /// The color scheme of the window.
    pub look: Look,
    /// Drives that Anabranch no longer asks about.
    pub declined: Vec<Declined>,
}

impl Default for Settings {
    /// The settings in effect where nothing was written.
    fn default() -> Self {
        Self {
            file: String::new(),
            autostart: None,
            notifications: true,
            limit_up: None,
            limit_down: None,
            pause_on_battery: false,
            pause_on_metered: true,
            look: Look::System,
            declined: Vec::new(),
        }
    }
}

/// The color scheme of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Look {
    /// The desktop's color scheme.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// A drive that Anabranch no longer asks about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Declined {
    /// The uuid of its file system.
    pub id: String,
    /// Its name at that time.
    pub name: String,
}

/// One setting with a new value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// [`Settings::autostart`].
    Autostart(bool),
    /// [`Settings::notifications`].
    Notifications(bool),
    /// [`Settings::limit_up`].
    LimitUp(Option<u64>),
    /// [`Settings::limit_down`].
    LimitDown(Option<u64>),
    /// [`Settings::pause_on_battery`].
    PauseOnBattery(bool),
    /// [`Settings::pause_on_metered`].
    PauseOnMetered(bool),
    /// [`Settings::look`].
    Look(Look),
}
