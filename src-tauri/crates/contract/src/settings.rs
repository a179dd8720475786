use serde::{Deserialize, Serialize};

/// The settings of the program itself, as they are in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Settings {
    /// The file that they are written in, which people may edit; empty if this process uses none.
    pub file: String,
    /// Whether the program starts with the desktop; none if the user was not asked yet.
    pub autostart: Option<bool>,
    /// Whether ordinary notifications are shown; those about danger always are.
    pub notifications: bool,
    /// Contents sent, bytes a second, all folders together; none without limit.
    pub limit_up: Option<u64>,
    /// Contents received, bytes a second, all folders together; none without limit.
    pub limit_down: Option<u64>,
    /// Whether all folders pause while this computer runs on battery.
    pub pause_on_battery: bool,
    /// Whether places that are reached through a network count as away while the network costs money.
    pub pause_on_metered: bool,
    /// How the window looks.
    pub look: Look,
    /// Drives that the user does not want to be asked about.
    pub declined: Vec<Declined>,
}

impl Default for Settings {
    /// What is in force where nothing was written.
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

/// How the window looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Look {
    /// As the desktop does.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// A drive that the user does not want to be asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Declined {
    /// The uuid of its file system.
    pub id: String,
    /// What it was called.
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
